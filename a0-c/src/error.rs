//! Error codes, and the message that belongs to the last one of a thread.
#![allow(unsafe_code)]

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use a0_std::Error;
use a0_std::FileError;
use a0_std::LockError;

/// What became of a call. Everything but A0RS_OK and A0RS_AGAIN is a failure; a0rs_error_message() says more about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum a0rs_error {
    /// It worked.
    A0RS_OK = 0,
    /// No failure: there is nothing yet, or somebody else has it; ask again later. Leaves no message.
    A0RS_AGAIN = 1,
    /// An argument that cannot be used: null, not UTF-8, an unknown number.
    A0RS_ERROR_ARGUMENT = 2,
    /// The handle is being used, by another thread or by the call that runs this callback, and is not for two at once.
    A0RS_ERROR_BUSY = 3,
    /// The name of a topic, or a pattern, that cannot be used.
    A0RS_ERROR_NAME = 4,
    /// An environment variable that cannot be used, such as A0_ROOT.
    A0RS_ERROR_ENVIRONMENT = 5,
    /// The file does not exist, and was not to be created.
    A0RS_ERROR_NOT_FOUND = 6,
    /// This user may not do that.
    A0RS_ERROR_PERMISSION = 7,
    /// The file could not be opened, created or removed.
    A0RS_ERROR_FILE = 8,
    /// The file holds what no sound program writes, or is no topic.
    A0RS_ERROR_CORRUPT = 9,
    /// The topic's lock is not to be had.
    A0RS_ERROR_LOCK = 10,
    /// The topic was opened for reading only.
    A0RS_ERROR_READ_ONLY = 11,
    /// The message is larger than the topic's arena.
    A0RS_ERROR_TOO_LARGE = 12,
    /// Anything else about the topic's memory.
    A0RS_ERROR_TOPIC = 13,
    /// The topic was removed while it was open: open it again.
    A0RS_ERROR_REMOVED = 14,
    /// A message that somebody else wrote is no packet; it was skipped.
    A0RS_ERROR_BAD_MESSAGE = 15,
    /// A packet that cannot be written.
    A0RS_ERROR_BAD_PACKET = 16,
    /// A configuration or a patch that is no JSON.
    A0RS_ERROR_CONFIG = 17,
    /// Nothing came in time.
    A0RS_ERROR_TIMEOUT = 18,
    /// Another thread has ended this wait.
    A0RS_ERROR_INTERRUPTED = 19,
    /// The server is gone; whether it has acted on the call is unknown.
    A0RS_ERROR_SERVER_GONE = 20,
    /// The request was overwritten, perhaps before a server has seen it.
    A0RS_ERROR_REQUEST_LOST = 21,
    /// The answer may have been overwritten before it was read.
    A0RS_ERROR_REPLY_LOST = 22,
    /// Somebody has cancelled the call.
    A0RS_ERROR_CANCELLED = 23,
    /// The server says that it cannot answer.
    A0RS_ERROR_REMOTE = 24,
    /// The deadman was not taken through this handle.
    A0RS_ERROR_NOT_OWNER = 25,
    /// The operating system refused a thread or a file descriptor.
    A0RS_ERROR_SYSTEM = 26,
    /// A fault in this library.
    A0RS_ERROR_PANIC = 27,
    /// The message was overwritten while it was looked at in place: nothing that was learnt of it counts.
    A0RS_ERROR_OVERWRITTEN = 28,
    /// An error that is newer than this list.
    A0RS_ERROR_OTHER = 29,
    /// Made before a fork, it serves the parent process: make another one in this one.
    A0RS_ERROR_FORKED = 30,
}

use a0rs_error::*;

impl a0rs_error {
    const ALL: [a0rs_error; 31] = [
        A0RS_OK,
        A0RS_AGAIN,
        A0RS_ERROR_ARGUMENT,
        A0RS_ERROR_BUSY,
        A0RS_ERROR_NAME,
        A0RS_ERROR_ENVIRONMENT,
        A0RS_ERROR_NOT_FOUND,
        A0RS_ERROR_PERMISSION,
        A0RS_ERROR_FILE,
        A0RS_ERROR_CORRUPT,
        A0RS_ERROR_LOCK,
        A0RS_ERROR_READ_ONLY,
        A0RS_ERROR_TOO_LARGE,
        A0RS_ERROR_TOPIC,
        A0RS_ERROR_REMOVED,
        A0RS_ERROR_BAD_MESSAGE,
        A0RS_ERROR_BAD_PACKET,
        A0RS_ERROR_CONFIG,
        A0RS_ERROR_TIMEOUT,
        A0RS_ERROR_INTERRUPTED,
        A0RS_ERROR_SERVER_GONE,
        A0RS_ERROR_REQUEST_LOST,
        A0RS_ERROR_REPLY_LOST,
        A0RS_ERROR_CANCELLED,
        A0RS_ERROR_REMOTE,
        A0RS_ERROR_NOT_OWNER,
        A0RS_ERROR_SYSTEM,
        A0RS_ERROR_PANIC,
        A0RS_ERROR_OVERWRITTEN,
        A0RS_ERROR_OTHER,
        A0RS_ERROR_FORKED,
    ];

    const fn name(self) -> &'static std::ffi::CStr {
        match self {
            A0RS_OK => c"ok",
            A0RS_AGAIN => c"again",
            A0RS_ERROR_ARGUMENT => c"argument",
            A0RS_ERROR_BUSY => c"busy",
            A0RS_ERROR_NAME => c"name",
            A0RS_ERROR_ENVIRONMENT => c"environment",
            A0RS_ERROR_NOT_FOUND => c"not found",
            A0RS_ERROR_PERMISSION => c"permission",
            A0RS_ERROR_FILE => c"file",
            A0RS_ERROR_CORRUPT => c"corrupt",
            A0RS_ERROR_LOCK => c"lock",
            A0RS_ERROR_READ_ONLY => c"read-only",
            A0RS_ERROR_TOO_LARGE => c"too large",
            A0RS_ERROR_TOPIC => c"topic",
            A0RS_ERROR_REMOVED => c"removed",
            A0RS_ERROR_BAD_MESSAGE => c"bad message",
            A0RS_ERROR_BAD_PACKET => c"bad packet",
            A0RS_ERROR_CONFIG => c"config",
            A0RS_ERROR_TIMEOUT => c"timeout",
            A0RS_ERROR_INTERRUPTED => c"interrupted",
            A0RS_ERROR_SERVER_GONE => c"server gone",
            A0RS_ERROR_REQUEST_LOST => c"request lost",
            A0RS_ERROR_REPLY_LOST => c"reply lost",
            A0RS_ERROR_CANCELLED => c"cancelled",
            A0RS_ERROR_REMOTE => c"remote",
            A0RS_ERROR_NOT_OWNER => c"not owner",
            A0RS_ERROR_SYSTEM => c"system",
            A0RS_ERROR_PANIC => c"panic",
            A0RS_ERROR_OVERWRITTEN => c"overwritten",
            A0RS_ERROR_OTHER => c"other",
            A0RS_ERROR_FORKED => c"forked",
        }
    }

    fn of(error: &Error) -> a0rs_error {
        use a0_core::Error as Core;
        match error {
            Error::BadTopic { .. } | Error::BadPattern { .. } => A0RS_ERROR_NAME,
            Error::BadEnv { .. } => A0RS_ERROR_ENVIRONMENT,
            Error::File(FileError::NotFound { .. }) => A0RS_ERROR_NOT_FOUND,
            Error::File(FileError::PermissionDenied { .. }) => A0RS_ERROR_PERMISSION,
            Error::File(_) => A0RS_ERROR_FILE,
            Error::Topic { cause, .. } => match cause {
                Core::Corrupt(_) => A0RS_ERROR_CORRUPT,
                Core::Lock(LockError::ReadOnly) => A0RS_ERROR_READ_ONLY,
                Core::Lock(_) => A0RS_ERROR_LOCK,
                Core::FrameTooLarge { .. } => A0RS_ERROR_TOO_LARGE,
                _ => A0RS_ERROR_TOPIC,
            },
            Error::Overwritten { .. } => A0RS_ERROR_OVERWRITTEN,
            Error::TopicRemoved { .. } => A0RS_ERROR_REMOVED,
            Error::BadMessage { .. } => A0RS_ERROR_BAD_MESSAGE,
            Error::BadPacket(_) => A0RS_ERROR_BAD_PACKET,
            Error::Cfg { .. } => A0RS_ERROR_CONFIG,
            Error::Timeout { .. } => A0RS_ERROR_TIMEOUT,
            Error::Interrupted { .. } => A0RS_ERROR_INTERRUPTED,
            Error::ServerGone { .. } => A0RS_ERROR_SERVER_GONE,
            Error::RequestLost { .. } => A0RS_ERROR_REQUEST_LOST,
            Error::ReplyLost { .. } => A0RS_ERROR_REPLY_LOST,
            Error::Cancelled { .. } => A0RS_ERROR_CANCELLED,
            Error::Remote { .. } => A0RS_ERROR_REMOTE,
            Error::NotOwner { .. } => A0RS_ERROR_NOT_OWNER,
            Error::Forked { .. } => A0RS_ERROR_FORKED,
            Error::Thread { .. } | Error::Discovery { .. } | Error::NoMemory { .. } => A0RS_ERROR_SYSTEM,
            _ => A0RS_ERROR_OTHER,
        }
    }
}

/// Why a call did not give what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    Again,
    Argument(String),
    Busy,
    Inner(Error),
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Inner(error)
    }
}

/// An argument that cannot be used, and why.
pub(crate) fn argument(name: &str, reason: &str) -> Failure {
    Failure::Argument(format!("invalid argument {name}: {reason}"))
}

thread_local! {
    static MESSAGE: RefCell<CString> = RefCell::default();
}

fn leave(error: a0rs_error, message: String) -> a0rs_error {
    let mut bytes = message.into_bytes();
    bytes.retain(|byte| *byte != 0);
    // Without NULs it always is one. A thread that ends has no messages any more.
    let _ = CString::new(bytes).map(|message| MESSAGE.try_with(|last| last.replace(message)));
    error
}

impl Failure {
    /// The code; the message is left for this thread to ask for.
    pub(crate) fn leave(self) -> a0rs_error {
        match self {
            Failure::Again => A0RS_AGAIN,
            Failure::Argument(message) => leave(A0RS_ERROR_ARGUMENT, message),
            Failure::Busy => {
                let message = "this handle is in use, by another thread or by the call that runs this callback: \
                    give each its own";
                leave(A0RS_ERROR_BUSY, message.to_owned())
            }
            Failure::Inner(error) => leave(a0rs_error::of(&error), error.to_string()),
        }
    }
}

/// Runs what a function of the library does. Nothing leaves it but a code: a panic must not reach C.
pub(crate) fn guard(body: impl FnOnce() -> Result<()>) -> a0rs_error {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => A0RS_OK,
        Ok(Err(failure)) => failure.leave(),
        Err(panic) => leave(A0RS_ERROR_PANIC, format!("fault in a0rs: {}", words(panic))),
    }
}

/// The same for functions that always work.
pub(crate) fn guard_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    let mut result = otherwise;
    guard(|| {
        result = body();
        Ok(())
    });
    result
}

fn words(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let words = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    // What somebody panicked with may panic when it is dropped.
    std::mem::forget(panic);
    words
}

/// What the last failure of a function called by this thread was about: the file, the reason, and what helps. Never
/// null; empty if there was none. Valid until the next failure in this thread.
#[unsafe(no_mangle)]
pub extern "C" fn a0rs_error_message() -> *const c_char {
    MESSAGE.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// A short name of an a0rs_error, such as "timeout"; "unknown" for any other number. Valid forever.
#[unsafe(no_mangle)]
pub extern "C" fn a0rs_error_name(error: i32) -> *const c_char {
    let known = a0rs_error::ALL.into_iter().find(|known| *known as i32 == error);
    known.map_or(c"unknown", a0rs_error::name).as_ptr()
}

/// The version of this library, such as "0.1.0". Valid forever.
#[unsafe(no_mangle)]
pub extern "C" fn a0rs_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::panic::panic_any;

    use super::*;

    fn message() -> &'static str {
        // SAFETY: a C string, and this thread fails no more while it is looked at.
        unsafe { CStr::from_ptr(a0rs_error_message()) }.to_str().unwrap()
    }

    #[test]
    fn a_panic_becomes_a_code() {
        assert_eq!(message(), "");
        assert_eq!(guard(|| panic!("number {}", 7)), A0RS_ERROR_PANIC);
        assert_eq!(message(), "fault in a0rs: number 7");
        assert_eq!(guard_or(3, || panic!("plain")), 3);
        assert_eq!(message(), "fault in a0rs: plain");

        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert_eq!(guard(|| panic_any(Bomb)), A0RS_ERROR_PANIC);
        assert_eq!(message(), "fault in a0rs: ");
    }

    #[test]
    fn codes_and_names() {
        for (number, code) in a0rs_error::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
        }
        let names: std::collections::HashSet<_> = a0rs_error::ALL.into_iter().map(a0rs_error::name).collect();
        assert_eq!(names.len(), a0rs_error::ALL.len());
        assert_eq!(guard(|| Err(Failure::Again)), A0RS_AGAIN);
        assert_eq!(guard(|| Err(argument("topic", "it is\0 null"))), A0RS_ERROR_ARGUMENT);
        assert_eq!(message(), "invalid argument topic: it is null");
    }
}

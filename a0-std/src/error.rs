//! The one error type of this crate: what went wrong, with which file or topic, and what helps.

use std::path::{Path, PathBuf};
use std::time::Duration;

use a0_core::PacketError;
use a0_linux::FileError;
use thiserror::Error;

use crate::cfg::CfgError;
use crate::codec::CodecError;

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any failure. Its text says everything: the file or topic, the reason, and the remedy where there is one.
///
/// What lies below is in a field, to be matched. It is no [`source`](std::error::Error::source), so those who print a chain of
/// causes print each thing once.
///
/// ```
/// use a0_std::{Error, FileOptions, LockError, Publisher, TopicError};
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// let news = Publisher::with_options("news", &FileOptions::default().size(4096))?;
/// match news.publish([0; 10_000]) {
///     Err(Error::Topic { path, cause: TopicError::FrameTooLarge { size, max } }) => {
///         assert!(size > max);
///         eprintln!("{}: {size} bytes are more than {max}", path.display());
///     }
///     Err(Error::Topic { cause: TopicError::Lock(LockError::TimedOut { owner }), .. }) => {
///         eprintln!("thread {owner:?} holds the topic");
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A topic name that cannot be used.
    #[error("invalid topic name {topic:?}: {reason}")]
    BadTopic {
        /// The name.
        topic: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An environment variable that cannot be used.
    #[error("invalid environment variable {variable}: {reason}")]
    BadEnv {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// A pattern of topics or paths that cannot be used.
    #[error("invalid pattern {pattern:?}: {reason}")]
    BadPattern {
        /// The pattern.
        pattern: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A topic's file could not be opened, created or removed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The topic's memory or lock: see the inner error.
    #[error("{}: {cause}", path.display())]
    Topic {
        /// The topic's file.
        path: PathBuf,
        /// The reason.
        cause: a0_core::Error,
    },
    /// A message was overwritten while it was looked at in place, and what was learnt of it does not count. The reader has
    /// passed it: the next read goes on with what is left, and does not count this one as missed.
    #[error(
        "{}: message {seq} was overwritten while it was looked at in place ({missed} missed before it): \
        look faster, copy it, or give the topic more room",
        path.display()
    )]
    Overwritten {
        /// The topic's file.
        path: PathBuf,
        /// Sequence number of the message.
        seq: u64,
        /// Messages right before this one that the reader did not get, as [`Message::missed`](crate::Message::missed).
        missed: u64,
    },
    /// There is no memory for a copy of a message. It stays unread; the next read tries again.
    #[error(
        "{}: no memory for a message of {size} bytes: raise the limit (ulimit -v), or look at it in place", path.display()
    )]
    NoMemory {
        /// The topic's file.
        path: PathBuf,
        /// Bytes of the message.
        size: u64,
    },
    /// Somebody has removed the topic's file, or another file with its name took its place, so that nobody who comes from
    /// now on finds this one. Whoever opens the topic again finds the new one, or creates it.
    ///
    /// Everybody looks about every 100 ms; see [`SubscriberSync::read_blocking`](crate::SubscriberSync::read_blocking). Those
    /// who write go on with the new file instead, unless [`FileOptions::reopen`](crate::FileOptions::reopen) says otherwise:
    /// see [`Publisher::publish`](crate::Publisher::publish).
    #[error("{}: the topic was removed while it was open: open it again", path.display())]
    TopicRemoved {
        /// The topic's file.
        path: PathBuf,
    },
    /// A message that somebody else wrote is no packet; it was skipped.
    #[error("{}: message {seq} is not a valid packet ({missed} missed before it): {cause}", path.display())]
    BadMessage {
        /// The topic's file.
        path: PathBuf,
        /// Sequence number of the message.
        seq: u64,
        /// Messages right before this one that the reader did not get, as [`Message::missed`](crate::Message::missed).
        missed: u64,
        /// The reason.
        cause: PacketError,
    },
    /// A message does not say that it is what the typed subscriber expects; it was skipped.
    #[error("{}: message {seq} is {found}, but {expected} is expected", path.display())]
    WrongType {
        /// The topic's file.
        path: PathBuf,
        /// Sequence number of the message.
        seq: u64,
        /// Messages right before this one that the reader did not get, as [`Message::missed`](crate::Message::missed).
        missed: u64,
        /// Content type and schema that the subscriber expects.
        expected: String,
        /// Content type and schema of the message, cut if long.
        found: String,
    },
    /// A message says that it is what the typed subscriber expects, but is not; it was skipped.
    #[error("{}: message {seq} is no valid {expected}: {cause}", path.display())]
    BadPayload {
        /// The topic's file.
        path: PathBuf,
        /// Sequence number of the message.
        seq: u64,
        /// Messages right before this one that the reader did not get, as [`Message::missed`](crate::Message::missed).
        missed: u64,
        /// Content type and schema.
        expected: String,
        /// The reason.
        cause: CodecError,
    },
    /// A value that cannot be expressed in the codec's format; nothing was published.
    #[error("{}: the value cannot be sent as {expected}: {cause}", path.display())]
    NotEncodable {
        /// The topic's file.
        path: PathBuf,
        /// Content type and schema.
        expected: String,
        /// The reason.
        cause: CodecError,
    },
    /// A packet that cannot be written.
    #[error("the packet cannot be sent: {0}")]
    BadPacket(PacketError),
    /// A configuration cannot be used as asked: see the inner error.
    #[error("{}: {cause}", path.display())]
    Cfg {
        /// The topic's file.
        path: PathBuf,
        /// The reason.
        cause: CfgError,
    },
    /// Nothing came in time.
    #[error("{}: nothing new within {waited:?}", path.display())]
    Timeout {
        /// The topic's file, or the pattern of a discovery.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// Another thread has ended this wait, and all later ones, through an interrupter.
    #[error("{}: interrupted", path.display())]
    Interrupted {
        /// The topic's file, or the pattern of a discovery.
        path: PathBuf,
    },
    /// The server that was there when the call was sent is gone, and no other one has the call; whether it has acted on the call is unknown.
    #[error("{}: the server is gone", path.display())]
    ServerGone {
        /// The topic's file.
        path: PathBuf,
    },
    /// The request was overwritten before the server came to it, or before the call timed out: the arena is too small for
    /// what is in flight.
    #[error("{}: the request was overwritten, perhaps before a server has seen it; a larger arena holds more", path.display())]
    RequestLost {
        /// The topic's file.
        path: PathBuf,
    },
    /// The client was too slow for the topic: messages were overwritten before it has read them, and the answer may have been
    /// among them.
    #[error("{}: the answer may have been overwritten before it was read; a larger arena holds more", path.display())]
    ReplyLost {
        /// The topic's file.
        path: PathBuf,
    },
    /// Somebody has cancelled the call.
    #[error("{}: the call was cancelled", path.display())]
    Cancelled {
        /// The topic's file.
        path: PathBuf,
    },
    /// The server says that it cannot answer: its handler panicked, or the answer was too large.
    #[error("{}: the server failed: {reason}", path.display())]
    Remote {
        /// The topic's file.
        path: PathBuf,
        /// What the server says.
        reason: String,
    },
    /// A deadman was to be released through a handle that has not taken it.
    #[error("{}: not released, because this handle has not taken it, or has released it before", path.display())]
    NotOwner {
        /// The deadman's file.
        path: PathBuf,
    },
    /// What does this is a thread, or an event, of the process that this one was forked from, and serves that one only.
    #[error("{}: made before a fork, so it serves the parent process: make another one in this one", path.display())]
    Forked {
        /// The topic's file, or the pattern of a discovery.
        path: PathBuf,
    },
    /// The operating system refused a thread.
    #[error("{}: no thread for it: {cause}", path.display())]
    Thread {
        /// The topic's file.
        path: PathBuf,
        /// The reason.
        cause: std::io::Error,
    },
    /// The operating system refused a file descriptor.
    #[error("{}: no file descriptor for it: {cause}; there may be too many open files (see ulimit -n)", path.display())]
    Event {
        /// The topic's file.
        path: PathBuf,
        /// The reason.
        cause: std::io::Error,
    },
    /// The operating system refused what a discovery needs: a thread, or a file descriptor.
    #[error("{}: no discovery: {cause}; there may be too many threads or open files (see ulimit -a)", pattern.display())]
    Discovery {
        /// What was looked for.
        pattern: PathBuf,
        /// The reason.
        cause: std::io::Error,
    },
}

impl Error {
    /// Returns the file that this is about: a topic's, or the pattern of a discovery. `None` for what has no file: a name, a
    /// pattern or an environment variable that cannot be used, and a packet that cannot be sent anywhere.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Error::File(error) => Some(error.path()),
            Error::Topic { path, .. }
            | Error::Overwritten { path, .. }
            | Error::NoMemory { path, .. }
            | Error::TopicRemoved { path }
            | Error::BadMessage { path, .. }
            | Error::WrongType { path, .. }
            | Error::BadPayload { path, .. }
            | Error::NotEncodable { path, .. }
            | Error::Cfg { path, .. }
            | Error::Timeout { path, .. }
            | Error::Interrupted { path }
            | Error::ServerGone { path }
            | Error::RequestLost { path }
            | Error::ReplyLost { path }
            | Error::Cancelled { path }
            | Error::Remote { path, .. }
            | Error::NotOwner { path }
            | Error::Forked { path }
            | Error::Thread { path, .. }
            | Error::Event { path, .. }
            | Error::Discovery { pattern: path, .. } => Some(path),
            Error::BadTopic { .. } | Error::BadEnv { .. } | Error::BadPattern { .. } | Error::BadPacket(_) => None,
        }
    }
}

impl From<PacketError> for Error {
    fn from(error: PacketError) -> Self {
        Error::BadPacket(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use a0_core::LockError;

    use super::*;

    /// What those print who walk a chain of errors.
    fn chain(error: &Error) -> String {
        let mut text = error.to_string();
        let mut below = error.source();
        while let Some(error) = below {
            text += &format!(": {error}");
            below = error.source();
        }
        text
    }

    #[test]
    fn a_chain_of_errors_says_each_thing_once() {
        let os = || std::io::Error::from_raw_os_error(28);
        let path = PathBuf::from("/dev/shm/t");
        let errors = [
            Error::Topic { path: path.clone(), cause: LockError::ReadOnly.into() },
            Error::File(FileError::PermissionDenied { path: path.clone(), what: "read", remedy: "ask", cause: os() }),
            Error::BadPacket(PacketError::HeadersOverlap),
            Error::Cfg { path: path.clone(), cause: CfgError::Empty },
            Error::Thread { path, cause: os() },
        ];
        for error in &errors {
            let (text, chain) = (error.to_string(), chain(error));
            assert_eq!(text, chain);
            let reason = text.rsplit(": ").next().unwrap();
            assert_eq!(text.matches(reason).count(), 1, "{text}");
        }
    }
}

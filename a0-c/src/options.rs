//! How files are opened, where readers start.

use std::time::Duration;

use a0_std::{FileOptions, Init, Iter, Mode, ReaderOptions, Wait};

use crate::error::{Result, argument};

/// What to do with a topic.
#[derive(Clone, Copy)]
#[repr(C)]
pub enum a0rs_access {
    /// Read and write beside others.
    A0RS_ACCESS_SHARED = 0,
    /// Read and write alone: while it is open, nobody else can open the file but to read, not this program either.
    A0RS_ACCESS_EXCLUSIVE = 1,
    /// Only read, beside others. Never creates the file.
    A0RS_ACCESS_READ_ONLY = 2,
}

/// Flag: a new file takes space only as it is written to. When the filesystem is full then, programs that use the
/// file die of SIGBUS.
pub const A0RS_FILE_NO_RESERVE: u32 = 1;

/// Flag: a missing file is not created.
pub const A0RS_FILE_NO_CREATE: u32 = 2;

/// Flag: when the file is removed, that is an error (A0RS_ERROR_REMOVED), where otherwise publishers, loggers, configurations
/// and deadmen go on with the file that has the name then, and create it if need be.
pub const A0RS_FILE_NO_REOPEN: u32 = 4;

/// How to open a topic's file, and how to create it if it is missing. Fields that are 0 have the value that is said
/// here, so `a0rs_file_options options = {0}` is a good start. An existing file keeps its size and its permissions.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_file_options {
    /// Bytes of a new file: 16 MiB.
    pub size: u64,
    /// Permissions of a new file: 0666, whatever the umask.
    pub mode: u32,
    /// What to do with it, an a0rs_access: A0RS_ACCESS_SHARED.
    pub access: u32,
    /// Any of A0RS_FILE_NO_RESERVE, A0RS_FILE_NO_CREATE, A0RS_FILE_NO_REOPEN, added up.
    pub flags: u32,
    /// How long the topic's lock is waited for, in milliseconds: 10 000.
    pub lock_timeout_ms: u32,
}

/// Where a reader starts.
#[derive(Clone, Copy)]
#[repr(C)]
pub enum a0rs_init {
    /// With the first message that comes after it was made.
    A0RS_INIT_AWAIT_NEW = 0,
    /// With the message that is the newest when it is made.
    A0RS_INIT_MOST_RECENT = 1,
    /// With the oldest message that is still there.
    A0RS_INIT_OLDEST = 2,
}

/// How a reader goes on.
#[derive(Clone, Copy)]
#[repr(C)]
pub enum a0rs_iter {
    /// With the next message.
    A0RS_ITER_NEXT = 0,
    /// With the newest message, passing over those in between.
    A0RS_ITER_NEWEST = 1,
}

/// How a message that is not there yet is waited for.
#[derive(Clone, Copy)]
#[repr(C)]
pub enum a0rs_wait {
    /// Looking for a few microseconds, then sleeping.
    A0RS_WAIT_DEFAULT = 0,
    /// Looking until it comes, without ever sleeping. For a thread that has a core of its own.
    A0RS_WAIT_SPIN = 1,
    /// Looking for `spin_us`, then sleeping.
    A0RS_WAIT_SPIN_THEN_SLEEP = 2,
    /// Sleeping at once.
    A0RS_WAIT_SLEEP = 3,
}

/// Options of a reader. All 0 is a good start.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_reader_options {
    /// Where it starts, an a0rs_init: A0RS_INIT_AWAIT_NEW.
    pub init: u32,
    /// How it goes on, an a0rs_iter: A0RS_ITER_NEXT.
    pub iter: u32,
    /// How it waits, an a0rs_wait: A0RS_WAIT_DEFAULT.
    pub wait: u32,
    /// Microseconds, for A0RS_WAIT_SPIN_THEN_SLEEP.
    pub spin_us: u32,
    /// How the file is opened.
    pub file: a0rs_file_options,
}

pub(crate) fn file(options: Option<&a0rs_file_options>) -> Result<FileOptions> {
    let mut file = FileOptions::default();
    let Some(options) = options else { return Ok(file) };
    if options.size != 0 {
        file.size = options.size;
    }
    if options.mode != 0 {
        file.mode = options.mode;
    }
    if options.lock_timeout_ms != 0 {
        file.lock_timeout = Duration::from_millis(options.lock_timeout_ms.into());
    }
    file.access = match options.access {
        access if access == a0rs_access::A0RS_ACCESS_SHARED as u32 => Mode::Shared,
        access if access == a0rs_access::A0RS_ACCESS_EXCLUSIVE as u32 => Mode::Exclusive,
        access if access == a0rs_access::A0RS_ACCESS_READ_ONLY as u32 => Mode::ReadOnly,
        _ => return Err(argument("options: access", "it is no a0rs_access")),
    };
    if options.flags & !(A0RS_FILE_NO_RESERVE | A0RS_FILE_NO_CREATE | A0RS_FILE_NO_REOPEN) != 0 {
        return Err(argument("options: flags", "there is no such flag"));
    }
    file.reserve = options.flags & A0RS_FILE_NO_RESERVE == 0;
    file.create = options.flags & A0RS_FILE_NO_CREATE == 0;
    file.reopen = options.flags & A0RS_FILE_NO_REOPEN == 0;
    Ok(file)
}

pub(crate) fn wait(wait: u32, spin_us: u32) -> Result<Wait> {
    match wait {
        wait if wait == a0rs_wait::A0RS_WAIT_DEFAULT as u32 => Ok(Wait::default()),
        wait if wait == a0rs_wait::A0RS_WAIT_SPIN as u32 => Ok(Wait::Spin),
        wait if wait == a0rs_wait::A0RS_WAIT_SPIN_THEN_SLEEP as u32 => {
            Ok(Wait::SpinThenSleep(Duration::from_micros(spin_us.into())))
        }
        wait if wait == a0rs_wait::A0RS_WAIT_SLEEP as u32 => Ok(Wait::Sleep),
        _ => Err(argument("options: wait", "it is no a0rs_wait")),
    }
}

pub(crate) fn reader(options: Option<&a0rs_reader_options>) -> Result<ReaderOptions> {
    let Some(options) = options else { return Ok(ReaderOptions::default()) };
    let init = match options.init {
        init if init == a0rs_init::A0RS_INIT_AWAIT_NEW as u32 => Init::AwaitNew,
        init if init == a0rs_init::A0RS_INIT_MOST_RECENT as u32 => Init::MostRecent,
        init if init == a0rs_init::A0RS_INIT_OLDEST as u32 => Init::Oldest,
        _ => return Err(argument("options: init", "it is no a0rs_init")),
    };
    let iter = match options.iter {
        iter if iter == a0rs_iter::A0RS_ITER_NEXT as u32 => Iter::Next,
        iter if iter == a0rs_iter::A0RS_ITER_NEWEST as u32 => Iter::Newest,
        _ => return Err(argument("options: iter", "it is no a0rs_iter")),
    };
    let wait = wait(options.wait, options.spin_us)?;
    Ok(ReaderOptions::default().init(init).iter(iter).wait(wait).file(file(Some(&options.file))?))
}

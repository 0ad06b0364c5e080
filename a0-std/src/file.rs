//! An open topic file.

pub(crate) mod facts;

use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use a0_core::{Loan, Locked, RawMem, TimeMono, Transport};
use a0_linux::{AccessLock, FileError, FileOptions, Filled, LocalLock, Mapping, Mark, Mode, TopicFile};
use rustix::time::{ClockId, clock_gettime};

use crate::env;
use crate::error::{Error, Result};

type SharedTransport = Transport<RawMem<Mapping>, AccessLock>;
pub(crate) type SharedLocked<'f> = Locked<'f, RawMem<Mapping>, AccessLock>;
pub(crate) type SharedLoan<'f> = Loan<'f, RawMem<Mapping>, AccessLock>;

/// An open topic file. Clones share the mapping; readers and writers keep one.
///
/// It gives out neither the memory nor the lock: who has those can change bytes that somebody else looks at. Programs that
/// lock, allocate and walk by themselves open the file with [`a0_linux::TopicFile`] and [`a0_core::Transport`]. For
/// [slices under the lock](crate#what-its-safety-rests-on) such a program counts as another one.
///
/// ```compile_fail,E0624
/// # let file = a0_std::File::open("topic", &a0_std::FileOptions::default()).unwrap();
/// let mem = file.transport().mem();
/// ```
#[derive(Clone, Debug)]
pub struct File {
    open: Arc<Open>,
}

#[derive(Debug)]
struct Open {
    file: TopicFile,
    options: FileOptions,
    transport: SharedTransport,
    /// When somebody is to look again whether the file is there, by [`coarse_now`].
    next_look: AtomicU64,
    /// The same for writers, which have the time since boot at hand. One for each file: that a writer has found a new one does
    /// not vouch for the old one, for whose lock another of its threads may be waiting.
    next_look_of_writers: AtomicU64,
}

impl File {
    /// Opens a topic's file, creating it if need be. A relative path is below [`env::root`].
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be opened or created, [`Error::Topic`] if it is no sound topic.
    pub fn open(path: impl AsRef<Path>, options: &FileOptions) -> Result<File> {
        let path = env::resolve(path)?;
        let (file, mem) = TopicFile::open(&path, options)?;
        let lock_timeout = options.lock_timeout;
        let transport = match options.access {
            Mode::Shared => Transport::open_within(mem, AccessLock::Shared, lock_timeout),
            Mode::Exclusive => Transport::open_within(mem, AccessLock::Exclusive(LocalLock::default()), lock_timeout),
            Mode::ReadOnly => Transport::open_read_only(mem, AccessLock::ReadOnly),
        };
        let transport = transport.map_err(|cause| Error::Topic { path, cause })?;
        let (options, next_look, next_look_of_writers) = (options.clone(), AtomicU64::new(0), AtomicU64::new(0));
        Ok(File { open: Arc::new(Open { file, options, transport, next_look, next_look_of_writers }) })
    }

    /// Removes a topic's file. Programs that have it open keep what they have; newcomers start a new topic.
    /// Gives whether there was one.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn remove(path: impl AsRef<Path>) -> Result<bool> {
        Ok(a0_linux::remove(&env::resolve(path)?)?)
    }

    /// The absolute path it was opened by.
    pub fn path(&self) -> &Path {
        self.open.file.path()
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.open.file.size()
    }

    /// How it was opened.
    pub fn mode(&self) -> Mode {
        self.open.options.access
    }

    /// Whether somebody has removed the file since it was opened; then no newcomer finds this topic.
    ///
    /// # Errors
    /// [`Error::File`] if the file was truncated meanwhile, or the system cannot tell.
    pub fn is_removed(&self) -> Result<bool> {
        Ok(self.open.file.is_removed()?)
    }

    /// Fails if the file was removed, or truncated. For now and then: a system call.
    #[cold]
    pub(crate) fn check_is_there(&self) -> Result<()> {
        if self.is_removed()? { Err(self.removed()) } else { Ok(()) }
    }

    /// Whether so much of these bytes is no hole that one may ask memory for them.
    pub(crate) fn is_there(&self, range: Range<u64>, filled: &mut Filled) -> bool {
        self.open.file.is_there(range, filled)
    }

    /// The same, only now and then, for those who have nothing else to tell by. Once it has failed, it does so each time.
    pub(crate) fn look_now_and_then(&self, now: u64) -> Result<()> {
        let next = &self.open.next_look;
        if now >= next.load(Ordering::Relaxed) {
            self.check_is_there()?;
            next.store(now + FILE_CHECK_INTERVAL.as_nanos() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The same for writers.
    #[inline(always)]
    pub(crate) fn look_before_writing(&self, now: TimeMono) -> Result<()> {
        let (next, now) = (&self.open.next_look_of_writers, now.as_nanos());
        if now < next.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.check_is_there()?;
        next.store(now.saturating_add(FILE_CHECK_INTERVAL.as_nanos() as u64), Ordering::Relaxed);
        Ok(())
    }

    /// Leaves a number for others who have the file open, until that is dropped; `None` if the system cannot do that.
    pub(crate) fn mark(&self, number: u64) -> Option<Mark> {
        self.open.file.mark(number)
    }

    /// Whether others have left one of these numbers.
    pub(crate) fn has_mark(&self, numbers: RangeInclusive<u64>) -> bool {
        self.open.file.has_mark(numbers)
    }

    /// Whether who uses it is to go on with another one when it is removed; see [`FileOptions::reopen`].
    pub(crate) fn is_to_be_reopened(&self) -> bool {
        self.open.options.reopen
    }

    /// The file that has its name now, opened, and created if need be, in the same way.
    #[cold]
    pub(crate) fn reopened(&self) -> Result<File> {
        match File::open(self.path(), &self.open.options) {
            // And it is not to be created.
            Err(Error::File(FileError::NotFound { .. })) => Err(self.removed()),
            opened => opened,
        }
    }

    #[cold]
    pub(crate) fn removed(&self) -> Error {
        Error::TopicRemoved { path: self.path().to_owned() }
    }

    /// The file that has its name now, opened in the same way; `None` if there is none, or none that is a topic yet.
    pub(crate) fn successor(&self) -> Result<Option<File>> {
        let options = FileOptions::default().access(self.mode()).lock_timeout(self.lock_timeout()).create(false);
        match File::open(self.path(), &options) {
            Ok(file) => Ok(Some(file)),
            Err(
                Error::File(FileError::NotFound { .. }) | Error::Topic { cause: a0_core::Error::Uninitialized, .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How long the lock is waited for.
    pub(crate) fn lock_timeout(&self) -> Duration {
        self.open.options.lock_timeout
    }

    /// Which messages it holds.
    ///
    /// # Errors
    /// [`Error::Topic`].
    pub fn state(&self) -> Result<a0_core::State> {
        self.transport().state().map_err(|source| self.error(source))
    }

    /// Removes all messages. Sequence numbers go on from where they are.
    ///
    /// # Errors
    /// [`Error::Topic`], for instance if the file is read-only.
    pub fn clear(&self) -> Result<()> {
        self.lock()?.clear().map_err(|source| self.error(source))
    }

    /// The topic itself. Whoever writes to it by this does so under the lock, or makes slices of it impossible to believe.
    pub(crate) fn transport(&self) -> &SharedTransport {
        &self.open.transport
    }

    #[inline(always)]
    pub(crate) fn lock(&self) -> Result<SharedLocked<'_>> {
        self.lock_within(self.lock_timeout())
    }

    #[inline(always)]
    pub(crate) fn lock_within(&self, patience: Duration) -> Result<SharedLocked<'_>> {
        self.transport().lock(Some(patience)).map_err(|source| self.error(source))
    }

    #[cold]
    pub(crate) fn error(&self, cause: a0_core::Error) -> Error {
        Error::Topic { path: self.path().to_owned(), cause }
    }
}

/// Nanoseconds of a clock that moves every few milliseconds, and is cheaper for it.
#[inline]
pub(crate) fn coarse_now() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// How often users of a topic look whether its file is still there.
pub(crate) const FILE_CHECK_INTERVAL: Duration = Duration::from_millis(100);

//! The file of a deadman, followed when somebody removes it and another one takes its name.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use a0_core::LockError;
use a0_linux::{DeadmanFile, DeadmanSight, FileError, FileOptions, PerProcess, Until, fork_count};

use crate::error::{Error, Result};
use crate::file::FILE_CHECK_INTERVAL;

/// How long the owner of a deadman whose file was removed has for taking it in a new one. It looks every 100 ms.
const RETAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// The file of a deadman, and the one that has taken its place since, for all that one handle does.
#[derive(Debug)]
pub(super) struct FollowedFile {
    /// Those who were here from the start use this one.
    pub(super) first: DeadmanFile,
    /// What has taken its place since. A forked child finds out for itself.
    pub(super) newest: PerProcess<Mutex<Option<DeadmanFile>>>,
    pub(super) options: FileOptions,
    /// When to look again whether the file is there, in nanoseconds since then.
    pub(super) made: Instant,
    pub(super) next_look: AtomicU64,
    pub(super) interrupted: AtomicBool,
    /// The thread that has it for this handle, 0 if none; and before it, in which process that is so.
    pub(super) holder: AtomicU64,
}

/// How long a wait may take.
pub(super) struct Deadline {
    timeout: Option<Duration>,
    /// `None` also where it is too far away to be expressed.
    deadline: Option<Instant>,
}

impl Deadline {
    pub(super) fn new(timeout: impl Into<Option<Duration>>) -> Deadline {
        let timeout = timeout.into();
        Deadline { timeout, deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)) }
    }

    /// How long it may still take; an error if it is over.
    pub(super) fn check(&self, shared: &FollowedFile) -> Result<Duration> {
        let left = self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            let waited = self.timeout.unwrap_or_default();
            return Err(Error::Timeout { path: shared.path().to_owned(), waited });
        }
        Ok(left)
    }
}

impl FollowedFile {
    /// Waits until it looks as wanted. If the file is removed meanwhile, this goes on with a new one if it `follows`.
    pub(super) fn wait(
        &self,
        wait: &Deadline,
        until: Until,
        follows: bool,
        mut done: impl FnMut(&DeadmanSight) -> bool,
    ) -> Result<DeadmanSight> {
        let mut file = self.file();
        let mut told = false;
        let mut next_look = Instant::now();
        let mut removed = None;
        loop {
            let seen = file.look_closely();
            // The kernel has woken only one of those who wait. Told once, or they would wake each other for ever.
            if seen.owner_died && !told {
                file.wake_all();
            }
            told = seen.owner_died;
            if done(&seen) {
                return Ok(seen);
            }
            if self.is_interrupted() {
                return Err(self.interrupted());
            }
            let left = wait.check(self)?;
            let now = Instant::now();
            if now >= next_look {
                next_look = now + FILE_CHECK_INTERVAL;
                if !follows && file.file().is_removed()? {
                    return Err(self.removed());
                }
                // An owner that lives takes it in a new file soon, and is not to be forestalled.
                let has_owner = seen.owner.is_some() && file.file().is_removed()?;
                if follows && (!has_owner || now - *removed.get_or_insert(now) >= RETAKE_TIMEOUT) {
                    self.follow()?;
                    (file, removed) = (self.file(), None);
                }
            }
            file.sleep(&seen, until, left.min(FILE_CHECK_INTERVAL)).map_err(|source| self.error(source))?;
        }
    }

    /// The file that this handle uses now.
    pub(super) fn file(&self) -> DeadmanFile {
        self.newest().clone().unwrap_or_else(|| self.first.clone())
    }

    pub(super) fn newest(&self) -> MutexGuard<'_, Option<DeadmanFile>> {
        self.newest.get().lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with the file that has the name now, if somebody has removed the one in use.
    pub(super) fn follow(&self) -> Result<()> {
        let file = self.file();
        if !file.file().is_removed()? {
            return Ok(());
        }
        if !self.options.reopen {
            return Err(self.removed());
        }
        match DeadmanFile::open(self.path(), &self.options, file.layout()) {
            Ok(file) => *self.newest() = Some(file),
            // And it is not to be created.
            Err(FileError::NotFound { .. }) => return Err(self.removed()),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(super) fn removed(&self) -> Error {
        Error::TopicRemoved { path: self.path().to_owned() }
    }

    pub(super) fn set_holder(&self, thread: u32) {
        self.holder.store(in_this_process(thread), Ordering::SeqCst);
    }

    /// Whether the owner seen is the one of this handle.
    pub(super) fn is_holder(&self, seen: &DeadmanSight) -> bool {
        seen.owner.map(in_this_process) == Some(self.holder.load(Ordering::SeqCst))
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    pub(super) fn interrupted(&self) -> Error {
        Error::Interrupted { path: self.path().to_owned() }
    }

    pub(super) fn error(&self, cause: LockError) -> Error {
        Error::Topic { path: self.path().to_owned(), cause: cause.into() }
    }

    pub(super) fn path(&self) -> &Path {
        self.first.file().path()
    }
}

/// A thread's id, made different from what it is in a forked child.
fn in_this_process(thread: u32) -> u64 {
    u64::from(fork_count()) << 32 | u64::from(thread)
}

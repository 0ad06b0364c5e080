//! What the core asks of a lock, and of a way to sleep.

#[cfg(feature = "spin-0_10")]
pub(crate) mod spin;

use core::time::Duration;

use crate::error::LockError;
use crate::layout::Field;
use crate::mem::Mem;

/// How a lock was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "every lock has to say one of the two")]
pub enum Acquired {
    /// The last owner released it.
    Clean,
    /// The last owner died with it. Its uncommitted changes are void, and sleepers may have missed its wake-up.
    OwnerDied,
}

/// Mutual exclusion between writers, sleeping and waking, for one kind of memory.
///
/// An implementation keeps all state that is shared between processes in the memory it is handed: the lock word
/// ([`crate::layout::header::LOCK_WORD`]) and the two words that can be slept on. It never owns them.
pub trait Lock<M: Mem + ?Sized> {
    /// Takes the lock, waiting at most `timeout` (`None`: as long as it takes).
    ///
    /// # Errors
    /// See [`LockError`]. The lock is not held then.
    fn lock(&self, mem: &M, timeout: Option<Duration>) -> Result<Acquired, LockError>;

    /// Takes the lock if it is free; `None` if it is not.
    ///
    /// # Errors
    /// See [`LockError`].
    fn try_lock(&self, mem: &M) -> Result<Option<Acquired>, LockError>;

    /// Releases the lock, with release ordering. Only called by the holder.
    fn unlock(&self, mem: &M);

    /// Whether the caller, who has a guard of the lock, holds it. A child that was forked while its parent held the lock
    /// has the guard, too, and does not.
    fn is_held(&self, _: &M) -> bool {
        true
    }

    /// Whether the memory is shared with somebody who could end a sleep.
    fn can_sleep(&self) -> bool {
        true
    }

    /// Sleeps while `word` is `expected`, at most `timeout`; may return early for any reason.
    ///
    /// # Errors
    /// [`LockError::Os`] where the system cannot sleep on this memory.
    fn wait(&self, mem: &M, word: Field<u32>, expected: u32, timeout: Duration) -> Result<(), LockError>;

    /// Wakes everybody in [`Lock::wait`] on `word`.
    fn wake(&self, mem: &M, word: Field<u32>);

    /// Sleeps while the event counter is `events`, at most `timeout`, in the way that 0.3 programs do, so that their
    /// wake-ups reach us. Whoever is woken owns the lock: `Some`.
    ///
    /// # Errors
    /// [`LockError::Os`] where the system cannot sleep on this memory.
    fn wait_requeue(&self, mem: &M, events: u32, timeout: Duration) -> Result<Option<Acquired>, LockError>;

    /// Wakes everybody in [`Lock::wait_requeue`], one after the other. The caller has advanced the event counter.
    fn requeue(&self, mem: &M);
}

/// For memory that nobody else uses: nothing to lock, nobody to wake.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to say")]
pub struct Unshared;

impl<M: Mem + ?Sized> Lock<M> for Unshared {
    fn lock(&self, _: &M, _: Option<Duration>) -> Result<Acquired, LockError> {
        Ok(Acquired::Clean)
    }
    fn try_lock(&self, _: &M) -> Result<Option<Acquired>, LockError> {
        Ok(Some(Acquired::Clean))
    }
    fn unlock(&self, _: &M) {}
    fn can_sleep(&self) -> bool {
        false
    }
    fn wait(&self, _: &M, _: Field<u32>, _: u32, _: Duration) -> Result<(), LockError> {
        Ok(())
    }
    fn wake(&self, _: &M, _: Field<u32>) {}
    fn wait_requeue(&self, _: &M, _: u32, _: Duration) -> Result<Option<Acquired>, LockError> {
        Ok(None)
    }
    fn requeue(&self, _: &M) {}
}

/// For memory mapped read-only: reading needs no lock, and everything else is an error.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to say")]
pub struct ReadOnly;

impl<M: Mem + ?Sized> Lock<M> for ReadOnly {
    fn lock(&self, _: &M, _: Option<Duration>) -> Result<Acquired, LockError> {
        Err(LockError::ReadOnly)
    }
    fn try_lock(&self, _: &M) -> Result<Option<Acquired>, LockError> {
        Err(LockError::ReadOnly)
    }
    fn unlock(&self, _: &M) {}
    fn can_sleep(&self) -> bool {
        false
    }
    fn wait(&self, _: &M, _: Field<u32>, _: u32, _: Duration) -> Result<(), LockError> {
        Err(LockError::ReadOnly)
    }
    fn wake(&self, _: &M, _: Field<u32>) {}
    fn wait_requeue(&self, _: &M, _: u32, _: Duration) -> Result<Option<Acquired>, LockError> {
        Err(LockError::ReadOnly)
    }
    fn requeue(&self, _: &M) {}
}

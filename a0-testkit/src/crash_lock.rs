//! A lock whose last owner died.

use std::cell::Cell;
use std::time::Duration;

use a0_core::layout::Field;
use a0_core::{Acquired, Lock, LockError, Mem};

/// For one user at a time: reports once that the last owner died, and counts the wake-ups.
#[derive(Debug, Default)]
pub struct CrashLock {
    died: Cell<bool>,
    /// Calls of [`Lock::wake`].
    pub wakes: Cell<u32>,
    /// Calls of [`Lock::requeue`].
    pub requeues: Cell<u32>,
}

impl CrashLock {
    /// The first one to lock is told that the last owner died.
    pub fn after_death() -> Self {
        CrashLock { died: Cell::new(true), ..CrashLock::default() }
    }

    fn take(&self) -> Acquired {
        if self.died.replace(false) { Acquired::OwnerDied } else { Acquired::Clean }
    }
}

impl<M: Mem + ?Sized> Lock<M> for CrashLock {
    fn lock(&self, _: &M, _: Option<Duration>) -> Result<Acquired, LockError> {
        Ok(self.take())
    }
    fn try_lock(&self, _: &M) -> Result<Option<Acquired>, LockError> {
        Ok(Some(self.take()))
    }
    fn unlock(&self, _: &M) {}
    fn wait(&self, _: &M, _: Field<u32>, _: u32, _: Duration) -> Result<(), LockError> {
        Ok(())
    }
    fn wake(&self, _: &M, _: Field<u32>) {
        self.wakes.set(self.wakes.get() + 1);
    }
    fn wait_requeue(&self, _: &M, _: u32, _: Duration) -> Result<Option<Acquired>, LockError> {
        Ok(None)
    }
    fn requeue(&self, _: &M) {
        self.requeues.set(self.requeues.get() + 1);
    }
}

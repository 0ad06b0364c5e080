//! Mutual exclusion within this process, for files that nobody else uses.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::time::Instant;

use a0_core::{Acquired, LockError};

/// A lock between the threads that share this value.
#[derive(Debug, Default)]
pub struct LocalLock {
    /// Kernel thread id, 0 if it is free.
    owner: AtomicU32,
}

impl LocalLock {
    pub(crate) fn lock(&self, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        let mut since = None;
        while let Err(owner) = self.exchange() {
            if owner == crate::thread_id() {
                return Err(LockError::Recursive);
            }
            let waited = since.get_or_insert_with(Instant::now).elapsed();
            if timeout.is_some_and(|timeout| waited > timeout) {
                return Err(LockError::TimedOut { owner });
            }
            std::thread::yield_now();
        }
        Ok(Acquired::Clean)
    }

    pub(crate) fn try_lock(&self) -> Option<Acquired> {
        self.exchange().is_ok().then_some(Acquired::Clean)
    }

    pub(crate) fn unlock(&self) {
        self.owner.store(0, Ordering::Release);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == crate::thread_id()
    }

    fn exchange(&self) -> Result<u32, u32> {
        self.owner.compare_exchange(0, crate::thread_id(), Ordering::Acquire, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_and_that_once() {
        let lock = LocalLock::default();
        assert_eq!(lock.lock(None), Ok(Acquired::Clean));
        assert_eq!(lock.lock(None), Err(LockError::Recursive));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let timed_out = lock.lock(Some(Duration::from_millis(1)));
                assert!(matches!(timed_out, Err(LockError::TimedOut { .. })), "{timed_out:?}");
                assert_eq!(lock.try_lock(), None);
            });
        });
        lock.unlock();
        assert_eq!(lock.try_lock(), Some(Acquired::Clean));
    }
}

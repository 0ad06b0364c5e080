//! Sleeping until something is committed.

use core::sync::atomic::Ordering::Acquire;
use core::time::Duration;

use crate::error::{Error, LockError};
use crate::layout::header;
use crate::lock::Lock;
use crate::locked::Locked;
use crate::mem::Mem;
use crate::notify::{PLAIN_SLEEPER, REQUEUE_SLEEPER};
use crate::transport::Transport;

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Sleeps until something is committed, at most `at_most`, unless `ready` says that there is no need to.
    ///
    /// Returns early for many reasons, so call it in a loop. Guard BoundedSleep: keep `at_most` short (20 to 100 ms), as a writer that is
    /// killed right before it would wake us, or the first 0.3 program to write, does not wake us.
    ///
    /// # Errors
    /// [`LockError::CannotSleep`] for memory that is not shared for writing, where polling is the only way; otherwise
    /// as [`Transport::lock`].
    pub fn sleep(&self, at_most: Duration, mut ready: impl FnMut() -> bool) -> Result<(), Error> {
        if !self.lock_backend().can_sleep() {
            return Err(LockError::CannotSleep.into());
        }
        if self.has_foreign_users() {
            // Guard WakeEvent. Acquire: a commit that counted before this load is visible to `ready`. One that counts later changes
            // the counter, so the wait returns at once.
            let events = self.mem().load_u32(header::EVENTS, Acquire);
            self.announce(REQUEUE_SLEEPER);
            if ready() {
                return Ok(());
            }
            if let Some(how) = self.lock_backend().wait_requeue(self.mem(), events, at_most)? {
                drop(Locked::new(self, how));
            }
        } else {
            // Guard WakeEpoch: whoever wakes changes the word, and then it is not slept on.
            let announced = self.announce(PLAIN_SLEEPER);
            if ready() {
                return Ok(());
            }
            self.lock_backend().wait(self.mem(), header::SLEEPERS, announced, at_most)?;
        }
        Ok(())
    }

    /// Announces somebody who will sleep on [`header::SLEEPERS`] himself, perhaps on several topics' at once, and gives the
    /// value that the word must still have then. News that came before this must be looked for behind it; whatever comes later
    /// changes the word and wakes.
    ///
    /// `None` where wake-ups do not reach that word, because the memory is not shared for writing, or because a 0.3 program was
    /// here, which wakes in its own way only: then polling remains. The bounds of [`Transport::sleep`] hold here, too.
    pub fn announce_sleeper(&self) -> Option<u32> {
        (self.lock_backend().can_sleep() && !self.has_foreign_users()).then(|| self.announce(PLAIN_SLEEPER))
    }
}

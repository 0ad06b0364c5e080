//! Waking those who sleep, without a system call if nobody does.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};

use crate::layout::header;
use crate::lock::Lock;
use crate::mem::Mem;
use crate::transport::Transport;

/// Bit of [`header::SLEEPERS`]: somebody sleeps on that word.
pub(crate) const PLAIN_SLEEPER: u32 = 1;
/// Bit of [`header::SLEEPERS`]: one of us sleeps on the event counter in the 0.3 way.
pub(crate) const REQUEUE_SLEEPER: u32 = 2;
const SLEEPER_BITS: u32 = PLAIN_SLEEPER | REQUEUE_SLEEPER;
/// One step of the epoch in the bits above.
const EPOCH: u32 = 4;

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Whether a program built on the 0.3 C core has been seen here.
    #[inline]
    pub fn has_foreign_users(&self) -> bool {
        // Guard ForeignMark. The link before the mark, as they are stored the other way round. Acquire: whoever finds the link cleared finds
        // the mark.
        self.mem().load_u64(header::MUTEX_PREV, Acquire) != 0 || self.mem().load_u32(header::FOREIGN, Relaxed) != 0
    }

    /// Sets a sleeper bit; gives the word as it is now.
    pub(crate) fn announce(&self, bit: u32) -> u32 {
        let word = self.mem().fetch_or_u32(header::SLEEPERS, bit, AcqRel) | bit;
        // Guard SeqCstFences, the other half is in `wake_sleepers`: either the publisher sees the bit, or we see its commit.
        self.mem().fence(SeqCst);
        word
    }

    /// Wakes whoever sleeps, after the lock was released. No system call if nobody does.
    #[inline(always)]
    pub(crate) fn wake_sleepers(&self) {
        // Guard SeqCstFences: the commit before, the load of the sleeper bits behind. The other half is in `announce`.
        self.mem().fence_after_rmw();
        let sleepers = self.mem().load_u32(header::SLEEPERS, Relaxed) & SLEEPER_BITS;
        let foreign = self.mem().load_u32(header::FOREIGN, Relaxed) != 0;
        if sleepers != 0 || foreign {
            self.wake(foreign);
        }
    }

    /// Wakes everybody, announced or not, so that blocked readers look at their reasons to go on.
    pub fn wake_all(&self) {
        if !self.lock_backend().can_sleep() {
            return;
        }
        self.mem().fetch_or_u32(header::SLEEPERS, SLEEPER_BITS, AcqRel);
        self.wake(true);
    }

    #[cold]
    fn wake(&self, foreign: bool) {
        let mut word = self.mem().load_u32(header::SLEEPERS, Relaxed);
        let sleepers = loop {
            if word & SLEEPER_BITS == 0 {
                break 0;
            }
            // Guard WakeEpoch: the epoch makes a sleeper that is about to wait with the old word return at once.
            let next = (word & !SLEEPER_BITS).wrapping_add(EPOCH);
            match self.mem().cas_u32(header::SLEEPERS, word, next, AcqRel) {
                Ok(_) => break word & SLEEPER_BITS,
                Err(other) => word = other,
            }
        };
        if sleepers & PLAIN_SLEEPER != 0 {
            self.lock_backend().wake(self.mem(), header::SLEEPERS);
        }
        if sleepers & REQUEUE_SLEEPER != 0 || foreign {
            // Guard WakeEvent: a sleeper that is about to wait for the old count returns at once.
            self.mem().fetch_add_u32(header::EVENTS, 1, AcqRel);
            self.lock_backend().requeue(self.mem());
        }
    }
}

//! How a reader waits for news: it spins, then sleeps, and looks after the file meanwhile.

use std::time::{Duration, Instant};

use a0_core::{Cursor, LockError};
use a0_linux::Mode;

use crate::error::{Error, Result};
use crate::file::{FILE_CHECK_INTERVAL, File};
use crate::reader::Interrupter;
use crate::reader::wait::Wait;

/// Looks at the topic between two looks at the clock: some 3 µs.
const LOOKS_PER_CLOCK: u32 = 64;

/// Bounds of one sleep: guard BoundedSleep. A wake-up can be missed when its sender is killed right before it, or runs
/// AlephZero 0.3 and is the first such program on the topic.
const SHORTEST_SLEEP: Duration = Duration::from_millis(20);
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// Between two looks of a reader that cannot be woken.
const NEWS_CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// The waiting of one reader.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(super) wait: Wait,
    /// Remaining spin budget before the next sleep. Reset on every message and every blocking call.
    spin: Duration,
    /// Longest next sleep. Invariant: SHORTEST_SLEEP <= sleep <= LONGEST_SLEEP.
    sleep: Duration,
    /// When to check again whether the file is there.
    next_file_check: Instant,
    pub(super) interrupter: Interrupter,
}

impl Waiter {
    pub(super) fn new(wait: Wait, interrupter: Interrupter) -> Waiter {
        Waiter { wait, spin: wait.spin(), sleep: SHORTEST_SLEEP, next_file_check: Instant::now(), interrupter }
    }

    /// Gives the wait a new spin budget.
    #[inline]
    pub(super) fn refill(&mut self) {
        self.spin = self.wait.spin();
    }

    /// Begins anew with spinning, and with short sleeps.
    #[inline]
    pub(super) fn start_over(&mut self) {
        self.refill();
        self.sleep = SHORTEST_SLEEP;
    }

    /// Checks, now and then, that the file is there. If it was removed, nothing will ever come.
    pub(super) fn check_file(&mut self, file: &File) -> Result<()> {
        let now = Instant::now();
        if now < self.next_file_check {
            return Ok(());
        }
        self.next_file_check = now + FILE_CHECK_INTERVAL;
        file.check_is_there()
    }

    /// Spins, then sleeps. Returns as soon as there may be news behind the cursor, and now and then.
    pub(super) fn rest(&mut self, file: &File, cursor: &Cursor, at_most: Duration) -> Result<()> {
        let spin = self.spin.min(at_most).min(FILE_CHECK_INTERVAL);
        if !spin.is_zero() {
            if self.spin_for(file, cursor, spin) {
                return Ok(());
            }
            self.spin -= spin;
        }
        let left = at_most.saturating_sub(spin);
        if self.spin.is_zero() && !left.is_zero() { self.sleep(file, cursor, left) } else { Ok(()) }
    }

    /// Spins for a moment. Returns whether there may be news.
    fn spin_for(&self, file: &File, cursor: &Cursor, at_most: Duration) -> bool {
        let topic = file.transport();
        let started = Instant::now();
        let mut looks = LOOKS_PER_CLOCK;
        loop {
            if topic.spin_for_news(cursor, looks) {
                return true;
            }
            let looked = started.elapsed();
            if looked > at_most || self.interrupter.is_interrupted() {
                return false;
            }
            if Wait::relax(looked) {
                looks = 1;
            }
        }
    }

    fn sleep(&mut self, file: &File, cursor: &Cursor, at_most: Duration) -> Result<()> {
        if file.mode() == Mode::ReadOnly {
            self.interrupter.pause(at_most.min(NEWS_CHECK_INTERVAL));
            return Ok(());
        }
        let (topic, interrupter) = (file.transport(), &self.interrupter);
        let slept =
            topic.sleep(at_most.min(self.sleep), || topic.may_have_news(cursor) || interrupter.is_interrupted());
        self.sleep = (self.sleep * 2).min(LONGEST_SLEEP);
        slept.map_err(|cause| file.error(cause))
    }

    /// Pauses after an error that may last.
    pub(super) fn pause_after(&self, error: &Error) {
        let passing = match error {
            Error::BadMessage { .. } => true,
            Error::Topic { cause, .. } => {
                matches!(cause, a0_core::Error::Corrupt(_) | a0_core::Error::Lock(LockError::TimedOut { .. }))
            }
            _ => false,
        };
        if !passing {
            self.interrupter.pause(LONGEST_SLEEP);
        }
    }
}

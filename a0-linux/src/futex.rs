//! Sleeping on a word and waking those who do, between processes.

use core::sync::atomic::AtomicU32;
use core::time::Duration;

use a0_core::LockError;
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Not `PRIVATE`: the sleepers and the wakers are in different processes.
pub(crate) const SHARED: Flags = Flags::empty();

/// Thread id of the owner, in a word that the kernel cares for when its owner dies.
pub(crate) const OWNER: u32 = 0x3FFF_FFFF;
/// Set by the kernel when the owner died; cleared by whoever has noticed.
pub(crate) const OWNER_DIED: u32 = 0x4000_0000;
/// Set while others wait: those who wake or die must tell the kernel.
pub(crate) const WAITERS: u32 = 0x8000_0000;

pub(crate) fn os(errno: Errno) -> LockError {
    LockError::Os { errno: errno.raw_os_error() }
}

/// The point in time `timeout` from now on a clock; the far future if that cannot be expressed.
pub(crate) fn deadline(clock: ClockId, timeout: Duration) -> Timespec {
    let now = clock_gettime(clock);
    let nanos = now.tv_nsec + i64::from(timeout.subsec_nanos());
    let secs = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    Timespec {
        tv_sec: now.tv_sec.saturating_add(secs).saturating_add(nanos / 1_000_000_000).min(i64::MAX / 2_000_000_000),
        tv_nsec: nanos % 1_000_000_000,
    }
}

/// Sleeps while `word` is `expected`, at most `timeout`; may return early for any reason.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> Result<(), LockError> {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    match futex::wait(word, SHARED, expected, Some(&timeout)) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(errno) => Err(os(errno)),
    }
}

/// Wakes everybody in [`wait`].
pub(crate) fn wake_all(word: &AtomicU32) {
    // Can only fail for an address that is not mapped.
    let _ = futex::wake(word, SHARED, i32::MAX as u32);
}

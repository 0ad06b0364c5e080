//! The topic lock: a robust priority-inheritance futex, as 0.3 uses it.
//!
//! Taking and releasing a free lock is one compare-and-swap each. Everything else is the kernel's work.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use a0_core::layout::{Field, header};
use a0_core::{Acquired, Lock, LockError, RawMem, ReadOnly, Unshared};
use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::thread::{self, Entry};

/// Thread id of the owner.
const OWNER: u32 = 0x3FFF_FFFF;
/// Set by the kernel when the owner died; cleared by whoever has noticed.
const OWNER_DIED: u32 = 0x4000_0000;
/// Set by the kernel while threads wait in it.
const WAITERS: u32 = 0x8000_0000;

/// Pauses before the kernel is asked: about as long as one publish of a small message takes.
const SPINS: u32 = 200;

/// Requeues are repeated while the event counter moves; each time somebody else has requeued too, so giving up is safe.
const REQUEUE_TRIES: u32 = 100;

/// The lock of a topic that other processes use too.
///
/// A thread may hold up to 8 topics at once. Registering with the kernel displaces the C library's list of robust
/// mutexes for threads that use this lock; programs that rely on `PTHREAD_MUTEX_ROBUST` must keep those to other threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct RobustLock;

/// The lock that goes with the way a file was opened.
#[derive(Clone, Copy, Debug)]
pub enum AccessLock {
    /// Shared with other processes.
    Shared,
    /// The caller promises that nobody else uses the file: no locking, no waking.
    Exclusive,
    /// Mapped read-only: nothing can be locked or slept on.
    ReadOnly,
}

fn os(errno: Errno) -> LockError {
    LockError::Os { errno: errno.raw_os_error() }
}

/// The point in time `timeout` from now on a clock; the far future if that cannot be expressed.
fn deadline(clock: ClockId, timeout: Duration) -> Timespec {
    let now = clock_gettime(clock);
    let nanos = now.tv_nsec + i64::from(timeout.subsec_nanos());
    let secs = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    Timespec {
        tv_sec: now.tv_sec.saturating_add(secs).saturating_add(nanos / 1_000_000_000).min(i64::MAX / 2_000_000_000),
        tv_nsec: nanos % 1_000_000_000,
    }
}

fn futex_flags() -> futex::Flags {
    // Not PRIVATE: the sleepers and the wakers are in different processes.
    futex::Flags::empty()
}

/// `FUTEX_LOCK_PI` with a deadline on a clock that nobody can set, where the kernel (5.14) has that.
fn kernel_lock(word: &AtomicU32, timeout: Option<Duration>) -> Result<(), Errno> {
    let Some(timeout) = timeout else { return futex::lock_pi(word, futex_flags(), None) };
    match futex::lock_pi2(word, futex_flags(), Some(&deadline(ClockId::Monotonic, timeout))) {
        Err(Errno::NOSYS) => futex::lock_pi(word, futex_flags(), Some(&deadline(ClockId::Realtime, timeout))),
        result => result,
    }
}

/// Tells a clean acquisition from one after a death, and clears the mark.
fn acquired(word: &AtomicU32) -> Acquired {
    if word.load(Ordering::Relaxed) & OWNER_DIED == 0 {
        return Acquired::Clean;
    }
    // Atomic, because the kernel may set WAITERS at the same time.
    word.fetch_and(!OWNER_DIED, Ordering::Relaxed);
    Acquired::OwnerDied
}

impl RobustLock {
    #[cold]
    fn contended(&self, word: &AtomicU32, entry: Entry, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        let tid = entry.tid();
        for _ in 0..SPINS {
            match word.load(Ordering::Relaxed) {
                0 => {
                    if word.compare_exchange(0, tid, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                        entry.keep();
                        return Ok(Acquired::Clean);
                    }
                }
                // Others queue already, or there is a death to report: only the kernel can help.
                value if value & (WAITERS | OWNER_DIED) != 0 || value & OWNER == tid => break,
                _ => spin_loop(),
            }
        }
        loop {
            let result = kernel_lock(word, timeout);
            let owner = word.load(Ordering::Relaxed) & OWNER;
            return match result {
                Ok(()) => {
                    entry.keep();
                    Ok(acquired(word))
                }
                // The owner is just exiting, or a signal handler ran.
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(Errno::TIMEDOUT) => Err(LockError::TimedOut { owner }),
                Err(Errno::DEADLK) if entry.is_nested() => Err(LockError::Recursive),
                // Our own thread id in a lock that we do not hold: it belonged to a thread long gone.
                Err(Errno::DEADLK | Errno::SRCH) => Err(LockError::StaleOwner { owner }),
                Err(errno) => Err(os(errno)),
            };
        }
    }
}

impl<O> Lock<RawMem<O>> for RobustLock {
    #[inline(always)]
    fn lock(&self, mem: &RawMem<O>, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        let word = mem.atomic_u32(header::LOCK_WORD);
        let entry = thread::enter(mem)?;
        if word.compare_exchange(0, entry.tid(), Ordering::Acquire, Ordering::Relaxed).is_ok() {
            entry.keep();
            return Ok(Acquired::Clean);
        }
        self.contended(word, entry, timeout)
    }

    fn try_lock(&self, mem: &RawMem<O>) -> Result<Option<Acquired>, LockError> {
        let word = mem.atomic_u32(header::LOCK_WORD);
        let entry = thread::enter(mem)?;
        match word.compare_exchange(0, entry.tid(), Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                entry.keep();
                Ok(Some(Acquired::Clean))
            }
            Err(value) if value & OWNER_DIED == 0 => Ok(None),
            Err(_) => match futex::trylock_pi(word, futex_flags()) {
                Ok(true) => {
                    entry.keep();
                    Ok(Some(acquired(word)))
                }
                Ok(false) | Err(Errno::AGAIN) => Ok(None),
                Err(errno) => Err(os(errno)),
            },
        }
    }

    #[inline(always)]
    fn unlock(&self, mem: &RawMem<O>) {
        let word = mem.atomic_u32(header::LOCK_WORD);
        if word.compare_exchange(thread::id(), 0, Ordering::Release, Ordering::Relaxed).is_err() {
            // The kernel hands the lock to a waiter. Should it refuse, the word was overwritten by somebody who does
            // not keep to the protocol, and there is nothing left to release.
            let _ = futex::unlock_pi(word, futex_flags());
        }
        thread::leave(mem);
    }

    fn wait(&self, mem: &RawMem<O>, word: Field<u32>, expected: u32, timeout: Duration) -> Result<(), LockError> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        match futex::wait(mem.atomic_u32(word), futex_flags(), expected, Some(&timeout)) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
            Err(errno) => Err(os(errno)),
        }
    }

    fn wake(&self, mem: &RawMem<O>, word: Field<u32>) {
        // Can only fail for an address that is not mapped.
        let _ = futex::wake(mem.atomic_u32(word), futex_flags(), i32::MAX as u32);
    }

    fn wait_requeue(&self, mem: &RawMem<O>, events: u32, timeout: Duration) -> Result<Option<Acquired>, LockError> {
        let word = mem.atomic_u32(header::LOCK_WORD);
        // From the moment the kernel gives us the lock, our death must be noticed.
        let entry = thread::enter(mem)?;
        let until = deadline(ClockId::Monotonic, timeout);
        match futex::wait_requeue_pi(mem.atomic_u32(header::EVENTS), futex_flags(), events, Some(&until), word) {
            Ok(()) => {
                entry.keep();
                Ok(Some(acquired(word)))
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(None),
            Err(errno) => Err(os(errno)),
        }
    }

    fn requeue(&self, mem: &RawMem<O>) {
        let (events, word) = (mem.atomic_u32(header::EVENTS), mem.atomic_u32(header::LOCK_WORD));
        for _ in 0..REQUEUE_TRIES {
            let now = events.load(Ordering::Relaxed);
            if futex::cmp_requeue_pi(events, futex_flags(), i32::MAX as u32, word, now) != Err(Errno::AGAIN) {
                break;
            }
        }
    }
}

impl<O> Lock<RawMem<O>> for AccessLock {
    #[inline(always)]
    fn lock(&self, mem: &RawMem<O>, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        match self {
            AccessLock::Shared => RobustLock.lock(mem, timeout),
            AccessLock::Exclusive => Unshared.lock(mem, timeout),
            AccessLock::ReadOnly => ReadOnly.lock(mem, timeout),
        }
    }
    fn try_lock(&self, mem: &RawMem<O>) -> Result<Option<Acquired>, LockError> {
        match self {
            AccessLock::Shared => RobustLock.try_lock(mem),
            AccessLock::Exclusive => Unshared.try_lock(mem),
            AccessLock::ReadOnly => ReadOnly.try_lock(mem),
        }
    }
    #[inline(always)]
    fn unlock(&self, mem: &RawMem<O>) {
        if let AccessLock::Shared = self {
            RobustLock.unlock(mem);
        }
    }
    fn can_sleep(&self) -> bool {
        matches!(self, AccessLock::Shared)
    }
    fn wait(&self, mem: &RawMem<O>, word: Field<u32>, expected: u32, timeout: Duration) -> Result<(), LockError> {
        match self {
            AccessLock::Shared => RobustLock.wait(mem, word, expected, timeout),
            AccessLock::Exclusive => Unshared.wait(mem, word, expected, timeout),
            AccessLock::ReadOnly => ReadOnly.wait(mem, word, expected, timeout),
        }
    }
    fn wake(&self, mem: &RawMem<O>, word: Field<u32>) {
        if let AccessLock::Shared = self {
            RobustLock.wake(mem, word);
        }
    }
    fn wait_requeue(&self, mem: &RawMem<O>, events: u32, timeout: Duration) -> Result<Option<Acquired>, LockError> {
        match self {
            AccessLock::Shared => RobustLock.wait_requeue(mem, events, timeout),
            AccessLock::Exclusive => Unshared.wait_requeue(mem, events, timeout),
            AccessLock::ReadOnly => ReadOnly.wait_requeue(mem, events, timeout),
        }
    }
    fn requeue(&self, mem: &RawMem<O>) {
        if let AccessLock::Shared = self {
            RobustLock.requeue(mem);
        }
    }
}

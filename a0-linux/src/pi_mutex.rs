//! A robust priority-inheritance mutex at any place of a file, and sleeping beside it, as 0.3 does both.
//!
//! Taking and releasing a free mutex is one compare-and-swap each. Who finds it held first pauses, then lets other threads
//! run, and after 50 µs queues in the kernel. From there on, and for owners who have died, everything is the kernel's work:
//! only a thread that queues lends the owner its priority.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::time::Instant;

use a0_core::layout::Field;
use a0_core::{Acquired, LockError, Mem, RawMem};
use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::ClockId;

use crate::file::namespace;
use crate::futex::{OWNER, OWNER_DIED, SHARED, WAITERS, deadline, os};
use crate::robust_list::{self, Entry, Word};

/// Pauses of the processor before other threads are let run instead.
const PAUSES: u32 = 256;

/// Pauses between two looks at a held mutex double up to this many: each look takes the line from its owner.
const MOST_PAUSES: u32 = 32;

/// How long to wait before queueing in the kernel, which hands the mutex to whoever sleeps longest. Until that thread runs,
/// nobody has any use of the mutex; whoever comes back meanwhile and queues, too, has it handed over in the same way for ever.
/// So it takes a little longer than waking a thread on an idle core.
const PATIENCE: Duration = Duration::from_micros(50);

/// Between two looks of those who cannot sleep.
const POLL: Duration = Duration::from_millis(5);

/// How often to try again what others may have prevented, before the time is looked at.
const TRIES: u32 = 16;

/// Requeues are repeated while the event counter moves; each time somebody else has requeued too, so giving up is safe.
const REQUEUE_TRIES: u32 = 100;

/// What the kernel says of a mutex whose owner does not exist, or is dead.
const NO_THREAD: Errno = Errno::SRCH;

/// What it says where the owner's id is now that of one of its own threads, which hold no such mutexes.
const KERNEL_THREAD: Errno = Errno::PERM;

/// Where a mutex lies: two links for the kernel's list, then its word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutex {
    at: u64,
    namespace: Field<u32>,
}

impl Mutex {
    /// The mutex at this offset of a file that says here to which PID namespace its thread ids belong.
    pub(crate) const fn at(at: u64, namespace: Field<u32>) -> Mutex {
        Mutex { at, namespace }
    }

    /// The owner's thread id and two flags.
    pub(crate) const fn word(self) -> Field<u32> {
        Field::at(self.at + robust_list::WORD_IN_ENTRY as u64)
    }
}

/// Takes the mutex, waiting at most `timeout`.
#[inline(always)]
pub(crate) fn lock<O>(mem: &RawMem<O>, mutex: Mutex, timeout: Option<Duration>) -> Result<Acquired, LockError> {
    let word = mem.atomic_u32(mutex.word());
    let entry = robust_list::enter(mem, mutex.at, Word::Pi)?;
    if word.compare_exchange(0, entry.tid(), Ordering::Acquire, Ordering::Relaxed).is_ok() {
        entry.keep();
        return Ok(Acquired::Clean);
    }
    contended(mem, mutex, entry, timeout)
}

/// Takes the mutex if it is free, or its owner is dead.
pub(crate) fn try_lock<O>(mem: &RawMem<O>, mutex: Mutex) -> Result<Option<Acquired>, LockError> {
    let word = mem.atomic_u32(mutex.word());
    let entry = robust_list::enter(mem, mutex.at, Word::Pi)?;
    if word.compare_exchange(0, entry.tid(), Ordering::Acquire, Ordering::Relaxed).is_ok() {
        entry.keep();
        return Ok(Some(Acquired::Clean));
    }
    for _ in 0..TRIES {
        let owner = word.load(Ordering::Relaxed) & OWNER;
        return match futex::trylock_pi(word, SHARED) {
            Ok(true) => {
                entry.keep();
                Ok(Some(acquired(word)))
            }
            Ok(false) | Err(Errno::AGAIN | Errno::INVAL) => Ok(None),
            Err(Errno::DEADLK) if !entry.is_alone() => Ok(None),
            Err(Errno::DEADLK) if owner == entry.tid() => inherit_from_namesake(mem, mutex, entry).map(Some),
            Err(Errno::DEADLK) => continue,
            Err(NO_THREAD | KERNEL_THREAD) => {
                bury(mem, mutex, owner)?;
                continue;
            }
            Err(errno) => Err(os(errno)),
        };
    }
    // Somebody else was faster each time.
    Ok(None)
}

/// Releases the mutex.
#[inline(always)]
pub(crate) fn unlock<O>(mem: &RawMem<O>, mutex: Mutex) {
    let word = mem.atomic_u32(mutex.word());
    robust_list::leave(mem, mutex.at, Word::Pi, |tid| {
        if word.compare_exchange(tid, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            // The kernel hands the lock to a waiter. Should it refuse, the word was overwritten by somebody who does
            // not keep to the protocol, and there is nothing left to release.
            let _ = futex::unlock_pi(word, SHARED);
        }
    });
}

/// Whether the calling thread has taken the mutex and not released it. A forked child has not, whatever its parent has. Asks
/// the thread and not the word, to which others can write.
pub(crate) fn is_held<O>(mem: &RawMem<O>, mutex: Mutex) -> bool {
    robust_list::has(mem, mutex.at, Word::Pi)
}

/// Sleeps while the counter is `events`, at most `timeout`; whoever is woken owns the mutex.
pub(crate) fn wait_requeue<O>(
    mem: &RawMem<O>,
    counter: Field<u32>,
    mutex: Mutex,
    events: u32,
    timeout: Duration,
) -> Result<Option<Acquired>, LockError> {
    let word = mem.atomic_u32(mutex.word());
    // From the moment the kernel gives us the lock, our death must be noticed.
    let entry = match robust_list::enter(mem, mutex.at, Word::Pi) {
        Err(LockError::Fragile { .. }) => {
            // Sleeping there would end with a lock that nobody may have.
            std::thread::sleep(timeout.min(POLL));
            return Ok(None);
        }
        entry => entry?,
    };
    let until = deadline(ClockId::Monotonic, timeout);
    match futex::wait_requeue_pi(mem.atomic_u32(counter), SHARED, events, Some(&until), word) {
        Ok(()) => {
            entry.keep();
            Ok(Some(acquired(word)))
        }
        Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(None),
        Err(errno) => Err(os(errno)),
    }
}

/// Wakes everybody in [`wait_requeue`], one after the other. The caller has advanced the counter.
pub(crate) fn requeue<O>(mem: &RawMem<O>, counter: Field<u32>, mutex: Mutex) {
    let (events, word) = (mem.atomic_u32(counter), mem.atomic_u32(mutex.word()));
    for _ in 0..REQUEUE_TRIES {
        let now = events.load(Ordering::Relaxed);
        if futex::cmp_requeue_pi(events, SHARED, i32::MAX as u32, word, now) != Err(Errno::AGAIN) {
            break;
        }
    }
}

#[cold]
fn contended<O>(mem: &RawMem<O>, mutex: Mutex, entry: Entry, timeout: Option<Duration>) -> Result<Acquired, LockError> {
    let (word, since) = (mem.atomic_u32(mutex.word()), Instant::now());
    if wait_released(word, entry.tid()) {
        entry.keep();
        return Ok(Acquired::Clean);
    }
    for tries in 1.. {
        let owner = word.load(Ordering::Relaxed) & OWNER;
        match kernel_lock(word, timeout.map(|timeout| timeout.saturating_sub(since.elapsed()))) {
            Ok(()) => {
                entry.keep();
                return Ok(acquired(word));
            }
            Err(Errno::TIMEDOUT) => break,
            Err(Errno::DEADLK) if !entry.is_alone() => return Err(LockError::Recursive),
            // Its owner waits, through others, for what somebody else holds who waits for it. It need not be this thread, which
            // may have come across two others just before the kernel refuses one of them.
            Err(Errno::DEADLK) if owner != entry.tid() => std::thread::sleep(PATIENCE),
            Err(Errno::DEADLK) => return inherit_from_namesake(mem, mutex, entry),
            Err(NO_THREAD | KERNEL_THREAD) => bury(mem, mutex, owner)?,
            // The owner has died without the kernel being told of the mutex, and one of those who wait for it is to have it, but
            // has not run since.
            Err(Errno::INVAL) => std::thread::sleep(PATIENCE),
            // The owner is just exiting, or a signal handler ran.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(os(errno)),
        }
        // A program that writes to the word all the time could go on with that for ever.
        if tries >= TRIES && timeout.is_some_and(|timeout| since.elapsed() > timeout) {
            break;
        }
    }
    Err(LockError::TimedOut { owner: word.load(Ordering::Relaxed) & OWNER })
}

/// Takes over a mutex that names the calling thread, which does not hold it: the id belonged to one long gone. The kernel takes
/// it for this thread's as well, and so lets others queue behind it. So the word stays as it is.
///
/// # Errors
/// As [`bury`].
#[cold]
fn inherit_from_namesake<O>(mem: &RawMem<O>, mutex: Mutex, entry: Entry) -> Result<Acquired, LockError> {
    check_namespace(mem, mutex, entry.tid())?;
    mem.atomic_u32(mutex.word()).fetch_and(!OWNER_DIED, Ordering::Acquire);
    entry.keep();
    Ok(Acquired::OwnerDied)
}

/// Does what the kernel would have done if it had been told of the owner when that died. To be called when the word named
/// the owner, and then the kernel said that there is no such thread, or that it is one of its own.
///
/// # Errors
/// [`LockError::StaleOwner`] where the id may be that of a thread which lives in another PID namespace.
#[cold]
fn bury<O>(mem: &RawMem<O>, mutex: Mutex, owner: u32) -> Result<(), LockError> {
    check_namespace(mem, mutex, owner)?;
    // Looking for the owner, the kernel has set WAITERS. Should somebody else have been faster, and a new thread with the
    // old id hold the mutex by now, it has taken it without.
    let dead = |value| owner != 0 && value & OWNER == owner && value & WAITERS != 0;
    let died = |value| dead(value).then_some(WAITERS | OWNER_DIED);
    let _ = mem.atomic_u32(mutex.word()).fetch_update(Ordering::Relaxed, Ordering::Relaxed, died);
    Ok(())
}

/// Whether the owner's id can be judged from here.
fn check_namespace<O>(mem: &RawMem<O>, mutex: Mutex, owner: u32) -> Result<(), LockError> {
    match mem.load_u32(mutex.namespace, Ordering::Relaxed) {
        namespace if namespace != 0 && namespace::own() == Some(namespace) => Ok(()),
        _ => Err(LockError::StaleOwner { owner }),
    }
}

/// Takes the mutex if it becomes free soon.
fn wait_released(word: &AtomicU32, tid: u32) -> bool {
    let (mut pauses, mut paused, mut since) = (1, 0, None);
    loop {
        match word.load(Ordering::Relaxed) {
            0 if word.compare_exchange(0, tid, Ordering::Acquire, Ordering::Relaxed).is_ok() => return true,
            // There is a death to report, or it is our own: only the kernel can help.
            value if value & OWNER_DIED != 0 || value & OWNER == tid => return false,
            // Whoever the kernel hands it to has to wake up first.
            value if value & WAITERS == 0 && paused < PAUSES => {
                (0..pauses).for_each(|_| spin_loop());
                paused += pauses;
                pauses = MOST_PAUSES.min(2 * pauses);
            }
            _ if since.get_or_insert_with(Instant::now).elapsed() < PATIENCE => std::thread::yield_now(),
            _ => return false,
        }
    }
}

/// `FUTEX_LOCK_PI` with a deadline on a clock that nobody can set, where the kernel (5.14) has that.
fn kernel_lock(word: &AtomicU32, timeout: Option<Duration>) -> Result<(), Errno> {
    let Some(timeout) = timeout else { return futex::lock_pi(word, SHARED, None) };
    match futex::lock_pi2(word, SHARED, Some(&deadline(ClockId::Monotonic, timeout))) {
        Err(Errno::NOSYS) => futex::lock_pi(word, SHARED, Some(&deadline(ClockId::Realtime, timeout))),
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

//! The topic lock: a robust priority-inheritance futex, as 0.3 uses it.

mod local;

use core::time::Duration;

use a0_core::layout::{Field, header};
use a0_core::{Acquired, Lock, LockError, RawMem, ReadOnly, Unshared};
pub use local::LocalLock;

use crate::file::mapping::Mapping;
use crate::futex;
use crate::pi_mutex::{self, Mutex};

/// The lock in a topic's header.
const TOPIC: Mutex = Mutex::at(header::MUTEX_NEXT.offset(), header::PID_NAMESPACE);

/// The lock of a topic that other processes use too.
///
/// A thread may hold up to 8 topics at once. Its robust mutexes (`PTHREAD_MUTEX_ROBUST`, as in LMDB) go on working, and so
/// do other copies of this library, and AlephZero's own C library. The price: of a thread that dies while it holds a topic *and*
/// has locked or released such a mutex meanwhile, or holds one and two topics, the kernel may not tell. Whoever waits for
/// the topic in the kernel gets it all the same; otherwise the next one who wants it finds out that its owner does not exist, and
/// gets it, as after any death. But nobody gets such a mutex that the thread has locked while it held two topics.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to say")]
pub struct RobustLock;

/// The lock that goes with the way a file was opened.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "one for each `Mode`")]
pub enum AccessLock {
    /// Shared with other processes.
    Shared,
    /// Nobody else has the file open to write: no locking but between the threads of this process, no waking.
    Exclusive(LocalLock),
    /// Mapped read-only: nothing can be locked or slept on.
    ReadOnly,
}

// Not for any memory: a `Mapping` stays as long as the kernel may look at a lock in it.
impl Lock<RawMem<Mapping>> for RobustLock {
    #[inline(always)]
    fn lock(&self, mem: &RawMem<Mapping>, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        pi_mutex::lock(mem, TOPIC, timeout)
    }

    fn try_lock(&self, mem: &RawMem<Mapping>) -> Result<Option<Acquired>, LockError> {
        pi_mutex::try_lock(mem, TOPIC)
    }

    #[inline(always)]
    fn unlock(&self, mem: &RawMem<Mapping>) {
        pi_mutex::unlock(mem, TOPIC);
    }

    fn is_held(&self, mem: &RawMem<Mapping>) -> bool {
        pi_mutex::is_held(mem, TOPIC)
    }

    fn wait(&self, mem: &RawMem<Mapping>, word: Field<u32>, expected: u32, timeout: Duration) -> Result<(), LockError> {
        futex::wait(mem.atomic_u32(word), expected, timeout)
    }

    fn wake(&self, mem: &RawMem<Mapping>, word: Field<u32>) {
        futex::wake_all(mem.atomic_u32(word));
    }

    fn wait_requeue(
        &self,
        mem: &RawMem<Mapping>,
        events: u32,
        timeout: Duration,
    ) -> Result<Option<Acquired>, LockError> {
        pi_mutex::wait_requeue(mem, header::EVENTS, TOPIC, events, timeout)
    }

    fn requeue(&self, mem: &RawMem<Mapping>) {
        pi_mutex::requeue(mem, header::EVENTS, TOPIC);
    }
}

impl Lock<RawMem<Mapping>> for AccessLock {
    #[inline(always)]
    fn lock(&self, mem: &RawMem<Mapping>, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        match self {
            AccessLock::Shared => RobustLock.lock(mem, timeout),
            AccessLock::Exclusive(lock) => lock.lock(timeout),
            AccessLock::ReadOnly => ReadOnly.lock(mem, timeout),
        }
    }
    fn try_lock(&self, mem: &RawMem<Mapping>) -> Result<Option<Acquired>, LockError> {
        match self {
            AccessLock::Shared => RobustLock.try_lock(mem),
            AccessLock::Exclusive(lock) => Ok(lock.try_lock()),
            AccessLock::ReadOnly => ReadOnly.try_lock(mem),
        }
    }
    #[inline(always)]
    fn unlock(&self, mem: &RawMem<Mapping>) {
        match self {
            AccessLock::Shared => RobustLock.unlock(mem),
            AccessLock::Exclusive(lock) => lock.unlock(),
            AccessLock::ReadOnly => {}
        }
    }
    fn is_held(&self, mem: &RawMem<Mapping>) -> bool {
        match self {
            AccessLock::Shared => RobustLock.is_held(mem),
            AccessLock::Exclusive(lock) => lock.is_held(),
            AccessLock::ReadOnly => ReadOnly.is_held(mem),
        }
    }
    fn can_sleep(&self) -> bool {
        matches!(self, AccessLock::Shared)
    }
    fn wait(&self, mem: &RawMem<Mapping>, word: Field<u32>, expected: u32, timeout: Duration) -> Result<(), LockError> {
        match self {
            AccessLock::Shared => RobustLock.wait(mem, word, expected, timeout),
            AccessLock::Exclusive(_) => Unshared.wait(mem, word, expected, timeout),
            AccessLock::ReadOnly => ReadOnly.wait(mem, word, expected, timeout),
        }
    }
    fn wake(&self, mem: &RawMem<Mapping>, word: Field<u32>) {
        if let AccessLock::Shared = self {
            RobustLock.wake(mem, word);
        }
    }
    fn wait_requeue(
        &self,
        mem: &RawMem<Mapping>,
        events: u32,
        timeout: Duration,
    ) -> Result<Option<Acquired>, LockError> {
        match self {
            AccessLock::Shared => RobustLock.wait_requeue(mem, events, timeout),
            AccessLock::Exclusive(_) => Unshared.wait_requeue(mem, events, timeout),
            AccessLock::ReadOnly => ReadOnly.wait_requeue(mem, events, timeout),
        }
    }
    fn requeue(&self, mem: &RawMem<Mapping>) {
        if let AccessLock::Shared = self {
            RobustLock.requeue(mem);
        }
    }
}

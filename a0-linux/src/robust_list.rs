//! What the kernel must know of a thread, so that its death releases its topic locks.
//!
//! The kernel keeps a pointer to one *robust list head* per thread. When the thread dies, however it dies, the kernel looks
//! at the lock words that the head leads to, and marks those that bear the thread's id. The head leads to the entry in
//! `pending` and to the entries of a linked list; each entry is an address at a fixed distance from its word. The word
//! of a deadman is one more lock to the kernel.
//!
//! # One lock at a time
//!
//! The C library has registered a head for each thread already, for its own robust mutexes (`PTHREAD_MUTEX_ROBUST`). They
//! must go on working, so nothing is registered here: the lock is announced in `pending` of that very head, before it is tried
//! until after it was released. The kernel does not follow `pending`, it only adds the distance that the head says; and the
//! C library needs it only inside its own functions, during which nobody else runs in this thread. Only a thread without
//! a head gets one of ours: with musl, those that have not used such a mutex.
//!
//! Whoever locks such a mutex while a topic is locked, in a loan for instance, clears `pending`. It is set again before the
//! topic is released; if the thread dies in between, the kernel does not learn of it, and whoever wants the lock next finds
//! out that its owner does not exist (see `pi_mutex.rs`).
//!
//! # Locks inside others
//!
//! Where `pending` is in use, whether the lock in it is ours, or that of another copy of this library or of the one of 0.3
//! in the same thread, the thread gets a head of ours until the inner locks are released. It repeats what was pending, and the
//! inner locks are in its list, the newest first. The links lie in shared memory; this code only stores them, all of them whenever
//! one changes, and never follows one. Where somebody has overwritten one, the kernel mostly finds that lock and those inside of it,
//! and gives up. But if the list of the thread's own head has entries, it stays: these are robust mutexes that are held,
//! such as that of an LMDB write transaction, and for those there is no second way. Then `pending` names the newest of our
//! locks. Those that the kernel does not find rely on their owner being found not to exist.
//!
//! The price: of a robust mutex that is locked while the head is ours, the kernel learns nothing if the thread dies then.
//!
//! Which head is registered may change, so the kernel is asked whenever there is time, and now and then in any case.

use core::ffi::c_void;

use a0_core::{LockError, RawMem};

pub use fork::fork_count;
use head::PI;
pub(crate) use head::WORD_IN_ENTRY;
use thread_record::THREAD;

mod fork;
mod head;
mod nesting;
mod thread_record;

/// How the kernel wakes those who sleep on a word whose owner has died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It is a priority-inheritance lock: the one next in line gets it.
    Pi,
    /// Anything else: one of those in `FUTEX_WAIT` is woken.
    Plain,
}

/// The calling thread's kernel id, as it stands in lock words; right in a forked child, too.
#[inline(always)]
pub fn id() -> u32 {
    match THREAD.get().id() {
        0 => nesting::current().id(),
        id => id,
    }
}

/// An announced attempt at a lock. Dropping it withdraws the announcement; [`Entry::keep`] is for success.
pub(crate) struct Entry {
    tid: u32,
    lock: *mut c_void,
}

impl Entry {
    /// The calling thread's id.
    #[inline(always)]
    pub(crate) fn tid(&self) -> u32 {
        self.tid
    }

    /// The lock was taken: the announcement stands until [`leave`].
    #[inline(always)]
    pub(crate) fn keep(self) {
        core::mem::forget(self);
    }

    /// Whether this thread holds no other lock, which might be the same one through another mapping or library.
    pub(crate) fn is_alone(&self) -> bool {
        nesting::is_alone()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        release(self.lock, |_| ());
    }
}

/// Announces that the thread is about to take the lock whose entry is `at` this offset in the memory: guard RobustList.
///
/// # Errors
/// [`LockError::TooMany`], [`LockError::Fragile`].
#[inline(always)]
pub(crate) fn enter<O>(mem: &RawMem<O>, at: u64, word: Word) -> Result<Entry, LockError> {
    let lock = lock_of(mem, at, word);
    let thread = THREAD.get();
    let head = thread.head();
    if head.pending() | thread.first().addr() == 0 && thread.count_down() {
        thread.announce(head, lock);
        return Ok(Entry { tid: thread.id(), lock });
    }
    Ok(Entry { tid: nesting::enter(lock)?, lock })
}

/// Runs `free`, which is to release a lock of the thread with this id, and withdraws its announcement.
#[inline(always)]
pub(crate) fn leave<O>(mem: &RawMem<O>, at: u64, word: Word, free: impl Fn(u32)) {
    release(lock_of(mem, at, word), free);
}

/// Whether the calling thread has announced the lock whose entry is `at` this offset in the memory.
pub(crate) fn has<O>(mem: &RawMem<O>, at: u64, word: Word) -> bool {
    THREAD.get().has(lock_of(mem, at, word))
}

#[inline(always)]
fn release(lock: *mut c_void, free: impl Fn(u32)) {
    let thread = THREAD.get();
    let head = thread.head();
    if head.pending() == thread.entry(lock) {
        free(thread.id());
        thread.withdraw(head);
    } else {
        nesting::leave(lock, &free);
    }
}

/// Whether some thread has announced a lock in this memory and not withdrawn it.
pub(crate) fn is_used(start: *const u8, len: usize) -> bool {
    thread_record::any_is_used(start, len)
}

/// The lock's word, and of which kind it is.
#[inline(always)]
fn lock_of<O>(mem: &RawMem<O>, at: u64, word: Word) -> *mut c_void {
    let lock: *mut c_void = mem.as_ptr().as_ptr().wrapping_add(at as usize + WORD_IN_ENTRY as usize).cast();
    match word {
        Word::Pi => lock.map_addr(|address| address | PI),
        Word::Plain => lock,
    }
}

//! What is remembered of each thread that locks, where all threads can see it.
//!
//! Records are never freed, so that they may be looked at, and registered with the kernel, at any time. When a thread ends, the
//! next one gets its record.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicPtr, compiler_fence};

use crate::robust_list::head::{self, Head};

/// Locks that one thread can hold at the same time.
pub(super) const MOST_LOCKS: usize = 8;

/// In place of the head of a thread for which each lock is to go the long way: its `pending` is never free, and never a
/// lock's.
static NO_HEAD: Nowhere = Nowhere(Head::new(usize::MAX));

struct Nowhere(Head);

// SAFETY: it is only read.
unsafe impl Sync for Nowhere {}

/// What all threads have before their first lock. Never written to.
pub(super) static NOBODY: Record = Record::new();

thread_local! {
    /// Without a destructor, so that threads can lock until they are no more.
    pub(super) static THREAD: Cell<&'static Record> = const { Cell::new(&NOBODY) };
}

/// All records there are.
static ALL: AtomicPtr<Record> = AtomicPtr::new(null_mut());

/// All but the first few fields are for the long way.
#[derive(Debug)]
pub(super) struct Record {
    /// The head in which the next lock may be announced, or [`NO_HEAD`].
    head: Cell<*const Head>,
    /// Distance from an entry of the registered head to its word.
    word_offset: Cell<isize>,
    /// The addresses of the lock words that the thread has announced, oldest first, each with [`PI`](head::PI).
    pub(super) held: [AtomicPtr<c_void>; MOST_LOCKS],
    /// After so many locks, the kernel is asked again for the head.
    countdown: Cell<u32>,
    /// Kernel thread id; 0 for [`NOBODY`].
    pub(super) id: Cell<u32>,
    /// The head that was registered when the kernel was asked, other than `nested`.
    pub(super) registered: Cell<*const Head>,
    /// Registered while the thread holds several locks.
    pub(super) nested: Head,
    /// Whether that is so now.
    pub(super) is_nested: Cell<bool>,
    /// The held locks from this one on are linked in the list of `nested`: from the second one on, unless somebody else's
    /// came first.
    pub(super) linked_from: Cell<usize>,
    /// Registered in threads that have no head.
    pub(super) spare: Head,
    /// Whether a thread has the record.
    taken: AtomicBool,
    next: AtomicPtr<Record>,
}

// SAFETY: but for the atomics, which may be used from anywhere, whoever has `taken` a record is the only one to use it; a forked
// child, which has all, has only one thread. `NOBODY` is only read.
unsafe impl Sync for Record {}

impl Record {
    const fn new() -> Record {
        Record {
            head: Cell::new(&raw const NO_HEAD.0),
            word_offset: Cell::new(0),
            held: [const { AtomicPtr::new(null_mut()) }; MOST_LOCKS],
            countdown: Cell::new(0),
            id: Cell::new(0),
            registered: Cell::new(&raw const NO_HEAD.0),
            nested: Head::new(0),
            is_nested: Cell::new(false),
            linked_from: Cell::new(1),
            spare: Head::new(0),
            taken: AtomicBool::new(true),
            next: AtomicPtr::new(null_mut()),
        }
    }

    #[inline(always)]
    pub(super) fn id(&self) -> u32 {
        self.id.get()
    }

    #[inline(always)]
    pub(super) fn head(&self) -> &Head {
        // SAFETY: never null. It is `NO_HEAD`, or what `registered` is.
        unsafe { &*self.head.get() }
    }

    pub(super) fn registered(&self) -> &Head {
        // SAFETY: never null. It is a head that the kernel says is registered for this thread, which lives as long as
        // the thread; a head of this record; or `NO_HEAD`.
        unsafe { &*self.registered.get() }
    }

    /// Takes up the head that is registered now.
    pub(super) fn set_registered(&self, head: *const Head) {
        self.registered.set(head);
        self.word_offset.set(self.registered().word_offset());
    }

    /// Lets the next lock go the short way, or not.
    pub(super) fn set_short(&self, short: bool) {
        let head = if short { self.registered.get() } else { &raw const NO_HEAD.0 };
        self.head.set(head);
    }

    pub(super) fn set_countdown(&self, locks: u32) {
        self.countdown.set(locks);
    }

    /// Whether the head may be used once more without asking the kernel.
    #[inline(always)]
    pub(super) fn count_down(&self) -> bool {
        let left = self.countdown.get().wrapping_sub(1);
        self.countdown.set(left);
        left != 0
    }

    #[inline(always)]
    pub(super) fn first(&self) -> *mut c_void {
        self.held[0].load(Relaxed)
    }

    /// What stands in `pending` of the registered head while this lock is announced there.
    #[inline(always)]
    pub(super) fn entry(&self, lock: *mut c_void) -> usize {
        lock.addr().wrapping_add_signed(self.word_offset.get().wrapping_neg())
    }

    /// Announces the only lock of the thread.
    #[inline(always)]
    pub(super) fn announce(&self, head: &Head, lock: *mut c_void) {
        self.held[0].store(lock, Relaxed);
        // The kernel reads the head only when this thread is dead, so program order is all that is needed: the fences
        // keep the compiler from moving the lock's own accesses across.
        compiler_fence(SeqCst);
        head.set_pending(self.entry(lock));
        compiler_fence(SeqCst);
    }

    /// Takes that back.
    #[inline(always)]
    pub(super) fn withdraw(&self, head: &Head) {
        compiler_fence(SeqCst);
        head.set_pending(0);
        compiler_fence(SeqCst);
        self.held[0].store(null_mut(), Relaxed);
    }

    /// Whether this lock is held or being taken.
    pub(super) fn has(&self, lock: *mut c_void) -> bool {
        self.held.iter().any(|held| held.load(Relaxed) == lock)
    }

    /// How many locks are held or being taken.
    pub(super) fn count(&self) -> usize {
        self.held.iter().position(|held| held.load(Relaxed).is_null()).unwrap_or(MOST_LOCKS)
    }

    /// Whether `pending` of the head is in use by somebody else: another copy of this library, the one of 0.3, or
    /// the C library that a signal has interrupted.
    pub(super) fn has_foreign(&self, head: &Head) -> bool {
        let pending = head.pending();
        pending != 0 && !self.held[..self.count()].iter().any(|held| self.entry(held.load(Relaxed)) == pending)
    }

    /// Forgets one of them.
    pub(super) fn remove(&self, at: usize) {
        for i in at..MOST_LOCKS {
            let next = self.held.get(i + 1).map_or(null_mut(), |next| next.load(Relaxed));
            // Release: see `is_used`.
            self.held[i].store(next, Release);
        }
    }

    /// Whether a lock in this memory is among them. For other threads: those entries are seen that were there when the guard
    /// of their lock was leaked, because only then can the memory be about to go away, and whoever lets it go has it from
    /// the thread that leaked the guard.
    fn is_used(&self, start: *const u8, len: usize) -> bool {
        // From the last one to the first, as they move the other way: each is written to its new place before the old one is
        // overwritten, so it is met in one of them.
        self.held.iter().rev().any(|held| held.load(Acquire).addr().wrapping_sub(start.addr()) < len)
    }

    /// As new.
    fn clear(&self) {
        self.held.iter().for_each(|held| held.store(null_mut(), Relaxed));
        self.set_short(false);
        self.set_registered(&raw const NO_HEAD.0);
        self.is_nested.set(false);
        self.linked_from.set(1);
        self.spare.set_pending(0);
        self.id.set(0);
    }

    /// Gives it to another thread.
    fn give_back(&self) {
        self.clear();
        self.taken.store(false, Release);
    }
}

/// Gives the record back when the thread ends.
struct Return;

impl Drop for Return {
    fn drop(&mut self) {
        let record = THREAD.get();
        // What is held on is looked at by the kernel, and must not lose its memory.
        if record.id() == 0 || record.count() > 0 {
            return;
        }
        if head::is_registered(&record.spare) {
            // SAFETY: registers nothing. Otherwise two threads would have the same head.
            let _ = unsafe { head::register(core::ptr::null()) };
        }
        THREAD.set(&NOBODY);
        record.give_back();
    }
}

thread_local! {
    static RETURN: Return = const { Return };
}

/// A record for the calling thread.
pub(super) fn take(id: u32) -> &'static Record {
    // A thread that is past that keeps the record for ever.
    let _ = RETURN.try_with(|_| ());
    let free = |record: &&Record| record.taken.compare_exchange(false, true, Acquire, Relaxed).is_ok();
    let record = all().find(free).unwrap_or_else(add);
    record.id.set(id);
    THREAD.set(record);
    record
}

fn add() -> &'static Record {
    let record: &'static Record = Box::leak(Box::new(Record::new()));
    // `fetch_update` stores what the closure returns last, which is linked to what it replaces.
    let link = |first| {
        record.next.store(first, Relaxed);
        Some((&raw const *record).cast_mut())
    };
    let _ = ALL.fetch_update(Release, Acquire, link);
    record
}

fn all() -> impl Iterator<Item = &'static Record> {
    let record = |at: *mut Record| {
        // SAFETY: records are made by `add`, and never freed.
        NonNull::new(at).map(|at| unsafe { at.as_ref() })
    };
    core::iter::successors(record(ALL.load(Acquire)), move |last| record(last.next.load(Relaxed)))
}

/// Whether any thread has announced a lock in this memory and not withdrawn it.
pub(super) fn any_is_used(start: *const u8, len: usize) -> bool {
    all().any(|record| record.is_used(start, len))
}

/// In a forked child: its only thread is another one, and none of the parent's exist.
pub(super) fn forget_all() {
    THREAD.set(&NOBODY);
    all().for_each(Record::give_back);
}

//! What the kernel must know of a thread, so that its death releases its topic locks.
//!
//! The kernel keeps a pointer to one *robust list head* per thread. When the thread dies, however it dies, the kernel looks
//! at the lock words that the head leads to, and marks those that bear the thread's id. The head leads to the entry in
//! `pending` and to the entries of a linked list; each entry is the address of a lock, 16 bytes before its word. The word
//! of a deadman is one more lock to the kernel.
//!
//! One lock at a time, which is nearly always, needs only `pending`: it is set before the lock is tried and cleared
//! after it was released. Locks taken earlier and still held are linked into the list. Their links lie in shared
//! memory, where others can overwrite them: the kernel checks what it reads, and this code never follows a link.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering, compiler_fence};
use std::sync::Once;

use a0_core::layout::header;
use a0_core::{LockError, RawMem};

/// Locks that one thread can hold at the same time.
const MOST_LOCKS: usize = 8;

/// Distance from an entry to its lock word.
pub(crate) const WORD_IN_ENTRY: isize = (header::LOCK_WORD.offset() - header::MUTEX_NEXT.offset()) as isize;

/// How the kernel wakes those who sleep on a word whose owner has died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It is a priority-inheritance lock: the one next in line gets it.
    Pi,
    /// Anything else: one of those in `FUTEX_WAIT` is woken.
    Plain,
}

/// Marks an entry whose word is a [`Word::Pi`].
const PI: usize = 1;

/// How often this process and its ancestors have forked, as far as that was noticed.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// `struct robust_list_head` of the kernel.
#[repr(C)]
struct Head {
    first: Cell<*mut c_void>,
    word_offset: Cell<isize>,
    pending: Cell<*mut c_void>,
}

struct Thread {
    /// Kernel thread id, 0 before registration.
    id: Cell<u32>,
    /// This thread's own head, used unless another copy of the 0.3 C library has registered an equal one before.
    own: Head,
    /// The head in use. Its `pending` is the entry announced last; null if the thread holds no lock.
    head: Cell<*const Head>,
    /// The entries held besides that one, oldest first, as the kernel is told of them.
    outer: [Cell<*mut c_void>; MOST_LOCKS - 1],
    outer_count: Cell<usize>,
}

thread_local! {
    /// Without a destructor, so that it exists until the kernel has walked the list.
    static THREAD: Thread = const {
        Thread {
            id: Cell::new(0),
            own: Head { first: Cell::new(null_mut()), word_offset: Cell::new(0), pending: Cell::new(null_mut()) },
            head: Cell::new(core::ptr::null()),
            outer: [const { Cell::new(null_mut()) }; MOST_LOCKS - 1],
            outer_count: Cell::new(0),
        }
    };
}

/// The calling thread's kernel id, as it stands in lock words; right in a forked child, too.
#[inline(always)]
pub fn id() -> u32 {
    THREAD.with(Thread::id)
}

/// A number that is another one in a process forked from this one after the call.
#[inline]
pub fn fork_count() -> u32 {
    notice_forks();
    FORKS.load(Ordering::Relaxed)
}

#[inline]
fn notice_forks() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: the handler only resets plain cells of the forking thread and counts, which a forked child may do.
        // Failure means no memory for the handler; then a forked child must not use the topics of its parent.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(forget_registration)) };
    });
}

/// An announced attempt at a lock. Dropping it withdraws the announcement; [`Entry::keep`] is for success.
pub(crate) struct Entry {
    tid: u32,
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

    /// Whether this thread holds no other lock, which might be the same one through another mapping.
    pub(crate) fn is_alone(&self) -> bool {
        THREAD.with(|thread| thread.outer_count.get() == 0)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        THREAD.with(|thread| thread.leave(thread.head().pending.get()));
    }
}

/// Announces that the thread is about to take the lock whose entry is `at` this offset in the memory.
#[inline(always)]
pub(crate) fn enter<O>(mem: &RawMem<O>, at: u64, word: Word) -> Result<Entry, LockError> {
    let entry = entry_of(mem, at, word);
    THREAD.with(|thread| {
        let tid = thread.id();
        if !thread.head().pending.get().is_null() {
            thread.set_aside()?;
        }
        thread.announce(entry);
        Ok(Entry { tid })
    })
}

/// Withdraws the announcement of a lock, which has just been released.
#[inline(always)]
pub(crate) fn leave<O>(mem: &RawMem<O>, at: u64, word: Word) {
    let entry = entry_of(mem, at, word);
    THREAD.with(|thread| thread.leave(entry));
}

/// Whether the calling thread has announced a lock in this memory and not withdrawn it.
pub(crate) fn has_entry_in(start: *const u8, len: usize) -> bool {
    THREAD.with(|thread| {
        let inside = |entry: &Cell<*mut c_void>| entry.get().addr().wrapping_sub(start.addr()) < len;
        // Without an id, what is left of entries is that of the thread which has forked this one.
        thread.id.get() != 0
            && (inside(&thread.head().pending) || thread.outer[..thread.outer_count.get()].iter().any(inside))
    })
}

/// The entry as the kernel is told of it.
#[inline(always)]
fn entry_of<O>(mem: &RawMem<O>, at: u64, word: Word) -> *mut c_void {
    let entry: *mut c_void = mem.as_ptr().as_ptr().wrapping_add(at as usize).cast();
    match word {
        Word::Pi => entry.map_addr(|address| address | PI),
        Word::Plain => entry,
    }
}

/// Where the entry lies.
fn unmarked(entry: *mut c_void) -> *mut c_void {
    entry.map_addr(|address| address & !PI)
}

impl Thread {
    #[inline(always)]
    fn id(&self) -> u32 {
        match self.id.get() {
            0 => self.register(),
            id => id,
        }
    }

    #[inline(always)]
    fn head(&self) -> &Head {
        // SAFETY: set by `register`, before any other use, to `own` or to the head that the C library registered, which
        // lives as long as the thread.
        unsafe { &*self.head.get() }
    }

    #[cold]
    fn register(&self) -> u32 {
        notice_forks();
        let head = match registered_by_c_library() {
            Some(head) => head.as_ptr(),
            None => {
                self.own.first.set((&raw const self.own).cast_mut().cast());
                self.own.word_offset.set(WORD_IN_ENTRY);
                // SAFETY: registers a head that lives in this thread's static storage, has no destructor, and so
                // exists until the kernel has taken its last look.
                unsafe { libc::syscall(libc::SYS_set_robust_list, &raw const self.own, size_of::<Head>()) };
                &raw const self.own
            }
        };
        self.head.set(head);
        // In a forked child it may name a lock of the parent.
        self.head().pending.set(null_mut());
        let id = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        self.id.set(id);
        id
    }

    #[inline(always)]
    fn announce(&self, pending: *mut c_void) {
        // The kernel reads the head only when this thread is dead, so program order is all that is needed: the fences
        // keep the compiler from moving the lock's own accesses across.
        compiler_fence(Ordering::SeqCst);
        self.head().pending.set(pending);
        compiler_fence(Ordering::SeqCst);
    }

    /// Moves the lock announced last to the list, to make room for another.
    #[cold]
    #[inline(never)]
    fn set_aside(&self) -> Result<(), LockError> {
        let count = self.outer_count.get();
        let own = self.head.get() == &raw const self.own;
        // In a list shared with the C library ours must not be linked: it follows and writes its neighbours' links.
        let limit = if own { MOST_LOCKS } else { 1 };
        if count + 1 >= limit {
            return Err(LockError::TooMany { limit: limit as u32 });
        }
        self.outer[count].set(self.head().pending.get());
        self.outer_count.set(count + 1);
        self.link_outer();
        Ok(())
    }

    /// Makes the list lead to the outer entries.
    fn link_outer(&self) {
        let mut next: *mut c_void = (&raw const self.own).cast_mut().cast();
        for outer in &self.outer[..self.outer_count.get()] {
            let entry = outer.get();
            // SAFETY: a lock that is held keeps its memory mapped: its guard borrows it, and if that was leaked, the
            // `Mapping` stays when this thread drops it. (Another thread that drops it does not know of the lock.) The first
            // word of the entry is the link; 8-byte aligned, as the memory starts on a multiple of 8. Only the kernel ever
            // reads it.
            unsafe { unmarked(entry).cast::<*mut c_void>().write_volatile(next) };
            next = entry;
        }
        compiler_fence(Ordering::SeqCst);
        self.own.first.set(next);
        compiler_fence(Ordering::SeqCst);
    }

    #[inline(always)]
    fn leave(&self, entry: *mut c_void) {
        if self.outer_count.get() == 0 && self.head().pending.get() == entry {
            self.announce(null_mut());
        } else {
            self.leave_nested(entry);
        }
    }

    #[cold]
    #[inline(never)]
    fn leave_nested(&self, entry: *mut c_void) {
        let Some(last) = self.outer_count.get().checked_sub(1) else { return };
        // The newest one first: an attempt to lock recursively has announced the same entry a second time.
        if self.head().pending.get() == entry {
            // The newest that is left becomes pending before it leaves the list: it is covered throughout.
            self.announce(self.outer[last].get());
        } else {
            let Some(at) = self.outer[..=last].iter().rposition(|outer| outer.get() == entry) else { return };
            for i in at..last {
                self.outer[i].set(self.outer[i + 1].get());
            }
        }
        self.outer_count.set(last);
        self.link_outer();
    }
}

/// The head that a copy of the 0.3 C library has registered for this thread: its entries look like ours.
fn registered_by_c_library() -> Option<NonNull<Head>> {
    let mut head: *mut Head = null_mut();
    let mut len = 0usize;
    // SAFETY: writes the two results to the locals; 0 means the calling thread.
    let result = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
    let head = NonNull::new(head).filter(|_| result == 0 && len == size_of::<Head>())?;
    // SAFETY: whatever a thread has registered is its list head, valid as long as the thread, and only touched by it.
    let word_offset = unsafe { head.as_ref() }.word_offset.get();
    (word_offset == WORD_IN_ENTRY).then_some(head)
}

/// Runs in a forked child: its thread has another id, no registration, and none of the parent's locks.
extern "C" fn forget_registration() {
    // The thread's storage may be gone if a destructor forks; then nothing will use it either.
    let _ = THREAD.try_with(|thread| {
        thread.id.set(0);
        thread.outer_count.set(0);
    });
    FORKS.fetch_add(1, Ordering::Relaxed);
}

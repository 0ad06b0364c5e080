//! The long way: a thread's first lock, locks inside others, and threads in which somebody else uses the list, too.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::compiler_fence;

use a0_core::LockError;

use crate::robust_list::fork::notice_forks;
use crate::robust_list::head::{self, Head, PI, WORD_IN_ENTRY};
use crate::robust_list::thread_record::{self, MOST_LOCKS, Record, THREAD};

/// Locks after which the kernel is asked again which head is registered.
const LOCKS_TO_A_LOOK: u32 = 8192;

/// The calling thread's record.
#[cold]
#[inline(never)]
pub(super) fn current() -> &'static Record {
    let thread = THREAD.get();
    if thread.id() != 0 {
        return thread;
    }
    notice_forks();
    thread_record::take(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs())
}

/// Announces a lock; gives the calling thread's id.
#[cold]
#[inline(never)]
pub(super) fn enter(lock: *mut c_void) -> Result<u32, LockError> {
    let thread = current();
    thread.look()?;
    thread.set_countdown(LOCKS_TO_A_LOOK);
    let count = thread.count();
    if count == MOST_LOCKS {
        return Err(LockError::TooMany { limit: MOST_LOCKS as u32 });
    }
    let head = thread.registered();
    if count == 0 && head.pending() == 0 {
        thread.announce(head, lock);
        thread.set_short(true);
    } else {
        thread.nest(count, lock);
    }
    Ok(thread.id())
}

/// Releases a lock and withdraws its announcement.
#[cold]
#[inline(never)]
pub(super) fn leave(lock: *mut c_void, release: &dyn Fn(u32)) {
    let thread = current();
    let count = thread.count();
    // The newest one first: an attempt to lock recursively has announced the same lock a second time.
    let Some(at) = thread.held[..count].iter().rposition(|held| held.load(Relaxed) == lock) else {
        // It is not this thread's: a forked child drops a guard of its parent.
        return release(thread.id());
    };
    // If it cannot tell, what was known before is the best guess.
    let _ = thread.look();
    let head = thread.registered();
    if !thread.is_nested.get() && head.pending() == 0 {
        // Somebody else has withdrawn it together with something of theirs.
        head.set_pending(thread.entry(lock));
        compiler_fence(SeqCst);
    }
    release(thread.id());
    compiler_fence(SeqCst);
    thread.forget(at, count);
}

/// Whether the calling thread holds nothing besides the lock that it is about to take, whichever library it uses.
#[cold]
pub(super) fn is_alone() -> bool {
    let thread = current();
    let known = thread.look().is_ok();
    let head = thread.registered();
    known && thread.count() == 1 && !thread.has_foreign(head) && head.is_empty()
}

/// The same lock in a list with our kind of entries.
fn linked(lock: *mut c_void) -> usize {
    lock.addr().wrapping_add_signed(-WORD_IN_ENTRY)
}

/// Stores the link of this lock.
fn link(lock: *mut c_void, next: usize) {
    let link: *mut usize = lock.map_addr(|at| (at & !PI).wrapping_add_signed(-WORD_IN_ENTRY)).cast();
    // SAFETY: the entry begins in the lock's memory, 8-byte aligned, as that starts on a multiple of 8. The memory is
    // mapped: the lock is just being taken, or it is held and its guard borrows it, or that was leaked and the `Mapping`
    // stays. Only the kernel ever reads the link.
    unsafe { link.write_volatile(next) };
}

impl Record {
    /// Finds out which head the kernel knows.
    fn look(&self) -> Result<(), LockError> {
        let found = head::registered().and_then(|head| if head.is_null() { self.register_spare() } else { Ok(head) });
        let head = match found {
            Ok(head) => head,
            Err(_) if std::env::var_os("A0_FRAGILE_LOCKS").is_some_and(|value| value == "1") => &raw const self.spare,
            Err(errno) => {
                self.set_short(false);
                return Err(LockError::Fragile { errno: errno.raw_os_error() });
            }
        };
        if core::ptr::eq(head, &self.nested) {
            return Ok(());
        }
        // Somebody may have registered another one meanwhile: what is held is announced there from now on.
        self.is_nested.set(false);
        if !core::ptr::eq(head, self.registered()) {
            self.set_registered(head);
            self.set_short(false);
        }
        Ok(())
    }

    /// For a thread that has no head: musl registers one only for the first robust mutex.
    fn register_spare(&self) -> Result<*const Head, rustix::io::Errno> {
        self.spare.clear(WORD_IN_ENTRY);
        // SAFETY: records are never freed.
        unsafe { head::register(&raw const self.spare) }?;
        Ok(&raw const self.spare)
    }

    /// Announces a lock besides `count` of ours, or besides somebody else's.
    fn nest(&self, count: usize, lock: *mut c_void) {
        let head = self.registered();
        let foreign = self.has_foreign(head);
        if count == 0 {
            self.linked_from.set(0);
        }
        self.held[count].store(lock, Relaxed);
        self.set_short(false);
        if self.is_nested.get() {
            self.link(count + 1);
        } else if head.is_empty() {
            self.nested.clear(WORD_IN_ENTRY);
            self.nested.set_pending(match self.first() {
                _ if foreign => head.pending().wrapping_add_signed(head.word_offset() - WORD_IN_ENTRY),
                first if self.linked_from.get() == 1 => linked(first),
                _ => 0,
            });
            self.link(count + 1);
            // SAFETY: records are never freed.
            let registered = unsafe { head::register(&raw const self.nested) };
            self.is_nested.set(registered.is_ok());
        }
        if !self.is_nested.get() && !foreign {
            compiler_fence(SeqCst);
            head.set_pending(self.entry(lock));
            compiler_fence(SeqCst);
        }
    }

    /// Makes the list of `nested` lead to those of `count` locks that belong there. All links are stored, also those that should
    /// be there: an attempt to lock recursively has overwritten one.
    fn link(&self, count: usize) {
        let mut older = self.nested.end();
        for lock in self.held[..count].iter().skip(self.linked_from.get()) {
            let lock = lock.load(Relaxed);
            link(lock, older);
            older = linked(lock);
        }
        compiler_fence(SeqCst);
        self.nested.set_first(older);
        compiler_fence(SeqCst);
    }

    /// Withdraws the announcement of one of `count` locks.
    fn forget(&self, at: usize, count: usize) {
        let head = self.registered();
        let foreign = self.has_foreign(head);
        let lock = |at: usize| self.held[at].load(Relaxed);
        if at < self.linked_from.get() {
            if self.nested.pending() == linked(lock(at)) {
                self.nested.set_pending(0);
            }
            self.linked_from.set(0);
        }
        self.remove(at);
        let left = count - 1;
        if self.is_nested.get() {
            self.link(left);
        }
        // One that is left needs no list, and none needs nothing; unless somebody else's came first.
        let short = left == 0 || left == 1 && !foreign;
        if !foreign {
            let nested = self.is_nested.get();
            head.set_pending(match left {
                0 => 0,
                1 => self.entry(lock(0)),
                _ if nested && self.linked_from.get() == 0 => 0,
                _ if nested => self.entry(lock(0)),
                _ => self.entry(lock(left - 1)),
            });
            compiler_fence(SeqCst);
        }
        if short {
            if self.is_nested.get() {
                // SAFETY: it was registered before, and lives as long as the thread.
                let _ = unsafe { head::register(head) };
                self.is_nested.set(false);
            }
            self.linked_from.set(1);
        }
        self.set_short(short && !foreign);
    }
}

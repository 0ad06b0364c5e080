//! What a forked child must know: that it is one, and that none of its parent's locks are its own.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;

use crate::robust_list::thread_record::{self, THREAD};

/// How often this process and its ancestors have forked, as far as that was noticed.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A number that is another one in a process forked from this one after the call.
#[inline]
pub fn fork_count() -> u32 {
    notice_forks();
    FORKS.load(Ordering::Relaxed)
}

/// Sees to it that forks are noticed.
#[inline]
pub(super) fn notice_forks() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: the handler only stores to memory that is there and counts, which a forked child may do.
        // Failure means no memory for the handler; then a forked child must not use the topics of its parent.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(forget_parents)) };
    });
}

/// Runs in a forked child: its thread has another id, and none of the parent's locks.
extern "C" fn forget_parents() {
    let parent = THREAD.get();
    let head = parent.registered();
    if parent.id() != 0 && !parent.has_foreign(head) {
        head.set_pending(0);
    }
    thread_record::forget_all();
    FORKS.fetch_add(1, Ordering::Relaxed);
}

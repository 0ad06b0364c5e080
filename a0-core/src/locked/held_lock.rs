//! The lock as it is held, and what its release entails.

use core::marker::PhantomData;
use core::mem::forget;
use core::sync::atomic::Ordering::{Relaxed, Release};

use crate::layout::header;
use crate::lock::{Acquired, Lock};
use crate::mem::Mem;
use crate::state::State;
use crate::transport::Transport;

/// A lock that is held. Apart from the [`super::Draft`], which can stay in registers because only this has an address
/// where things go wrong.
#[derive(Debug)]
pub(super) struct HeldLock<'t, M: Mem, L: Lock<M>> {
    topic: &'t Transport<M, L>,
    /// Whether the working page and the sleepers need attention.
    touched: bool,
    /// Not to be released by another thread.
    own: PhantomData<*const ()>,
}

impl<'t, M: Mem, L: Lock<M>> HeldLock<'t, M, L> {
    #[inline(always)]
    pub(super) fn new(topic: &'t Transport<M, L>, how: Acquired) -> Self {
        // Guard LockFence: what this owner overwrites was possibly evicted by an owner before: whoever sees a byte of it must see that
        // eviction, as if this owner had committed it.
        topic.mem().fence(Release);
        // After a death, the working page may hold what was never committed, and sleepers may have missed a wake-up.
        HeldLock { topic, touched: how == Acquired::OwnerDied, own: PhantomData }
    }

    #[inline(always)]
    pub(super) fn topic(&self) -> &'t Transport<M, L> {
        self.topic
    }

    /// Not so in a forked child: there the lock, and all that it protects, is the parent's.
    pub(super) fn is_held(&self) -> bool {
        self.topic.lock_backend().is_held(self.topic.mem())
    }

    /// Says that something is committed.
    #[inline(always)]
    pub(super) fn touch(&mut self) {
        self.touched = true;
    }

    /// Releases the lock behind a commit of `state` that left the other page, `spare`, as it was.
    #[inline(always)]
    pub(super) fn release(self, state: &State, spare: u8) {
        // By hand and not by the destructor, which all that fails shares, and which would be a call.
        let topic = self.topic;
        forget(self);
        // Guard WorkingPageRefresh.
        state.store_page(topic.mem(), spare);
        release_touched(topic);
    }
}

impl<M: Mem, L: Lock<M>> Drop for HeldLock<'_, M, L> {
    fn drop(&mut self) {
        if !self.is_held() {
            return;
        }
        if self.touched {
            State::refresh_working_page(self.topic.mem());
            release_touched(self.topic);
        } else {
            self.topic.lock_backend().unlock(self.topic.mem());
        }
    }
}

/// Releases the lock and wakes those who sleep.
#[inline(always)]
fn release_touched<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) {
    mark_foreign_users(topic.mem());
    topic.lock_backend().unlock(topic.mem());
    topic.wake_sleepers();
}

/// Notices 0.3 programs, which leave a link in the lock's words: guard ForeignMark.
#[inline(always)]
fn mark_foreign_users<M: Mem>(mem: &M) {
    if mem.load_u64(header::MUTEX_PREV, Relaxed) != 0 {
        // The mark before the link: a reader that looks in between must find at least one of them.
        mem.store_u32(header::FOREIGN, 1, Release);
        mem.store_u64(header::MUTEX_PREV, 0, Release);
    }
}

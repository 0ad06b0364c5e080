//! A lock for machines without an operating system: contexts of one address space spin on the lock word.

use core::marker::PhantomData;
use core::sync::atomic::Ordering;
use core::time::Duration;

use spin::relax::RelaxStrategy;

use crate::error::LockError;
use crate::layout::{Field, header};
use crate::lock::{Acquired, Lock};
use crate::mem::Mem;

/// Spins on the lock word, relaxing as `R` says between tries ([`spin::relax::Spin`], a custom `wfe`, a scheduler's
/// yield, …).
///
/// Every context (core, task, interrupt priority) that can hold the lock at the same time needs a number of its own.
/// Nothing detects the death of an owner. A handler that interrupts the holder on the same core must use
/// [`crate::Transport::try_lock`]; reading needs no lock in any context.
#[derive(Clone, Copy, Debug)]
pub struct SpinLock<R> {
    context: u32,
    tries: u32,
    relax: PhantomData<fn() -> R>,
}

impl<R: RelaxStrategy> SpinLock<R> {
    /// A lock for the context with this number (not 0, below 2³⁰). There is no clock here, so a lock or a wait that
    /// was given a timeout gives up after `tries` relaxations instead, whatever the duration.
    ///
    /// # Panics
    /// If the number is 0 or needs more than 30 bits.
    pub const fn new(context: u32, tries: u32) -> Self {
        assert!(context != 0 && context < 1 << 30, "a context number needs 1 to 30 bits");
        SpinLock { context, tries, relax: PhantomData }
    }

    fn spin_while(&self, limited: bool, mut busy: impl FnMut() -> bool) -> bool {
        let mut tries = 0;
        while busy() {
            if limited && tries == self.tries {
                return false;
            }
            tries = tries.saturating_add(1);
            R::relax();
        }
        true
    }
}

impl<R: RelaxStrategy, M: Mem + ?Sized> Lock<M> for SpinLock<R> {
    fn lock(&self, mem: &M, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        let mut owner = 0;
        let taken = self.spin_while(timeout.is_some(), || {
            match mem.cas_u32(header::LOCK_WORD, 0, self.context, Ordering::Acquire) {
                Ok(_) => false,
                Err(other) => {
                    owner = other;
                    owner != self.context
                }
            }
        });
        if owner == self.context {
            Err(LockError::Recursive)
        } else if taken {
            Ok(Acquired::Clean)
        } else {
            Err(LockError::TimedOut { owner })
        }
    }

    fn try_lock(&self, mem: &M) -> Result<Option<Acquired>, LockError> {
        match mem.cas_u32(header::LOCK_WORD, 0, self.context, Ordering::Acquire) {
            Ok(_) => Ok(Some(Acquired::Clean)),
            Err(owner) if owner == self.context => Err(LockError::Recursive),
            Err(_) => Ok(None),
        }
    }

    fn unlock(&self, mem: &M) {
        // A read-modify-write, because the check for sleepers behind it relies on one; whatever somebody has left there.
        let mut owner = self.context;
        while let Err(other) = mem.cas_u32(header::LOCK_WORD, owner, 0, Ordering::Release) {
            owner = other;
        }
    }

    fn wait(&self, mem: &M, word: Field<u32>, expected: u32, _: Duration) -> Result<(), LockError> {
        self.spin_while(true, || mem.load_u32(word, Ordering::Acquire) == expected);
        Ok(())
    }

    fn wake(&self, _: &M, _: Field<u32>) {}

    fn wait_requeue(&self, mem: &M, events: u32, timeout: Duration) -> Result<Option<Acquired>, LockError> {
        self.wait(mem, header::EVENTS, events, timeout).map(|()| None)
    }

    fn requeue(&self, _: &M) {}
}

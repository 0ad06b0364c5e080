//! A lock that sleeps in loom's terms.

use std::sync::atomic::Ordering;
use std::time::Duration;

use a0_core::layout::{Field, header};
use a0_core::{Acquired, Lock, LockError, Mem};
use loom::sync::{Arc, Mutex};

/// A lock and a futex for threads of a loom model.
///
/// Sleeping has no timeout here: a sleeper that is still asleep when everybody else has come to an end panics. Like the
/// kernel, it compares the word and falls asleep in one step, and it wakes only who already sleeps.
#[derive(Clone, Debug)]
pub struct SimLock {
    /// The kernel's queues: how often each has been emptied.
    queues: Arc<Mutex<[u32; 2]>>,
    flaw: Option<Flaw>,
}

/// What is wrong with a lock that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    HidesDeaths,
    BuriesTheLiving,
}

/// What the kernel leaves in the word of a lock whose owner has died.
const OWNER_DIED: u32 = 0x4000_0000;

const PLAIN: usize = 0;
const REQUEUE: usize = 1;

/// Times that a sleeper lets all others run before it says that nobody will wake it.
const PATIENCE: u32 = 20;

impl SimLock {
    /// A free lock. Call it inside a loom model.
    #[allow(clippy::new_without_default, reason = "only works inside a loom model")]
    pub fn new() -> Self {
        SimLock { queues: Arc::new(Mutex::new([0; 2])), flaw: None }
    }

    /// A lock that says nothing of dead owners, as if it were not robust.
    pub fn hiding_deaths() -> Self {
        SimLock { flaw: Some(Flaw::HidesDeaths), ..SimLock::new() }
    }

    /// A lock that is taken from an owner who lives, as if it were known to be dead.
    pub fn burying_the_living() -> Self {
        SimLock { flaw: Some(Flaw::BuriesTheLiving), ..SimLock::new() }
    }

    /// What the kernel does when the owner dies.
    pub fn die<M: Mem + ?Sized>(&self, mem: &M) {
        mem.store_u32(header::LOCK_WORD, OWNER_DIED, Ordering::Release);
    }

    fn emptied(&self, queue: usize) -> u32 {
        self.queues.lock().expect("nobody panics with it")[queue]
    }

    fn sleep<M: Mem + ?Sized>(&self, mem: &M, word: Field<u32>, expected: u32, queue: usize) -> bool {
        let asleep_since = {
            let queues = self.queues.lock().expect("nobody panics with it");
            if mem.load_u32(word, Ordering::Relaxed) != expected {
                return false;
            }
            queues[queue]
        };
        for _ in 0..PATIENCE {
            loom::thread::yield_now();
            if self.emptied(queue) != asleep_since {
                return true;
            }
        }
        panic!("nobody wakes this sleeper");
    }

    fn notify(&self, queue: usize) {
        self.queues.lock().expect("nobody panics with it")[queue] += 1;
    }
}

impl<M: Mem + ?Sized> Lock<M> for SimLock {
    fn lock(&self, mem: &M, _: Option<Duration>) -> Result<Acquired, LockError> {
        let died = if self.flaw == Some(Flaw::HidesDeaths) { Acquired::Clean } else { Acquired::OwnerDied };
        loop {
            match mem.cas_u32(header::LOCK_WORD, 0, 1, Ordering::Acquire) {
                Ok(_) => return Ok(Acquired::Clean),
                Err(OWNER_DIED) if mem.cas_u32(header::LOCK_WORD, OWNER_DIED, 1, Ordering::Acquire).is_ok() => {
                    return Ok(died);
                }
                Err(_) if self.flaw == Some(Flaw::BuriesTheLiving) => return Ok(died),
                Err(_) => loom::thread::yield_now(),
            }
        }
    }
    fn try_lock(&self, mem: &M) -> Result<Option<Acquired>, LockError> {
        Ok(mem.cas_u32(header::LOCK_WORD, 0, 1, Ordering::Acquire).is_ok().then_some(Acquired::Clean))
    }
    fn unlock(&self, mem: &M) {
        let mut owner = 1;
        while let Err(other) = mem.cas_u32(header::LOCK_WORD, owner, 0, Ordering::Release) {
            owner = other;
        }
    }
    fn wait(&self, mem: &M, word: Field<u32>, expected: u32, _: Duration) -> Result<(), LockError> {
        self.sleep(mem, word, expected, PLAIN);
        Ok(())
    }
    fn wake(&self, _: &M, _: Field<u32>) {
        self.notify(PLAIN);
    }
    fn wait_requeue(&self, mem: &M, events: u32, timeout: Duration) -> Result<Option<Acquired>, LockError> {
        if !self.sleep(mem, header::EVENTS, events, REQUEUE) {
            return Ok(None);
        }
        // The kernel hands the lock over.
        self.lock(mem, Some(timeout)).map(Some)
    }
    fn requeue(&self, _: &M) {
        self.notify(REQUEUE);
    }
}

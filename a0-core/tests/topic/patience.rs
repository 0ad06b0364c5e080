//! Where the lock is waited for, and where never.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::common::Meddled;
use a0_core::layout::{Field, frame};
use a0_core::{Acquired, Cursor, Error, Lock, LockError, Mem, Select, Transport, Unshared};

/// A lock that somebody keeps, once it is `kept`.
#[derive(Default)]
struct Kept {
    kept: Cell<bool>,
    waited: Cell<Option<Duration>>,
}

impl<M: Mem> Lock<M> for Kept {
    fn lock(&self, _: &M, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        self.waited.set(timeout);
        if self.kept.get() { Err(LockError::TimedOut { owner: 7 }) } else { Ok(Acquired::Clean) }
    }
    fn try_lock(&self, _: &M) -> Result<Option<Acquired>, LockError> {
        Ok((!self.kept.get()).then_some(Acquired::Clean))
    }
    fn unlock(&self, mem: &M) {
        Unshared.unlock(mem);
    }
    fn wait(&self, mem: &M, word: Field<u32>, expected: u32, timeout: Duration) -> Result<(), LockError> {
        Unshared.wait(mem, word, expected, timeout)
    }
    fn wake(&self, mem: &M, word: Field<u32>) {
        Unshared.wake(mem, word);
    }
    fn wait_requeue(&self, mem: &M, events: u32, timeout: Duration) -> Result<Option<Acquired>, LockError> {
        Unshared.wait_requeue(mem, events, timeout)
    }
    fn requeue(&self, mem: &M) {
        Unshared.requeue(mem);
    }
}

#[test]
fn opening_waits_as_long_as_was_said_and_reads_and_looks_never() {
    let patience = Duration::from_millis(1234);
    let mut bytes = [0; 1024];
    let topic = Transport::open_within(Meddled::new(&mut bytes), Kept::default(), patience).unwrap();
    assert_eq!(topic.lock_backend().waited.take(), Some(patience), "initialising");
    let head = topic.lock(None).unwrap().push(b"one").map(|_| topic.state().unwrap().off_head).unwrap();
    let mut cursor = Cursor::oldest(&topic).unwrap();
    let mut buffer = [0; 16];
    topic.lock_backend().waited.take();

    topic.mem().restless.set(true);
    topic.lock_backend().kept.set(true);
    assert_eq!(topic.state(), Err(Error::Contended));
    topic.lock_backend().kept.set(false);
    assert_eq!(topic.state().unwrap().seq_high, 1);
    topic.mem().restless.set(false);

    topic.mem().store_u64(frame::seq(head), 77, Relaxed);
    topic.lock_backend().kept.set(true);
    assert_eq!(topic.read(&mut cursor, Select::Next, &mut &mut buffer[..]), Err(Error::Contended));
    topic.lock_backend().kept.set(false);
    let read = topic.read(&mut cursor, Select::Next, &mut &mut buffer[..]);
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
    assert_eq!(topic.lock_backend().waited.take(), None);
}

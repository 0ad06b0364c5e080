//! A guard whose lock is somebody else's by now, as in a forked child.

use core::cell::Cell;
use core::time::Duration;

use a0_core::layout::Field;
use a0_core::{Acquired, Lock, LockError, Mem, SliceMem, Transport, Unshared};

/// Whoever takes it has lost it to its parent in the next moment.
#[derive(Debug, Default)]
struct Parents {
    touched: Cell<bool>,
}

impl<M: Mem> Lock<M> for Parents {
    fn lock(&self, mem: &M, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        Unshared.lock(mem, timeout)
    }
    fn try_lock(&self, mem: &M) -> Result<Option<Acquired>, LockError> {
        Unshared.try_lock(mem)
    }
    fn unlock(&self, _: &M) {
        self.touched.set(true);
    }
    fn is_held(&self, _: &M) -> bool {
        false
    }
    fn wait(&self, _: &M, _: Field<u32>, _: u32, _: Duration) -> Result<(), LockError> {
        Ok(())
    }
    fn wake(&self, _: &M, _: Field<u32>) {
        self.touched.set(true);
    }
    fn wait_requeue(&self, _: &M, _: u32, _: Duration) -> Result<Option<Acquired>, LockError> {
        Ok(None)
    }
    fn requeue(&self, _: &M) {
        self.touched.set(true);
    }
}

/// One that has evicted has committed, and otherwise would write the page that the parent is about to commit.
#[test]
fn a_guard_of_another_process_touches_nothing_when_it_is_dropped() {
    let mut bytes = vec![0; 1024];
    let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
    topic.lock(None).unwrap().push(&[1; 500]).unwrap();
    let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Parents::default()).unwrap();
    let loan = topic.lock(None).unwrap().loan(600).unwrap();
    assert!(!loan.is_held());
    assert!(topic.state().unwrap().is_empty(), "nothing was evicted");
    let content = || {
        let mut content = vec![0; 1024];
        topic.mem().read(0, &mut content);
        content
    };
    let before = content();
    drop(loan);
    assert!(content() == before && !topic.lock_backend().touched.get());
}

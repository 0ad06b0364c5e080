//! Writers who take turns, and one who dies.

use a0_core::{Cursor, Lock, Select, State, Transport, Unshared};
use loom::thread;

use super::{FRAME, LoomMem, SimLock, fails, holds, image, open, push};

/// Two writers: both messages get in, one behind the other.
fn two_writers<L: Lock<LoomMem> + Clone + Send + 'static>(lock: fn() -> L) {
    let image = image(512, &[]);
    let mem = LoomMem::new(&image, |at| (48..128).contains(&at));
    let lock = lock();
    let open = || Transport::open(mem.clone(), lock.clone()).unwrap();
    let push = |topic: &Transport<LoomMem, L>, data: [u8; 8]| topic.lock(None).unwrap().push(&data).unwrap();
    let (one, other) = (open(), open());
    let writing = thread::spawn(move || push(&other, [2; 8]));
    let first = push(&one, [1; 8]);
    let second = writing.join().unwrap();
    assert_eq!(first + second, 3);
    let mut cursor = Cursor::oldest(&one).unwrap();
    for expected in [first.min(second), first.max(second)] {
        let mut data = [0; 8];
        let got = one.read(&mut cursor, Select::Next, &mut &mut data[..]).unwrap().unwrap();
        assert_eq!((got.seq, got.missed), (expected, 0));
        assert_eq!(data, [if got.seq == first { 1 } else { 2 }; 8]);
    }
}

/// One writer is killed while it fills a frame, and another one waits for its lock: nothing of the first is left.
fn write_while_the_owner_dies(lock: fn() -> SimLock) {
    let image = image(512, &[]);
    let mem = LoomMem::new(&image, |at| (48..128).contains(&at));
    let lock = lock();
    let (dying, other) = (open(&mem, &lock, None), open(&mem, &lock, None));
    let writing = thread::spawn(move || {
        let mut locked = dying.lock(None).unwrap();
        locked.alloc(8).unwrap().write(0, &[1; 4]);
        std::mem::forget(locked);
        lock.die(dying.mem());
    });
    assert_eq!(push(&other, [2; 8]), 1);
    writing.join().unwrap();
    drop(other.lock(None).unwrap());
    let state = other.state().unwrap();
    assert_eq!((state.seq_low, state.seq_high, state.off_head, state.off_tail), (1, 1, FRAME, FRAME));
    let mut data = [0; 8];
    other.read(&mut Cursor::behind_newest(&State::FRESH), Select::Next, &mut &mut data[..]).unwrap().unwrap();
    assert_eq!(data, [2; 8]);
}

#[test]
fn the_lock_is_needed() {
    fails(2, || two_writers(|| Unshared));
}

#[test]
fn writers_take_turns() {
    holds(3, || two_writers(SimLock::new));
}

#[test]
fn an_owner_who_dies_leaves_nothing_behind() {
    holds(3, || write_while_the_owner_dies(SimLock::new));
}

#[test]
fn waiting_for_the_death_is_needed() {
    fails(2, || write_while_the_owner_dies(SimLock::burying_the_living));
}

//! Sleeping while somebody publishes.

use std::sync::atomic::Ordering::{Acquire, Release};

use a0_core::layout::header;
use a0_core::{Cursor, State};
use a0_testkit::Guard;
use loom::thread;

use super::{LONG, LoomMem, ONE_FRAME, SimLock, Topic, fails, holds, image, newest, open, push};

/// Sleeps until there is a message.
pub(super) fn sleep_until_published(topic: &Topic) {
    let cursor = Cursor::behind_newest(&State::FRESH);
    while !topic.may_have_news(&cursor) {
        topic.sleep(LONG, || topic.may_have_news(&cursor)).unwrap();
    }
}

/// Whoever sleeps while something is published wakes up. `foreign` is whether the topic was used by 0.3 before.
fn sleep_while_published(guard: Option<Guard>, foreign: bool) -> impl Fn() {
    let mut image = image(ONE_FRAME, &[]);
    image[header::FOREIGN.offset() as usize] = u8::from(foreign);
    move || {
        let mem = LoomMem::new(&image, newest);
        let lock = SimLock::new();
        let (writer, sleeper) = (open(&mem, &lock, guard), open(&mem, &lock, guard));
        let writing = thread::spawn(move || {
            push(&writer, [1; 8]);
        });
        sleep_until_published(&sleeper);
        writing.join().unwrap();
    }
}

/// As before, and the writer goes on to announce that it sleeps itself, but finds its own message: the sleeper's
/// expectation of the word comes true again, unless the word has an epoch.
fn sleep_while_another_sleeps(guard: Option<Guard>) -> impl Fn() {
    let image = image(ONE_FRAME, &[]);
    move || {
        let mem = LoomMem::new(&image, |_| false);
        let lock = SimLock::new();
        let (writer, sleeper) = (open(&mem, &lock, guard), open(&mem, &lock, guard));
        let writing = thread::spawn(move || {
            push(&writer, [1; 8]);
            writer.sleep(LONG, || true).unwrap();
        });
        sleep_until_published(&sleeper);
        writing.join().unwrap();
    }
}

/// Everybody asleep is woken without any commit.
fn sleep_while_all_are_woken(guard: Option<Guard>, foreign: bool) -> impl Fn() {
    let mut image = image(ONE_FRAME, &[]);
    image[header::FOREIGN.offset() as usize] = u8::from(foreign);
    move || {
        let mem = LoomMem::new(&image, |_| false);
        let lock = SimLock::new();
        let (waker, sleeper) = (open(&mem, &lock, guard), open(&mem, &lock, guard));
        let closed = loom::sync::Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let closing = closed.clone();
        let waking = thread::spawn(move || {
            closing.store(true, Release);
            waker.wake_all();
        });
        while !closed.load(Acquire) {
            sleeper.sleep(LONG, || closed.load(Acquire)).unwrap();
        }
        waking.join().unwrap();
    }
}

/// A publisher is killed between its commit and its wake-up: whoever gets the lock next wakes those who sleep.
fn sleep_while_the_owner_dies(lock: fn() -> SimLock) -> impl Fn() {
    let image = image(ONE_FRAME, &[]);
    move || {
        let mem = LoomMem::new(&image, newest);
        let lock = lock();
        let (dying, next, sleeper) = (open(&mem, &lock, None), open(&mem, &lock, None), open(&mem, &lock, None));
        let others = thread::spawn(move || {
            let mut locked = dying.lock(None).unwrap();
            locked.push(&[1; 8]).unwrap();
            // Nothing else of what a living owner does.
            std::mem::forget(locked);
            lock.die(dying.mem());
            drop(next.lock(None).unwrap());
        });
        sleep_until_published(&sleeper);
        others.join().unwrap();
    }
}

#[test]
fn no_wake_up_is_lost() {
    holds(3, sleep_while_published(None, false));
}

#[test]
fn no_wake_up_is_lost_beside_foreign_programs() {
    holds(3, sleep_while_published(None, true));
}

#[test]
fn no_wake_up_is_lost_to_another_sleeper() {
    holds(3, sleep_while_another_sleeps(None));
}

#[test]
fn waking_all_wakes_all() {
    holds(3, sleep_while_all_are_woken(None, false));
    holds(3, sleep_while_all_are_woken(None, true));
}

#[test]
fn an_owner_who_dies_keeps_nobody_asleep() {
    holds(2, sleep_while_the_owner_dies(SimLock::new));
}

#[test]
fn hearing_of_deaths_is_needed() {
    fails(2, sleep_while_the_owner_dies(SimLock::hiding_deaths));
}

#[test]
fn fences_of_the_sleeper_are_needed() {
    fails(3, sleep_while_published(Some(Guard::SeqCstFences), false));
}

#[test]
fn the_epoch_is_needed() {
    fails(3, sleep_while_another_sleeps(Some(Guard::WakeEpoch)));
}

#[test]
fn the_event_of_a_wake_up_is_needed() {
    fails(3, sleep_while_all_are_woken(Some(Guard::WakeEvent), true));
}

//! Programs of AlephZero 0.3 beside ours.

use std::sync::atomic::Ordering::{Relaxed, Release};

use a0_core::layout::{header, page};
use a0_core::{Lock, Mem};
use a0_testkit::Guard;
use loom::thread;

use super::sleeping::sleep_until_published;
use super::{LONG, LoomMem, ONE_FRAME, SimLock, fails, holds, image, open, push};

/// A 0.3 process arrives, finds nothing and sleeps, in its own way: it leaves a link in the lock, and when it wakes up it
/// looks at the working page as it is. Our writer must notice it.
fn foreign_waiter_while_published(guard: Option<Guard>) -> impl Fn() {
    let image = image(ONE_FRAME, &[]);
    move || {
        let mem = LoomMem::new(&image, |_| false);
        let lock = SimLock::new();
        let writer = open(&mem, &lock, guard);
        let writing = thread::spawn(move || {
            push(&writer, [1; 8]);
        });
        let _ = lock.lock(&mem, None).unwrap();
        mem.store_u64(header::MUTEX_PREV, 0x7000, Relaxed);
        let working = || u8::from(mem.load_u8(header::COMMITTED_PAGE, Relaxed) == 0);
        // Locking copies the committed page onto the working one.
        let seq = mem.load_u64(page::seq_high(1 - working()), Relaxed);
        mem.store_u64(page::seq_high(working()), seq, Relaxed);
        while mem.load_u64(page::seq_high(working()), Relaxed) == 0 {
            let events = mem.load_u32(header::EVENTS, Relaxed);
            lock.unlock(&mem);
            if lock.wait_requeue(&mem, events, LONG).unwrap().is_none() {
                let _ = lock.lock(&mem, None).unwrap();
            }
        }
        lock.unlock(&mem);
        writing.join().unwrap();
    }
}

/// A 0.3 process publishes, with plain stores and an unconditional requeue, while one of us sleeps; another of us
/// publishes too.
fn sleep_while_foreign_publishes(writers: u64) -> impl Fn() {
    let mut image = image(ONE_FRAME, &[]);
    image[header::FOREIGN.offset() as usize] = 1;
    move || {
        let mem = LoomMem::new(&image, |_| false);
        let lock = SimLock::new();
        let (sleeper, ours) = (open(&mem, &lock, None), open(&mem, &lock, None));
        let foreign = {
            let (mem, lock) = (mem.clone(), lock.clone());
            thread::spawn(move || {
                let _ = lock.lock(&mem, None).unwrap();
                mem.store_u64(header::MUTEX_PREV, 0x7000, Relaxed);
                let committed = mem.load_u8(header::COMMITTED_PAGE, Relaxed);
                let seq = mem.load_u64(page::seq_high(committed), Relaxed) + 1;
                // A commit by clearing, so that no frame is needed.
                for index in [1 - committed, committed] {
                    mem.store_u64(page::seq_low(index), seq + 1, Relaxed);
                    mem.store_u64(page::seq_high(index), seq, Relaxed);
                    if index != committed {
                        mem.store_u8(header::COMMITTED_PAGE, index, Release);
                    }
                }
                mem.fetch_add_u32(header::EVENTS, 1, Release);
                lock.requeue(&mem);
                lock.unlock(&mem);
            })
        };
        let writing = (writers > 1).then(|| thread::spawn(move || push(&ours, [1; 8])));
        sleep_until_published(&sleeper);
        foreign.join().unwrap();
        writing.map(|writing| writing.join().unwrap());
    }
}

/// A writer of ours takes the link that a 0.3 process has left, and leaves the mark instead, while somebody looks for both.
fn look_while_the_mark_is_made() {
    let mut image = image(ONE_FRAME, &[]);
    image[header::MUTEX_PREV.offset() as usize] = 1;
    holds(3, move || {
        let mem = LoomMem::new(&image, |offset| offset == header::MUTEX_PREV.offset());
        let lock = SimLock::new();
        let (writer, looking) = (open(&mem, &lock, None), open(&mem, &lock, None));
        let writing = thread::spawn(move || push(&writer, [1; 8]));
        assert_eq!(looking.announce_sleeper(), None, "no 0.3 process was found");
        writing.join().unwrap();
    });
}

#[test]
fn foreign_programs_are_never_overlooked() {
    look_while_the_mark_is_made();
}

#[test]
fn a_foreign_waiter_is_woken() {
    holds(3, foreign_waiter_while_published(None));
}

#[test]
fn a_foreign_publisher_wakes_us() {
    holds(3, sleep_while_foreign_publishes(1));
    holds(1, sleep_while_foreign_publishes(2));
}

#[test]
fn the_mark_of_foreign_programs_is_needed() {
    fails(2, foreign_waiter_while_published(Some(Guard::ForeignMark)));
}

#[test]
fn the_copy_on_the_working_page_is_needed() {
    fails(2, foreign_waiter_while_published(Some(Guard::WorkingPageRefresh)));
}

//! Small models of what happens at the same time, in every order that loom can think of.
//!
//! Each model exists twice: as it is, where loom must find nothing, and with one guard of the protocol taken away, where
//! loom must find something. Words that a model is not about always give their newest value, or loom would not come
//! to an end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use a0_core::layout::{header, page};
use a0_core::{Buffer, Cursor, Lock, Mem, Select, State, Transport, Unshared};
use a0_testkit::{Guard, LoomMem, SimLock, StoreLog, Tamper};
use loom::thread;

type Topic = Transport<Tamper<LoomMem>, SimLock>;

/// The only frame of the small topics starts here.
const FRAME: u64 = 144;
const DATA: u64 = FRAME + 40;
/// One frame with 8 bytes fits, and nothing else.
const ONE_FRAME: usize = DATA as usize + 8;
const LONG: Duration = Duration::from_secs(3600);

/// Memory in which these have been published.
fn image(size: usize, data: &[[u8; 8]]) -> Vec<u8> {
    let log = StoreLog::new(&vec![0; size]);
    let topic = Transport::open(&log, Unshared).unwrap();
    for data in data {
        topic.lock(None).unwrap().push(data).unwrap();
    }
    log.bytes()
}

/// One thread's view.
fn open(mem: &LoomMem, lock: &SimLock, guard: Option<Guard>) -> Topic {
    Transport::open(Tamper::new(mem.clone(), guard), lock.clone()).unwrap()
}

fn push(topic: &Topic, data: [u8; 8]) -> u64 {
    topic.lock(None).unwrap().push(&data).unwrap()
}

/// Whether loom finds nothing wrong with this model. `preemptions` bounds how often a thread is interrupted.
fn holds(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    explore(preemptions, None, model);
}

/// As [`holds`], but gives up after some time.
fn explore(preemptions: usize, at_most: Option<Duration>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.max_duration = at_most;
    builder.checkpoint_interval = 1000;
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        model();
    });
    println!("{runs:?} executions");
}

#[track_caller]
fn fails(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let found = catch_unwind(AssertUnwindSafe(|| holds(preemptions, model)));
    assert!(found.is_err(), "a guard is missing, and nothing was noticed");
}

/// A reader copies the only frame while a writer evicts and overwrites it.
fn read_while_evicted(guard: Option<Guard>) -> impl Fn() {
    let image = image(ONE_FRAME, &[[1; 8]]);
    let modelled = [page::seq_low(0), page::seq_low(1), page::seq_high(0), page::seq_high(1)].map(|f| f.offset());
    move || {
        let mem = LoomMem::new(&image, |at| modelled.contains(&at) || at >= FRAME);
        let lock = SimLock::new();
        let (writer, reader) = (open(&mem, &lock, guard), open(&mem, &lock, guard));
        let mut cursor = Cursor::oldest(&reader).unwrap();
        let writing = thread::spawn(move || assert_eq!(push(&writer, [2; 8]), 2));
        let mut data = [0; 8];
        match reader.read(&mut cursor, Select::Next, &mut &mut data[..]) {
            Ok(None) => {}
            Ok(Some(got)) => {
                assert_eq!(data, [got.seq as u8; 8], "message {}", got.seq);
                assert_eq!(got.missed, got.seq - 1);
            }
            Err(e) => panic!("{e}"),
        }
        writing.join().unwrap();
    }
}

/// A reader looks at the only frame in place while a writer evicts and overwrites it.
fn look_while_evicted(guard: Option<Guard>) -> impl Fn() {
    let image = image(ONE_FRAME, &[[1; 8]]);
    let modelled = [page::seq_low(0), page::seq_low(1)].map(|f| f.offset());
    move || {
        let mem = LoomMem::new(&image, |at| modelled.contains(&at) || at >= FRAME);
        let lock = SimLock::new();
        let (writer, reader) = (open(&mem, &lock, guard), open(&mem, &lock, guard));
        let mut cursor = Cursor::oldest(&reader).unwrap();
        // Nothing of the data is copied, only found.
        let got = reader.read(&mut cursor, Select::Next, &mut Nowhere).unwrap().unwrap();
        let writing = thread::spawn(move || assert_eq!(push(&writer, [2; 8]), 2));
        let mut data = [0; 8];
        reader.mem().read(got.offset, &mut data);
        if reader.is_intact(&got) {
            assert_eq!(data, [1; 8]);
        }
        writing.join().unwrap();
        // With a guard missing, what was read must be what gives it away.
        assert!(guard.is_some() || !reader.is_intact(&got));
    }
}

/// Takes none of a message's data.
struct Nowhere;

impl Buffer for Nowhere {
    fn room(&mut self, _: usize) -> Option<&mut [u8]> {
        Some(&mut [])
    }
}

/// A reader at the end finds a frame that is being published behind the one it has read, with nothing evicted.
fn read_while_published(guard: Option<Guard>) -> impl Fn() {
    let image = image(512, &[[1; 8]]);
    let second = 192;
    move || {
        let mem = LoomMem::new(&image, |at| (48..128).contains(&at) || (second..second + 48).contains(&at));
        let lock = SimLock::new();
        let (writer, reader) = (open(&mem, &lock, guard), open(&mem, &lock, guard));
        let mut cursor = Cursor::end(&reader).unwrap();
        let writing = thread::spawn(move || assert_eq!(push(&writer, [2; 8]), 2));
        let mut data = [0; 8];
        match reader.read(&mut cursor, Select::Next, &mut &mut data[..]) {
            Ok(None) => {}
            Ok(Some(got)) => assert_eq!((got.seq, got.missed, data), (2, 0, [2; 8])),
            Err(e) => panic!("{e}"),
        }
        writing.join().unwrap();
    }
}

/// Enough of both pages to see a mixture of two states.
fn some_of_both_pages(offset: u64) -> bool {
    [page::seq_low(0), page::seq_low(1), page::off_head(0), page::off_head(1)].map(|f| f.offset()).contains(&offset)
}

/// Page 1 holds the state before the eviction, then the one behind it, then the last one, and the first and the last have
/// the same offsets: a mixture of the first two can look like one of the last two. That takes every word.
fn both_pages(offset: u64) -> bool {
    (48..128).contains(&offset)
}

/// A snapshot is one of the three states that are committed, however the pages change meanwhile.
fn snapshot_while_evicted(guard: Option<Guard>, modelled: fn(u64) -> bool) -> impl Fn() {
    let image = image(ONE_FRAME, &[[1; 8]]);
    let full = |seq| State {
        seq_low: seq,
        seq_high: seq,
        off_head: FRAME,
        off_tail: FRAME,
        high_water_mark: ONE_FRAME as u64,
    };
    let states = [full(1), State { seq_low: 2, seq_high: 1, ..State::FRESH }, full(2)];
    move || {
        let mem = LoomMem::new(&image, modelled);
        let lock = SimLock::new();
        let (writer, reader) = (open(&mem, &lock, guard), open(&mem, &lock, guard));
        let writing = thread::spawn(move || push(&writer, [2; 8]));
        let state = reader.state().unwrap();
        assert!(states.contains(&state), "{state:?}");
        writing.join().unwrap();
    }
}

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

/// A publisher is killed between its commit and its wake-up: whoever gets the lock next wakes those who sleep.
fn sleep_while_the_owner_dies(lock: fn() -> SimLock) -> impl Fn() {
    let image = image(ONE_FRAME, &[]);
    let modelled = [page::seq_high(0), page::seq_high(1)].map(|f| f.offset());
    move || {
        let mem = LoomMem::new(&image, |at| modelled.contains(&at));
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

/// One writer is killed while it fills a frame, and another one waits for its lock: nothing of the first is left.
fn write_while_the_owner_dies() {
    let image = image(512, &[]);
    let mem = LoomMem::new(&image, |at| (48..128).contains(&at));
    let lock = SimLock::new();
    let (dying, other) = (open(&mem, &lock, None), open(&mem, &lock, None));
    let writing = thread::spawn(move || {
        let mut locked = dying.lock(None).unwrap();
        let _ = locked.alloc(8).unwrap();
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

/// Sleeps until there is a message.
fn sleep_until_published(topic: &Topic) {
    let cursor = Cursor::behind_newest(&State::FRESH);
    while !topic.may_have_news(&cursor) {
        topic.sleep(LONG, || topic.may_have_news(&cursor)).unwrap();
    }
}

/// Whoever sleeps while something is published wakes up. `foreign` is whether the topic was used by 0.3 before.
fn sleep_while_published(guard: Option<Guard>, foreign: bool) -> impl Fn() {
    let mut image = image(ONE_FRAME, &[]);
    image[header::FOREIGN.offset() as usize] = u8::from(foreign);
    let modelled = [page::seq_high(0), page::seq_high(1)].map(|f| f.offset());
    move || {
        let mem = LoomMem::new(&image, |at| modelled.contains(&at));
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

#[test]
fn a_frame_is_whole_or_not_read() {
    holds(2, read_while_evicted(None));
}

#[test]
fn what_was_seen_in_place_was_there() {
    holds(2, look_while_evicted(None));
}

#[test]
fn looking_in_place_needs_validation_and_fences() {
    for guard in [Guard::Validation, Guard::AcquireFences, Guard::ReleaseFences, Guard::EvictionCommit] {
        fails(2, look_while_evicted(Some(guard)));
    }
}

#[test]
fn a_new_frame_is_whole() {
    holds(3, read_while_published(None));
}

#[test]
fn a_snapshot_is_a_committed_state() {
    holds(2, snapshot_while_evicted(None, some_of_both_pages));
}

#[test]
fn an_owner_who_dies_leaves_nothing_behind() {
    holds(2, write_while_the_owner_dies);
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
fn the_lock_is_needed() {
    fails(2, || two_writers(|| Unshared));
}

#[test]
fn writers_take_turns() {
    holds(3, || two_writers(SimLock::new));
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
fn a_foreign_waiter_is_woken() {
    holds(3, foreign_waiter_while_published(None));
}

#[test]
fn a_foreign_publisher_wakes_us() {
    holds(3, sleep_while_foreign_publishes(1));
    holds(1, sleep_while_foreign_publishes(2));
}

#[test]
fn fences_of_the_reader_are_needed() {
    fails(2, read_while_evicted(Some(Guard::AcquireFences)));
}

#[test]
fn fences_of_the_writer_are_needed() {
    fails(2, read_while_evicted(Some(Guard::ReleaseFences)));
}

#[test]
fn the_eviction_commit_is_needed() {
    fails(2, read_while_evicted(Some(Guard::EvictionCommit)));
}

#[test]
fn validation_is_needed() {
    fails(2, read_while_evicted(Some(Guard::Validation)));
}

#[test]
fn release_of_the_index_is_needed() {
    fails(2, read_while_published(Some(Guard::FlipRelease)));
}

#[test]
fn acquire_of_the_index_is_needed() {
    // To the end this takes minutes; the failure below is found in a fraction of the time.
    explore(3, Some(Duration::from_secs(20)), snapshot_while_evicted(None, both_pages));
    fails(3, snapshot_while_evicted(Some(Guard::FlipAcquire), both_pages));
}

#[test]
fn the_second_reading_is_needed() {
    fails(2, snapshot_while_evicted(Some(Guard::SecondReading), some_of_both_pages));
}

#[test]
fn the_second_load_of_the_index_is_needed() {
    fails(2, snapshot_while_evicted(Some(Guard::IndexRecheck), some_of_both_pages));
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

#[test]
fn the_mark_of_foreign_programs_is_needed() {
    fails(2, foreign_waiter_while_published(Some(Guard::ForeignMark)));
}

#[test]
fn the_copy_on_the_working_page_is_needed() {
    fails(2, foreign_waiter_while_published(Some(Guard::WorkingPageRefresh)));
}

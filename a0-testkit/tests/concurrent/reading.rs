//! Reading while somebody writes.

use std::time::Duration;

use a0_core::layout::{frame, page};
use a0_core::{Buffer, Cursor, Mem, Received, Select, State, Transport, Unshared};
use a0_testkit::{Guard, StoreLog};
use loom::thread;

use super::{DATA, FRAME, LoomMem, ONE_FRAME, SimLock, explore, fails, holds, image, open, push};

/// Three frames with 8 bytes fit, and nothing else: frames behind others end before the arena does.
const THREE_FRAMES: usize = ONE_FRAME + 2 * 48 + 8;

/// A reader copies the only frame while a writer evicts and overwrites it.
fn read_while_evicted(guard: Option<Guard>) -> impl Fn() {
    let image = image(ONE_FRAME, &[[1; 8]]);
    let pages = [page::seq_low(0), page::seq_low(1), page::seq_high(0), page::seq_high(1)].map(|f| f.offset());
    // The other words of the frame's header are the same in both frames.
    let words = [FRAME, DATA];
    move || {
        let mem = LoomMem::new(&image, |at| pages.contains(&at) || words.contains(&at));
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

/// A reader copies three frames for one look at the state while a writer evicts and overwrites the oldest one.
///
/// The link in that one is modelled, too: its newest value would tell the reader, by the order that comes with it, what only
/// the fence behind all copies must tell.
fn read_batch_while_evicted(guard: Option<Guard>) -> impl Fn() {
    let image = image(THREE_FRAMES, &[[1; 8], [2; 8], [3; 8]]);
    let link = frame::next_off(FRAME).offset();
    let modelled = [page::seq_low(0).offset(), page::seq_low(1).offset(), FRAME, link, DATA];
    move || {
        let mem = LoomMem::new(&image, |at| modelled.contains(&at));
        let lock = SimLock::new();
        let (writer, reader) = (open(&mem, &lock, guard), open(&mem, &lock, guard));
        let mut cursor = Cursor::oldest(&reader).unwrap();
        let writing = thread::spawn(move || assert_eq!(push(&writer, [4; 8]), 4));
        let (mut data, mut received) = ([0; 24], [Received::default(); 3]);
        let count = reader.read_batch(&mut cursor, &mut data, &mut received).unwrap();
        let mut last = 0;
        for (got, data) in received[..count].iter().zip(data.chunks(8)) {
            assert_eq!(data, [got.seq as u8; 8], "message {}", got.seq);
            assert_eq!(got.missed, got.seq - 1 - last);
            last = got.seq;
        }
        assert!(count > 0);
        writing.join().unwrap();
    }
}

/// A reader looks at the only frame in place while a writer evicts and overwrites it.
fn look_while_evicted(guard: Option<Guard>) -> impl Fn() {
    let image = image(ONE_FRAME, &[[1; 8]]);
    let modelled = [page::seq_low(0).offset(), page::seq_low(1).offset(), FRAME, DATA];
    move || {
        let mem = LoomMem::new(&image, |at| modelled.contains(&at));
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

/// A reader copies the only frame, a large one, while one writer evicts it for a small one, and another fills the room that is
/// left. That one evicts nothing, and yet what it overwrites must tell of the eviction.
fn read_while_two_write(guard: Option<Guard>) -> impl Fn() {
    // Two frames with 8 bytes fit as well, and nothing else.
    const LARGE: usize = 40;
    let log = StoreLog::new(&[0; DATA as usize + 64]);
    Transport::open(&log, Unshared).unwrap().lock(None).unwrap().push(&[1; LARGE]).unwrap();
    let image = log.bytes();
    // Where the second small frame has its number, the large one has data.
    let modelled = [page::seq_low(0).offset(), page::seq_low(1).offset(), DATA + 8];
    move || {
        let mem = LoomMem::new(&image, |at| modelled.contains(&at));
        let lock = SimLock::new();
        let [one, two, reader] = [guard, guard, None].map(|guard| open(&mem, &lock, guard));
        let mut cursor = Cursor::oldest(&reader).unwrap();
        let first = thread::spawn(move || {
            push(&one, [2; 8]);
        });
        let second = thread::spawn(move || {
            let mut locked = two.lock(None).unwrap();
            if locked.committed().seq_high == 2 {
                locked.push(&[3; 8]).unwrap();
            }
        });
        let mut data = [0; LARGE];
        let got = reader.read(&mut cursor, Select::Next, &mut &mut data[..]).unwrap();
        if got.is_some_and(|got| got.seq == 1) {
            assert_eq!(data, [1; LARGE]);
        }
        first.join().unwrap();
        second.join().unwrap();
    }
}

#[test]
fn what_another_writer_has_evicted_is_not_read() {
    holds(2, read_while_two_write(None));
}

#[test]
fn the_fence_behind_the_lock_is_needed() {
    fails(2, read_while_two_write(Some(Guard::LockFence)));
}

#[test]
fn a_frame_is_whole_or_not_read() {
    holds(2, read_while_evicted(None));
}

#[test]
fn what_a_batch_copies_was_there() {
    holds(2, read_batch_while_evicted(None));
}

#[test]
fn a_batch_needs_validation_and_fences() {
    // Once is enough, as what is old can be read late. More often, a reader that is misled tries for minutes.
    for guard in [Guard::Validation, Guard::AcquireFences, Guard::ReleaseFences, Guard::EvictionCommit] {
        fails(1, read_batch_while_evicted(Some(guard)));
    }
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
    explore(3, Some(Duration::from_secs(10)), snapshot_while_evicted(None, both_pages));
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

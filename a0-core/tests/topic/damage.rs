//! Regressions: leftovers and damage that were once taken for sound.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use a0_core::layout::{frame, page};
use a0_core::{Cursor, Error, Mem, Received, Select, SliceMem, Transport, Unshared};

use std::sync::atomic::Ordering::Relaxed;

type Topic<'a> = Transport<SliceMem<'a>, Unshared>;

fn open(bytes: &mut [u8]) -> Topic<'_> {
    Transport::open(SliceMem::new(bytes).unwrap(), Unshared).unwrap()
}

fn push(topic: &Topic<'_>, data: &[u8]) -> u64 {
    topic.lock(None).unwrap().push(data).unwrap()
}

/// A frame that was allocated at 384 and dropped keeps its header there; its number then goes to a frame elsewhere.
#[test]
fn a_dropped_frame_is_not_found_by_its_offset() {
    let mut bytes = [0; 512];
    let topic = open(&mut bytes);
    for _ in 0..3 {
        push(&topic, &[1; 40]);
    }
    assert_eq!(topic.lock(None).unwrap().alloc(40).unwrap().seq(), 4);
    assert_eq!(push(&topic, &[2; 88]), 4);
    let locked = topic.lock(None).unwrap();
    assert_eq!(locked.at(384), Err(Error::NoFrame { offset: 384 }));
    assert_eq!(locked.at(144).map(|frame| frame.seq), Ok(4));
    assert_eq!(locked.at(304).map(|frame| frame.seq), Ok(3));
}

/// Sequence numbers with what was missed before each, and the number of errors.
type Drained = (Vec<(u64, u64)>, usize);

fn drain_with(mut read: impl FnMut() -> Result<Option<Received>, Error>) -> Drained {
    let (mut got, mut errors) = (Vec::new(), 0);
    for _ in 0..1000 {
        match read() {
            Ok(Some(frame)) => got.push((frame.seq, frame.missed)),
            Ok(None) => return (got, errors),
            Err(Error::Corrupt(_)) => errors += 1,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("reading does not end");
}

/// Reads until nothing is left, in place and into a buffer, which must give the same.
fn drain(topic: &Topic<'_>, cursor: &mut Cursor) -> Drained {
    let mut other = *cursor;
    let in_place = drain_with(|| topic.lock(None).unwrap().advance(&mut other, Select::Next));
    let copied = drain_with(|| topic.read(cursor, Select::Next, &mut &mut [0; 512][..]));
    assert_eq!(in_place, copied);
    copied
}

/// Five frames of 40 bytes, the first at 144 and then one every 80.
fn five(bytes: &mut [u8]) -> Topic<'_> {
    let topic = open(bytes);
    for byte in 1..=5 {
        push(&topic, &[byte; 40]);
    }
    topic
}

/// What a cursor knows gets outdated before the lock is taken. That is no damage.
#[test]
fn an_overtaken_reader_in_place_meets_no_damage() {
    for select in [Select::Next, Select::Newest] {
        let mut bytes = [0; 560];
        let topic = five(&mut bytes);
        let mut cursor = Cursor::oldest(&topic).unwrap();
        for byte in 6..=8 {
            push(&topic, &[byte; 60]);
        }
        let got = topic.lock(None).unwrap().advance(&mut cursor, select).unwrap().unwrap();
        let state = topic.state().unwrap();
        assert!(state.seq_low > 1, "frame 1 is still there");
        let seq = if select == Select::Next { state.seq_low } else { 8 };
        assert_eq!((got.seq, got.missed), (seq, seq - 1));
    }
}

#[test]
fn broken_head_offsets_cost_no_frame() {
    for bad in [0, 13, 160, 1 << 40, u64::MAX] {
        let mut bytes = [0; 1024];
        let topic = five(&mut bytes);
        for index in [0, 1] {
            topic.mem().store_u64(page::off_head(index), bad, Relaxed);
        }
        let mut cursor = Cursor::oldest(&topic).unwrap();
        assert_eq!(drain(&topic, &mut cursor), (vec![(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)], 1), "{bad:#x}");
    }
}

#[test]
fn a_broken_link_costs_no_frame() {
    let mut bytes = [0; 1024];
    let topic = five(&mut bytes);
    let mut cursor = Cursor::oldest(&topic).unwrap();
    topic.mem().store_u64(frame::next_off(224), 224, Relaxed);
    // Frame 3 is found from the newest one, but frame 2 no longer leads to it.
    assert_eq!(drain(&topic, &mut cursor), (vec![(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)], 1));
}

#[test]
fn a_broken_frame_costs_that_frame() {
    let mut bytes = [0; 1024];
    let topic = five(&mut bytes);
    let mut cursor = Cursor::oldest(&topic).unwrap();
    topic.mem().store_u64(frame::seq(304), 77, Relaxed);
    assert_eq!(drain(&topic, &mut cursor), (vec![(1, 0), (2, 0), (4, 1), (5, 0)], 1));
}

/// Nothing leads on from a broken newest frame, and a 0.3 program publishes behind it without a look at it.
#[test]
fn a_broken_newest_frame_costs_that_frame() {
    for later in 1..=3 {
        let mut bytes = [0; 1024];
        let topic = five(&mut bytes);
        let mut cursor = Cursor::oldest(&topic).unwrap();
        topic.mem().store_u64(frame::seq(464), 77, Relaxed);
        assert_eq!(drain(&topic, &mut cursor), (vec![(1, 0), (2, 0), (3, 0), (4, 0)], 1));
        topic.mem().store_u64(frame::seq(464), 5, Relaxed);
        for byte in 1..=later {
            push(&topic, &[byte; 40]);
        }
        topic.mem().store_u64(frame::seq(464), 77, Relaxed);
        let expected = (1..=u64::from(later)).map(|i| (5 + i, u64::from(i == 1))).collect();
        assert_eq!(drain(&topic, &mut cursor), (expected, 0));
    }
}

/// The newest possible number: nothing can be published any more, but what is sound can be read.
#[test]
fn the_last_sequence_number() {
    let mut bytes = [0; 1024];
    let topic = five(&mut bytes);
    for index in [0, 1] {
        topic.mem().store_u64(page::seq_low(index), u64::MAX - 4, Relaxed);
        topic.mem().store_u64(page::seq_high(index), u64::MAX, Relaxed);
    }
    for i in 0..5 {
        topic.mem().store_u64(frame::seq(144 + 80 * i), u64::MAX - 4 + i, Relaxed);
    }
    let last: Vec<_> = (0..5).map(|i| (u64::MAX - 4 + i, 0)).collect();
    let mut cursor = Cursor::oldest(&topic).unwrap();
    assert_eq!(drain(&topic, &mut cursor), (last.clone(), 0));
    assert_eq!(drain(&topic, &mut Cursor::newest(&topic).unwrap()), (vec![(u64::MAX, 0)], 0));
    assert_eq!(topic.lock(None).unwrap().push(b"x"), Err(Error::SequenceExhausted));
    assert_eq!(topic.lock(None).unwrap().clear(), Err(Error::SequenceExhausted));

    topic.mem().store_u64(frame::seq(224), 0, Relaxed);
    let mut cursor = Cursor::oldest(&topic).unwrap();
    assert_eq!(drain(&topic, &mut cursor), (vec![last[0], (u64::MAX - 2, 1), last[3], last[4]], 1));
}

/// States without frames whose other words contradict that.
#[test]
fn an_impossible_empty_state_does_not_hide_what_is_published() {
    for [low, high, head, tail, high_water_mark] in
        [[100, 0, 0, 0, 144], [100, 7, 0, 0, 144], [8, 7, 160, 304, 1 << 40], [1, 0, 1 << 40, 13, 0]]
    {
        let mut bytes = [0; 512];
        let topic = open(&mut bytes);
        for index in [0, 1] {
            topic.mem().store_u64(page::seq_low(index), low, Relaxed);
            topic.mem().store_u64(page::seq_high(index), high, Relaxed);
            topic.mem().store_u64(page::off_head(index), head, Relaxed);
            topic.mem().store_u64(page::off_tail(index), tail, Relaxed);
            topic.mem().store_u64(page::high_water_mark(index), high_water_mark, Relaxed);
        }
        let mut cursor = Cursor::end(&topic).unwrap();
        assert_eq!(push(&topic, b"seen"), high + 1);
        assert_eq!(drain(&topic, &mut cursor), (vec![(high + 1, 0)], 0));
        assert_eq!(topic.state().unwrap().high_water_mark, 144 + 40 + 4);
    }
}

/// The writer keeps the sound end of a damaged list, and an allocation that fails repairs nothing.
#[test]
fn a_writer_salvages_what_is_sound() {
    let mut bytes = [0; 560];
    let topic = five(&mut bytes);
    topic.mem().store_u64(frame::prev_off(304), 13, Relaxed);
    topic.mem().store_u64(frame::next_off(144), 13, Relaxed);
    let before = topic.state().unwrap();

    let mut locked = topic.lock(None).unwrap();
    topic.mem().store_u64(frame::seq(464), 77, Relaxed);
    assert!(matches!(locked.alloc(400), Err(Error::FrameTooLarge { .. })));
    locked.commit();
    assert_eq!(locked.committed(), before);
    topic.mem().store_u64(frame::seq(464), 5, Relaxed);

    // It needs the place of frames 1 and 2.
    assert_eq!(locked.push(&[6; 100]), Ok(6));
    drop(locked);
    let mut cursor = Cursor::oldest(&topic).unwrap();
    assert_eq!(drain(&topic, &mut cursor), (vec![(3, 0), (4, 0), (5, 0), (6, 0)], 0));
}

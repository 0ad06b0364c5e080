//! Byte for byte what the C library writes, and the behaviours that its own tests pin down.
//!
//! The files in `golden/` were written by the C library. Bytes 16–31 hold a pointer of the process that wrote them and
//! are not compared.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use a0_core::layout::{WORKSPACE, header, page};
use a0_core::{Cursor, Error, Mem, Select, SliceMem, State, Transport, Unshared};

use std::sync::atomic::Ordering::Relaxed;

type Topic<'a> = Transport<SliceMem<'a>, Unshared>;

const V0: &[u8] = include_bytes!("../golden/v0.bin");
const V1: &[u8] = include_bytes!("../golden/v1.bin");
const V2: &[u8] = include_bytes!("../golden/v2.bin");
const V3: &[u8] = include_bytes!("../golden/v3.bin");
const V4: &[u8] = include_bytes!("../golden/v4.bin");
const V5: &[u8] = include_bytes!("../golden/v5.bin");
const V6_BEFORE: &[u8] = include_bytes!("../golden/v6_before.bin");
const V6_AFTER: &[u8] = include_bytes!("../golden/v6_after.bin");

fn open(bytes: &mut [u8]) -> Topic<'_> {
    Transport::open(SliceMem::new(bytes).unwrap(), Unshared).unwrap()
}

fn push(topic: &Topic<'_>, data: &[u8]) -> u64 {
    topic.lock(None).unwrap().push(data).unwrap()
}

/// Pushes without looking at what is written.
fn put(topic: &Topic<'_>, size: u64) -> u64 {
    push(topic, &vec![b'x'; size as usize])
}

/// The bytes after `act`, from zeroed memory of the golden file's size, must be the golden file with this event count.
fn writes(golden: &[u8], events: u32, act: impl FnOnce(&Topic<'_>)) {
    let mut bytes = vec![0; golden.len()];
    act(&open(&mut bytes));
    let mut golden = golden.to_vec();
    golden[40..44].copy_from_slice(&events.to_le_bytes());
    same(&bytes, &golden);
}

#[track_caller]
fn same(bytes: &[u8], golden: &[u8]) {
    assert_eq!(bytes.len(), golden.len());
    for at in (0..golden.len()).filter(|at| !(16..32).contains(at)) {
        assert_eq!(bytes[at], golden[at], "byte {at}");
    }
}

/// The event count in a golden file.
fn events(golden: &[u8]) -> u32 {
    u32::from_le_bytes(golden[40..44].try_into().unwrap())
}

#[track_caller]
fn is(state: State, [seq_low, seq_high, off_head, off_tail, high_water_mark]: [u64; 5]) {
    assert_eq!(state, State { seq_low, seq_high, off_head, off_tail, high_water_mark });
}

#[test]
fn v0_an_empty_topic() {
    writes(V0, events(V0), |_| ());
}

#[test]
fn v1_two_messages() {
    writes(V1, events(V1), |topic| {
        push(topic, b"0123456789");
        push(topic, b"hello, world");
    });
}

#[test]
fn v2_one_eviction() {
    writes(V2, events(V2), |topic| {
        for byte in *b"ABCD" {
            push(topic, &[byte; 40]);
        }
    });
}

#[test]
fn v3_the_ring_wraps_twice() {
    // `H` evicts three frames: three commits in the C library, one here, so two events fewer.
    writes(V3, events(V3) - 2, |topic| {
        for byte in *b"ABCDEFG" {
            push(topic, &[byte; 40]);
        }
        push(topic, &[b'H'; 88]);
    });
}

#[test]
fn v4_cleared_and_v5_written_again() {
    let cleared = |topic: &Topic<'_>| {
        push(topic, b"0123456789");
        push(topic, b"hello, world");
        topic.lock(None).unwrap().clear().unwrap();
    };
    writes(V4, events(V4), cleared);
    writes(V5, events(V5), |topic| {
        cleared(topic);
        push(topic, b"after");
    });
}

#[test]
fn v6_a_0_2_topic_is_converted() {
    let mut bytes = V6_BEFORE.to_vec();
    let topic = open(&mut bytes);
    let mut cursor = Cursor::oldest(&topic).unwrap();
    let mut buffer = heapless::Vec::<u8, 8>::new();
    for expected in [b"aaaa", b"bbbb"] {
        topic.read(&mut cursor, Select::Next, &mut buffer).unwrap().unwrap();
        assert_eq!(buffer, expected);
    }
    same(&bytes, V6_AFTER);
}

#[test]
fn golden_topics_are_read_back() {
    for (golden, expected) in [
        (V0, &[][..]),
        (V1, &[(1, b"0123456789".to_vec()), (2, b"hello, world".to_vec())]),
        (V2, &[(2, vec![b'B'; 40]), (3, vec![b'C'; 40]), (4, vec![b'D'; 40])]),
        (V3, &[(7, vec![b'G'; 40]), (8, vec![b'H'; 88])]),
        (V4, &[]),
        (V5, &[(3, b"after".to_vec())]),
    ] {
        let mut bytes = golden.to_vec();
        let topic = Transport::open_read_only(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
        let mut cursor = Cursor::oldest(&topic).unwrap();
        let mut got = Vec::new();
        let mut buffer = [0; 128];
        while let Some(frame) = topic.read(&mut cursor, Select::Next, &mut &mut buffer[..]).unwrap() {
            assert_eq!(frame.missed, 0);
            got.push((frame.seq, buffer[..frame.len].to_vec()));
        }
        assert_eq!(got, expected);
    }
}

#[test]
fn t1_fresh() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    assert_eq!(topic.arena_size(), 4096);
    let locked = topic.lock(None).unwrap();
    is(locked.committed(), [0, 0, 0, 0, 144]);
    is(locked.state(), [0, 0, 0, 0, 144]);
    assert!(locked.state().is_empty());
}

/// In the C library the uncommitted state is on the working page; here it is nowhere but in [`a0_core::Locked`], so
/// `state()` stands for the working page. What is in the frames is the same.
#[test]
fn t2_t3_uncommitted_then_committed() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    let mut locked = topic.lock(None).unwrap();
    locked.alloc(10).unwrap();
    locked.commit();
    locked.alloc(40).unwrap();
    is(locked.committed(), [1, 1, 144, 144, 194]);
    is(locked.state(), [1, 2, 144, 208, 288]);
    assert_eq!(locked.head().unwrap().unwrap().next_off, 208);
    locked.commit();
    is(locked.committed(), [1, 2, 144, 208, 288]);
    is(locked.state(), [1, 2, 144, 208, 288]);
}

#[test]
fn t4_evicting_commits_what_was_allocated_before() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    let mut locked = topic.lock(None).unwrap();
    for _ in 0..5 {
        locked.alloc(1024).unwrap();
    }
    locked.alloc(2048).unwrap();
    is(locked.committed(), [6, 5, 0, 0, 144]);
    is(locked.state(), [6, 6, 144, 144, 2232]);
}

#[test]
fn t5_alloc_evicts() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    let mut locked = topic.lock(None).unwrap();
    assert_eq!(locked.alloc_evicts(2048), Ok(false));
    locked.alloc(2048).unwrap();
    assert_eq!(locked.alloc_evicts(2048), Ok(true));
    assert_eq!(locked.alloc_evicts(4096), Err(Error::FrameTooLarge { size: 4096, max: 4096 - 184 }));
}

#[test]
fn t6_t7_three_allocations_and_a_walk() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    {
        let mut locked = topic.lock(None).unwrap();
        for data in [&b"A"[..], b"BB", b"CCC"] {
            locked.alloc(data.len() as u64).unwrap().write(0, data);
        }
        locked.commit();
    }
    let locked = topic.lock(None).unwrap();
    let (head, tail) = (locked.head().unwrap().unwrap(), locked.tail().unwrap().unwrap());
    let middle = locked.next(&head).unwrap().unwrap();
    assert_eq!([head.seq, middle.seq, tail.seq], [1, 2, 3]);
    assert_eq!(locked.next(&middle).unwrap(), Some(tail));
    assert_eq!(locked.next(&tail).unwrap(), None);
    assert_eq!(locked.prev(&tail).unwrap(), Some(middle));
    assert_eq!(locked.prev(&middle).unwrap(), Some(head));
    assert_eq!(locked.prev(&head).unwrap(), None);
    for frame in [head, middle, tail] {
        assert_eq!(locked.at(frame.off), Ok(frame));
    }
}

/// The C library jumps to any multiple of 16 that is far enough from the end; here there has to be a live frame.
#[test]
fn t8_only_frames_can_be_jumped_to() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    push(&topic, b"0123456789");
    let locked = topic.lock(None).unwrap();
    for offset in [0, 13, 128, 145, 160, 2000, 4048, 4064, 4096, u64::MAX - 15] {
        assert_eq!(locked.at(offset), Err(Error::NoFrame { offset }));
    }
}

#[test]
fn t9_empty() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    let locked = topic.lock(None).unwrap();
    assert_eq!((locked.head(), locked.tail()), (Ok(None), Ok(None)));
}

#[test]
fn t10_t11_more_than_fits_in_one_commit() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    put(&topic, 1);
    let first = topic.lock(None).unwrap().head().unwrap().unwrap();
    topic.lock(None).unwrap().clear().unwrap();

    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    let mut locked = topic.lock(None).unwrap();
    for _ in 0..20 {
        locked.alloc(1024).unwrap();
    }
    locked.commit();
    is(locked.committed(), [18, 20, 2288, 1216, 3352]);
    let frames: Vec<_> = [2288, 144, 1216].map(|off| locked.at(off).unwrap()).into();
    assert_eq!(frames.iter().map(|f| f.seq).collect::<Vec<_>>(), [18, 19, 20]);
    assert_eq!(frames.iter().map(|f| f.prev_off).collect::<Vec<_>>(), [1216, 2288, 144]);
    assert_eq!(frames[2].next_off, 0);
    // From a frame that is gone, the next one is the oldest.
    assert_eq!(locked.next(&first).unwrap(), Some(frames[0]));
    assert_eq!(locked.prev(&frames[0]).unwrap(), None);
    assert_eq!(locked.next(&frames[0]).unwrap(), Some(frames[1]));
}

#[test]
fn t12_each_evicts_the_other() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    for _ in 0..5 {
        put(&topic, 3072);
    }
    let locked = topic.lock(None).unwrap();
    is(locked.committed(), [5, 5, 144, 144, 3256]);
    assert_eq!(locked.head().unwrap().unwrap().prev_off, 0);
}

#[test]
fn t13_to_t16_space_and_resize() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    let used = || topic.lock(None).unwrap().used_space();
    let resize = |size| topic.lock(None).unwrap().resize(size);
    assert_eq!(used(), 144);
    put(&topic, 1024);
    assert_eq!(used(), 1208);
    for size in [0, 1207, 4097] {
        assert_eq!(resize(size), Err(Error::BadResize { size, used: 1208, mapped: 4096 }));
    }
    assert_eq!(resize(1208), Ok(()));

    assert_eq!(topic.lock(None).unwrap().push(&[0; 1025]).unwrap_err(), Error::FrameTooLarge { size: 1025, max: 1024 });
    assert_eq!(topic.lock(None).unwrap().alloc_evicts(1024), Ok(true));
    put(&topic, 1024);
    is(topic.state().unwrap(), [2, 2, 144, 144, 1208]);
    let mut last = [0; 2];
    topic.mem().read(1207, &mut last);
    assert_eq!(&last, b"x\0");

    resize(4096).unwrap();
    put(&topic, 2048);
    is(topic.state().unwrap(), [2, 3, 144, 1216, 3304]);
    for (size, used_then) in [(16, 3368), (3072, 3368), (16, 3320)] {
        put(&topic, size);
        assert_eq!(used(), used_then);
    }
    is(topic.state().unwrap(), [5, 6, 144, 3264, 3320]);
    assert_eq!(topic.lock(None).unwrap().head().unwrap().unwrap().prev_off, 3312);

    put(&topic, 3264);
    assert_eq!(used(), 3448);
    let state = topic.state().unwrap();
    assert_eq!((state.seq_low, state.seq_high), (7, 7));
    topic.lock(None).unwrap().alloc(3264).unwrap();
    is(topic.state().unwrap(), [8, 7, 0, 0, 144]);
}

#[test]
fn t17_clear() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    let clear = || topic.lock(None).unwrap().clear().unwrap();
    let range = || topic.state().map(|s| (s.seq_low, s.seq_high)).unwrap();
    assert_eq!(range(), (0, 0));
    clear();
    assert_eq!(range(), (1, 0));
    assert_eq!(put(&topic, 512), 1);
    assert_eq!(topic.state().unwrap().high_water_mark, 696);
    assert_eq!(put(&topic, 1024), 2);
    assert_eq!(topic.state().unwrap().high_water_mark, 1768);
    clear();
    is(topic.state().unwrap(), [3, 2, 0, 0, 144]);
    assert_eq!(put(&topic, 1), 3);
    assert_eq!(put(&topic, 1), 4);
    for _ in 0..2 {
        clear();
        assert_eq!(range(), (5, 4));
    }
}

#[test]
fn t21_uncommitted_frames_vanish_and_their_number_is_used_again() {
    let mut bytes = vec![0; 4096];
    let topic = open(&mut bytes);
    let mut locked = topic.lock(None).unwrap();
    locked.push(b"kept").unwrap();
    let lost = locked.alloc(100).unwrap().seq();
    drop(locked);
    let locked = topic.lock(None).unwrap();
    assert_eq!((locked.state().seq_high, locked.state()), (1, locked.committed()));
    // Its link stays behind, and nobody follows it.
    let kept = locked.tail().unwrap().unwrap();
    assert_ne!(kept.next_off, 0);
    assert_eq!(locked.next(&kept).unwrap(), None);
    drop(locked);
    assert_eq!(push(&topic, b"again"), lost);
}

/// Both pages are the same whenever nobody holds the lock: a 0.3 process that sleeps in a wait looks at the working
/// page without refreshing it.
#[test]
fn the_working_page_follows_the_committed_one() {
    let mut bytes = vec![0; 512];
    let topic = open(&mut bytes);
    let pages_match = || {
        [page::seq_low, page::seq_high, page::off_head, page::off_tail, page::high_water_mark]
            .iter()
            .all(|word| topic.mem().load_u64(word(0), Relaxed) == topic.mem().load_u64(word(1), Relaxed))
    };
    for size in [10, 100, 200, 50, 328] {
        put(&topic, size);
        assert!(pages_match());
    }
    topic.lock(None).unwrap().alloc(300).unwrap();
    assert!(pages_match());
    topic.lock(None).unwrap().clear().unwrap();
    assert!(pages_match());
    assert_eq!(topic.mem().load_u64(header::ARENA_SIZE, Relaxed), 512);
    assert_eq!(topic.state().unwrap().high_water_mark, WORKSPACE);
}

//! Whatever bytes a file holds: no panic, no endless loop, and what is published afterwards arrives.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use a0_core::layout::frame;
use a0_core::{Cursor, Error, Lock, LockError, Mem, ReadOnly, Select, SliceMem, Transport, Unshared};
use proptest::collection::vec;
use proptest::prelude::*;

/// More steps than any topic of these sizes can need.
const MANY: u32 = 2000;

/// A sound topic: messages of these sizes.
fn sound(size: usize, sizes: &[usize]) -> Vec<u8> {
    let mut bytes = vec![0; size];
    let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
    for (i, len) in sizes.iter().enumerate() {
        // The ones that are too large stay out.
        let _ = topic.lock(None).unwrap().push(&vec![i as u8; *len]);
    }
    bytes
}

/// Reads to the end. Every error must be about the content, and the count of what is missing must be exact.
fn drain<M: Mem, L: Lock<M>>(topic: &Transport<M, L>, mut cursor: Cursor, select: Select) {
    let mut buffer = vec![0; 8192];
    let mut last = cursor.seq();
    for _ in 0..MANY {
        match topic.read(&mut cursor, select, &mut &mut buffer[..]) {
            Ok(None) => {
                // Whoever waits asks this, and would not sleep.
                assert!(!topic.may_have_news(&cursor), "news that never come");
                return;
            }
            Ok(Some(got)) => {
                assert!(got.seq > last, "{} after {last}", got.seq);
                assert_eq!(got.missed, got.seq - last - 1);
                last = got.seq;
            }
            Err(Error::Corrupt(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("reading does not end");
}

fn cursors<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) -> [Cursor; 3] {
    [Cursor::oldest(topic), Cursor::newest(topic), Cursor::end(topic)].map(Result::unwrap)
}

fn read_from<M: Mem, L: Lock<M>>(topic: &Transport<M, L>, cursors: [Cursor; 3]) {
    for cursor in cursors {
        for select in [Select::Next, Select::Newest] {
            drain(topic, cursor, select);
        }
        topic.has_news(&cursor).unwrap();
    }
}

fn read<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) {
    read_from(topic, cursors(topic));
}

fn walk<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) {
    let locked = topic.lock(None).unwrap();
    let mut at = locked.head();
    for _ in 0..MANY {
        let Ok(Some(frame)) = at else { break };
        locked.at(frame.off).ok();
        locked.read(&frame, &mut vec![0; 8192]).unwrap();
        at = locked.next(&frame);
    }
    assert!(!matches!(at, Ok(Some(_))), "walking does not end");
    let mut at = locked.tail();
    for _ in 0..MANY {
        let Ok(Some(frame)) = at else { break };
        at = locked.prev(&frame);
    }
    assert!(!matches!(at, Ok(Some(_))), "walking back does not end");
    for offset in [0, 1, 144, 160, 192, 1 << 40, u64::MAX] {
        locked.at(offset).ok();
    }
}

/// What is published must arrive, whatever was there before.
fn publish<M: Mem>(topic: &Transport<M, Unshared>, data: &[u8]) {
    let mut behind = Cursor::end(topic).unwrap();
    match topic.lock(None).unwrap().push(data) {
        Ok(seq) => {
            let mut buffer = vec![0; 8192];
            let got = topic.read(&mut behind, Select::Next, &mut &mut buffer[..]).unwrap().expect("just published");
            assert_eq!((got.seq, &buffer[..got.len]), (seq, data));
            let mut newest = Cursor::newest(topic).unwrap();
            let got = topic.read(&mut newest, Select::Next, &mut &mut buffer[..]).unwrap().expect("just published");
            assert_eq!((got.seq, &buffer[..got.len]), (seq, data));
        }
        Err(Error::FrameTooLarge { .. } | Error::SequenceExhausted) => {}
        Err(other) => panic!("{other}"),
    }
}

/// Everything that one can do. `late` damages the topic only after it was opened.
fn use_it(bytes: &[u8], late: &[(u64, [u8; 8])]) {
    let damage = |mem: &SliceMem<'_>| {
        for (offset, value) in late {
            mem.write((*offset).min(bytes.len() as u64 - 8), value);
        }
    };
    let mut copy = bytes.to_vec();
    if let Ok(topic) = Transport::open_read_only(SliceMem::new(&mut copy).unwrap(), ReadOnly) {
        let before = cursors(&topic);
        damage(topic.mem());
        read_from(&topic, before);
        read(&topic);
        assert_eq!(topic.lock(None).err(), Some(Error::Lock(LockError::ReadOnly)));
    }
    let mut copy = bytes.to_vec();
    match Transport::open(SliceMem::new(&mut copy).unwrap(), Unshared) {
        Err(Error::Corrupt(_)) => {}
        Err(other) => panic!("{other}"),
        Ok(topic) => {
            let before = cursors(&topic);
            damage(topic.mem());
            read_from(&topic, before);
            read(&topic);
            walk(&topic);
            for len in [0, 40, 8, 100, 300, 40, 5000] {
                topic.lock(None).unwrap().alloc_evicts(len as u64).ok();
                publish(&topic, &vec![len as u8; len]);
                read(&topic);
                walk(&topic);
            }
            let locked = topic.lock(None);
            locked.unwrap().resize(u64::MAX).unwrap_err();
            if topic.lock(None).unwrap().clear().is_ok() {
                assert!(topic.state().unwrap().is_empty());
                publish(&topic, b"again");
                read(&topic);
            }
        }
    }
}

/// Values that have broken programs before.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(7),
        Just(1 << 40),
        Just((1 << 40) + 16),
        Just(u64::MAX),
        Just(u64::MAX - 39),
        Just(u64::MAX - 15),
        (0..70u64).prop_map(|n| 16 * n),
        0..20u64,
        any::<u64>(),
    ]
}

/// A word to overwrite: in the header, or anywhere.
fn damage() -> impl Strategy<Value = (u64, [u8; 8])> {
    let offset = prop_oneof![
        (16..18u64).prop_map(|n| 8 * n),
        (6..16u64).prop_map(|n| 8 * n),
        (18..125u64).prop_map(|n| 8 * n),
        0..1000u64
    ];
    (offset, value().prop_map(u64::to_le_bytes))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 144..600), header in any::<bool>()) {
        let mut bytes = bytes;
        if header {
            let fresh = sound(bytes.len(), &[]);
            bytes[..48].copy_from_slice(&fresh[..48]);
            bytes[128..144].copy_from_slice(&fresh[128..144]);
        }
        use_it(&bytes, &[]);
    }

    #[test]
    fn damaged_before_opening(size in 200..1000usize, sizes in vec(0..150usize, 0..20), words in vec(damage(), 1..6)) {
        let mut bytes = sound(size, &sizes);
        for (offset, value) in words {
            let at = (offset as usize).min(size - 8);
            bytes[at..at + 8].copy_from_slice(&value);
        }
        use_it(&bytes, &[]);
    }

    #[test]
    fn damaged_while_open(size in 200..1000usize, sizes in vec(0..150usize, 0..20), words in vec(damage(), 1..6)) {
        use_it(&sound(size, &sizes), &words);
    }
}

/// Every word that matters, with every value that has broken programs before.
#[test]
fn every_single_word() {
    let bytes = sound(600, &[40, 40, 40, 40, 40, 40]);
    let values =
        [0, 1, 7, 13, 16, 144, 224, 304, 600, 1 << 31, 1 << 40, u64::MAX / 2, u64::MAX - 15, u64::MAX - 1, u64::MAX];
    for offset in (0..600).step_by(8) {
        for value in values {
            let mut damaged = bytes.clone();
            damaged[offset..offset + 8].copy_from_slice(&u64::to_le_bytes(value));
            use_it(&damaged, &[]);
            use_it(&bytes, &[(offset as u64, value.to_le_bytes())]);
        }
    }
}

#[test]
fn page_index_7() {
    let mut bytes = sound(600, &[40, 40]);
    bytes[128] = 7;
    let error = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap_err();
    assert_eq!(error, Error::Corrupt(a0_core::Corruption::PageIndex { index: 7 }));
}

/// A list that runs in a circle: each frame is where it says, but the links lead back.
#[test]
fn links_in_a_circle() {
    let mut bytes = sound(600, &[40, 40, 40]);
    let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
    for (from, to) in [(144, 144), (224, 144), (304, 224)] {
        topic.mem().store_u64(frame::next_off(from), to, std::sync::atomic::Ordering::Relaxed);
        topic.mem().store_u64(frame::prev_off(from), from, std::sync::atomic::Ordering::Relaxed);
    }
    read(&topic);
    walk(&topic);
    publish(&topic, &[1; 300]);
}

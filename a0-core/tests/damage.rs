//! Regressions: leftovers and damage that were once taken for sound.

use a0_core::layout::{frame, page};
use a0_core::{Cursor, Error, Mem, Select, SliceMem, Transport, Unshared};

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

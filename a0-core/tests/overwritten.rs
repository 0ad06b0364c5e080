//! A writer that overwrites a frame without evicting it first, as older 0.3 cores do in rare size patterns.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

mod common;

use std::sync::atomic::Ordering;

use a0_core::layout::{Field, frame};
use a0_core::{Corruption, Cursor, Error, Mem, Received, Select, State, Transport, Unshared};
use common::Meddled;

/// Such a writer comes along during the next copy, and stores this value there.
fn overwrite(topic: &Transport<Meddled<'_>, Unshared>, field: Field<u64>, value: u64) {
    topic.mem().before_copy.set(Some(Box::new(move |mem, offset| {
        mem.store_u64(field, value, Ordering::Relaxed);
        mem.write(offset, b"torn");
    })));
}

/// What a reader gets of the messages `first` and `second` if this word of the first one's header is overwritten while
/// it is read.
fn read_overwritten(word: fn(u64) -> Field<u64>) {
    let mut bytes = [0; 1024];
    let mem = Meddled::new(&mut bytes);
    let topic = Transport::open(mem, Unshared).unwrap();
    let mut cursor = Cursor::oldest(&topic).unwrap();
    topic.lock(None).unwrap().push(b"first").unwrap();
    topic.lock(None).unwrap().push(b"second").unwrap();
    let State { off_head, .. } = topic.state().unwrap();
    overwrite(&topic, word(off_head), 77);

    let mut buffer = [0; 16];
    let result = topic.read(&mut cursor, Select::Next, &mut &mut buffer[..]);
    assert!(matches!(result, Err(Error::Corrupt(Corruption::Frame { seq: 1, .. }))), "accepted: {result:?}");
    let received = topic.read(&mut cursor, Select::Next, &mut &mut buffer[..]).unwrap().unwrap();
    assert_eq!((received.seq, received.missed, &buffer[..received.len]), (2, 1, &b"second"[..]));
}

#[test]
fn a_frame_overwritten_while_it_is_read_is_not_accepted() {
    read_overwritten(frame::seq);
    read_overwritten(frame::off);
}

#[test]
fn a_batch_with_an_overwritten_frame_is_not_accepted() {
    let mut bytes = [0; 1024];
    let topic = Transport::open(Meddled::new(&mut bytes), Unshared).unwrap();
    let mut cursor = Cursor::oldest(&topic).unwrap();
    topic.lock(None).unwrap().push(b"first").unwrap();
    topic.lock(None).unwrap().push(b"second").unwrap();
    let State { off_head, .. } = topic.state().unwrap();
    let word = frame::seq(off_head);
    let (mut buffer, mut received) = ([0; 64], [Received::default(); 4]);

    overwrite(&topic, word, 77);
    let result = topic.read_batch(&mut { cursor }, &mut buffer, &mut received);
    assert!(matches!(result, Err(Error::Corrupt(Corruption::Frame { seq: 1, .. }))), "accepted: {result:?}");
    topic.mem().store_u64(word, 1, Ordering::Relaxed);
    assert_eq!(topic.read_batch(&mut cursor, &mut buffer, &mut received), Ok(2));
}

#[test]
fn a_frame_whose_size_changes_while_it_is_read_is_not_accepted() {
    let mut bytes = [0; 1024];
    let mem = Meddled::new(&mut bytes);
    let topic = Transport::open(mem, Unshared).unwrap();
    let mut cursor = Cursor::oldest(&topic).unwrap();
    topic.lock(None).unwrap().push(b"first").unwrap();
    let State { off_head, .. } = topic.state().unwrap();
    overwrite(&topic, frame::data_size(off_head), 3);

    // The second try finds a sound frame of three bytes, and that is what is there now.
    let mut buffer = [0; 16];
    let received = topic.read(&mut cursor, Select::Next, &mut &mut buffer[..]).unwrap().unwrap();
    assert_eq!(received.len, 3);
}

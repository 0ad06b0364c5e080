//! Reading several frames at a time gives what reading one after the other gives.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use a0_core::{Cursor, Error, Received, Select, SliceMem, Transport, Unshared};

type Topic<'m> = Transport<SliceMem<'m>, Unshared>;

/// A small generator of numbers; the same ones in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

fn one_by_one(topic: &Topic<'_>, cursor: &mut Cursor) -> Vec<(Received, Vec<u8>)> {
    let mut buffer = [0; 512];
    let mut all = Vec::new();
    while let Some(received) = topic.read(cursor, Select::Next, &mut &mut buffer[..]).unwrap() {
        all.push((received, buffer[..received.len].to_vec()));
    }
    all
}

fn in_batches(topic: &Topic<'_>, cursor: &mut Cursor, numbers: &mut Numbers) -> Vec<(Received, Vec<u8>)> {
    let mut all = Vec::new();
    loop {
        let (mut buffer, mut received) =
            (vec![0; 64 + numbers.below(448)], vec![Received::default(); 1 + numbers.below(6)]);
        let count = topic.read_batch(cursor, &mut buffer, &mut received).unwrap();
        if count == 0 {
            return all;
        }
        let mut data = &buffer[..];
        for received in &received[..count] {
            let (own, rest) = data.split_at(received.len);
            all.push((*received, own.to_vec()));
            data = rest;
        }
    }
}

#[test]
fn batches_are_what_single_reads_are() {
    let mut numbers = Numbers(7);
    let mut bytes = [0; 1024];
    let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
    let (mut single, mut batched) = (Cursor::oldest(&topic).unwrap(), Cursor::oldest(&topic).unwrap());
    let mut read = 0;
    for round in 0..2000 {
        for _ in 0..numbers.below(12) {
            let data = vec![round as u8; numbers.below(64)];
            topic.lock(None).unwrap().push(&data).unwrap();
        }
        if numbers.below(20) == 0 {
            topic.lock(None).unwrap().clear().unwrap();
        }
        let expected = one_by_one(&topic, &mut single);
        assert_eq!(in_batches(&topic, &mut batched, &mut numbers), expected, "round {round}");
        read += expected.len();
    }
    assert!(read > 5000, "{read}");
}

#[test]
fn one_look_serves_many() {
    let mut bytes = [0; 4096];
    let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
    let mut cursor = Cursor::oldest(&topic).unwrap();
    for number in 0..10 {
        topic.lock(None).unwrap().push(&[number; 5]).unwrap();
    }
    let (mut buffer, mut received) = ([0; 24], [Received::default(); 8]);
    assert_eq!(topic.read_batch(&mut cursor, &mut buffer, &mut received), Ok(4), "as many as have room");
    assert_eq!(buffer[..20], [[0; 5], [1; 5], [2; 5], [3; 5]].concat());
    let mut large = [0; 100];
    assert_eq!(topic.read_batch(&mut cursor, &mut large, &mut received[..3]), Ok(3), "as many as were asked for");
    assert_eq!(topic.read_batch(&mut cursor, &mut large, &mut []), Ok(0));
    assert_eq!(topic.read_batch(&mut cursor, &mut large, &mut received), Ok(3), "as many as are there");
    assert_eq!(topic.read_batch(&mut cursor, &mut large, &mut received), Ok(0));
}

#[test]
fn a_frame_without_room_is_an_error_and_stays() {
    let mut bytes = [0; 4096];
    let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
    let mut cursor = Cursor::oldest(&topic).unwrap();
    topic.lock(None).unwrap().push(&[1; 4]).unwrap();
    topic.lock(None).unwrap().push(&[2; 400]).unwrap();
    let (mut buffer, mut received) = ([0; 100], [Received::default(); 8]);
    assert_eq!(topic.read_batch(&mut cursor, &mut buffer, &mut received), Ok(1));
    let before = cursor;
    assert_eq!(topic.read_batch(&mut cursor, &mut buffer, &mut received), Err(Error::BufferTooSmall { size: 400 }));
    assert_eq!(cursor, before);
}

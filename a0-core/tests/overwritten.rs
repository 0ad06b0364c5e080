//! A writer that overwrites a frame without evicting it first, as older 0.3 cores do in rare size patterns.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::cell::Cell;
use std::sync::atomic::Ordering;

use a0_core::layout::{Field, frame};
use a0_core::{Corruption, Cursor, Error, Mem, Select, SliceMem, State, Transport, Unshared};

/// Memory in which such a writer comes along while a payload is copied, once.
struct Overwritten<'a> {
    mem: SliceMem<'a>,
    /// The header word that the writer changes, and what it stores there.
    store: Cell<Option<(Field<u64>, u64)>>,
}

impl Mem for Overwritten<'_> {
    fn size(&self) -> u64 {
        self.mem.size()
    }
    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
        self.mem.load_u8(field, order)
    }
    fn load_u32(&self, field: Field<u32>, order: Ordering) -> u32 {
        self.mem.load_u32(field, order)
    }
    fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64 {
        self.mem.load_u64(field, order)
    }
    fn store_u8(&self, field: Field<u8>, value: u8, order: Ordering) {
        self.mem.store_u8(field, value, order);
    }
    fn store_u32(&self, field: Field<u32>, value: u32, order: Ordering) {
        self.mem.store_u32(field, value, order);
    }
    fn store_u64(&self, field: Field<u64>, value: u64, order: Ordering) {
        self.mem.store_u64(field, value, order);
    }
    fn cas_u32(&self, field: Field<u32>, current: u32, new: u32, order: Ordering) -> Result<u32, u32> {
        self.mem.cas_u32(field, current, new, order)
    }
    fn fetch_add_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.mem.fetch_add_u32(field, value, order)
    }
    fn fetch_or_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.mem.fetch_or_u32(field, value, order)
    }
    fn fetch_and_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.mem.fetch_and_u32(field, value, order)
    }
    fn fence(&self, order: Ordering) {
        self.mem.fence(order);
    }
    fn read(&self, offset: u64, into: &mut [u8]) {
        if let Some((field, value)) = self.store.take() {
            self.mem.store_u64(field, value, Ordering::Relaxed);
            self.mem.write(offset, b"torn");
        }
        self.mem.read(offset, into);
    }
    fn write(&self, offset: u64, bytes: &[u8]) {
        self.mem.write(offset, bytes);
    }
}

/// What a reader gets of the messages `first` and `second` if this word of the first one's header is overwritten while
/// it is read.
fn read_overwritten(word: fn(u64) -> Field<u64>) {
    let mut bytes = [0; 1024];
    let mem = Overwritten { mem: SliceMem::new(&mut bytes).unwrap(), store: Cell::new(None) };
    let topic = Transport::open(mem, Unshared).unwrap();
    let mut cursor = Cursor::oldest(&topic).unwrap();
    topic.lock(None).unwrap().push(b"first").unwrap();
    topic.lock(None).unwrap().push(b"second").unwrap();
    let State { off_head, .. } = topic.state().unwrap();
    topic.mem().store.set(Some((word(off_head), 77)));

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
fn a_frame_whose_size_changes_while_it_is_read_is_not_accepted() {
    let mut bytes = [0; 1024];
    let mem = Overwritten { mem: SliceMem::new(&mut bytes).unwrap(), store: Cell::new(None) };
    let topic = Transport::open(mem, Unshared).unwrap();
    let mut cursor = Cursor::oldest(&topic).unwrap();
    topic.lock(None).unwrap().push(b"first").unwrap();
    let State { off_head, .. } = topic.state().unwrap();
    topic.mem().store.set(Some((frame::data_size(off_head), 3)));

    // The second try finds a sound frame of three bytes, and that is what is there now.
    let mut buffer = [0; 16];
    let received = topic.read(&mut cursor, Select::Next, &mut &mut buffer[..]).unwrap().unwrap();
    assert_eq!(received.len, 3);
}

//! Any bytes as a topic, with somebody else scribbling between the loads: errors, skips, never a panic or an endless loop.
#![no_main]

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

use a0_core::layout::Field;
use a0_core::{Cursor, Mem, Select, SliceMem, Transport, Unshared};
use libfuzzer_sys::fuzz_target;

/// More reads than any arena of this size has frames.
const MOST_STEPS: usize = 4096;

/// Memory in which a byte changes after every few accesses, as the input says.
struct Scribbled<'a> {
    inner: SliceMem<'a>,
    script: RefCell<std::slice::ChunksExact<'a, u8>>,
    accesses: Cell<u32>,
}

impl Scribbled<'_> {
    fn scribble(&self) {
        let n = self.accesses.get() + 1;
        self.accesses.set(n);
        if n % 3 == 0
            && let Some([low, high, value]) = self.script.borrow_mut().next()
        {
            let at = u64::from(u16::from_le_bytes([*low, *high])) % self.inner.size();
            self.inner.write(at, &[*value]);
        }
    }
}

impl Mem for Scribbled<'_> {
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
        self.scribble();
        self.inner.load_u8(field, order)
    }
    fn load_u32(&self, field: Field<u32>, order: Ordering) -> u32 {
        self.scribble();
        self.inner.load_u32(field, order)
    }
    fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64 {
        self.scribble();
        self.inner.load_u64(field, order)
    }
    fn store_u8(&self, field: Field<u8>, value: u8, order: Ordering) {
        self.inner.store_u8(field, value, order);
    }
    fn store_u32(&self, field: Field<u32>, value: u32, order: Ordering) {
        self.inner.store_u32(field, value, order);
    }
    fn store_u64(&self, field: Field<u64>, value: u64, order: Ordering) {
        self.inner.store_u64(field, value, order);
    }
    fn cas_u32(&self, field: Field<u32>, current: u32, new: u32, order: Ordering) -> Result<u32, u32> {
        self.inner.cas_u32(field, current, new, order)
    }
    fn fetch_add_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.inner.fetch_add_u32(field, value, order)
    }
    fn fetch_or_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.inner.fetch_or_u32(field, value, order)
    }
    fn fetch_and_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.inner.fetch_and_u32(field, value, order)
    }
    fn fence(&self, order: Ordering) {
        self.inner.fence(order);
    }
    fn read(&self, offset: u64, into: &mut [u8]) {
        self.scribble();
        self.inner.read(offset, into);
    }
    fn write(&self, offset: u64, bytes: &[u8]) {
        self.inner.write(offset, bytes);
    }
}

fuzz_target!(|input: &[u8]| {
    // The first byte says how much of the input is the script.
    let Some((&split, rest)) = input.split_first() else { return };
    let (image, script) = rest.split_at(rest.len() - rest.len() * usize::from(split) / 256);
    let mut image = image.to_vec();
    let Ok(inner) = SliceMem::new(&mut image) else { return };
    let mem = Scribbled { inner, script: RefCell::new(script.chunks_exact(3)), accesses: Cell::new(0) };
    let Ok(topic) = Transport::open(mem, Unshared) else { return };
    let size = topic.mem().size();

    let Ok(state) = topic.state() else { return };
    for cursor in [Cursor::before_oldest(&state), Cursor::before_newest(&state), Cursor::behind_newest(&state)] {
        for select in [Select::Next, Select::Newest] {
            let mut cursor = cursor;
            let mut buffer = vec![0; size as usize];
            for step in 0.. {
                assert!(step < MOST_STEPS, "no end of messages");
                match topic.read(&mut cursor, select, &mut buffer.as_mut_slice()) {
                    Ok(Some(received)) => assert!(received.offset + received.len as u64 <= size),
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
        }
    }

    let Ok(mut locked) = topic.lock(None) else { return };
    let mut at = locked.head();
    for step in 0.. {
        assert!(step < MOST_STEPS, "no end of frames");
        match at {
            Ok(Some(frame)) => at = locked.next(&frame),
            _ => break,
        }
    }
    for len in [0, 100, size / 2, size, u64::MAX - 40, u64::MAX] {
        if let Ok(mut slot) = locked.alloc(len) {
            slot.write(0, &vec![0xAA; len as usize]);
            locked.commit();
        }
    }
    let _ = locked.clear();
});

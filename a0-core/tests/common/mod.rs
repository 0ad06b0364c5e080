//! Memory that somebody meddles with.
#![allow(dead_code, reason = "every test program uses a part")]

use std::cell::Cell;
use std::sync::atomic::Ordering;

use a0_core::layout::{Field, header};
use a0_core::{Mem, SliceMem};

/// What somebody does while a payload is copied from this offset.
type Meddling<'a> = Box<dyn FnOnce(&SliceMem<'a>, u64)>;

/// Memory that somebody else uses meanwhile, at exact points.
pub(crate) struct Meddled<'a> {
    mem: SliceMem<'a>,
    /// Done once, right before the next copy.
    pub(crate) before_copy: Cell<Option<Meddling<'a>>>,
    /// Whether the index of the committed page is another one each time it is loaded.
    pub(crate) restless: Cell<bool>,
}

impl<'a> Meddled<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        let mem = SliceMem::new(bytes).expect("aligned bytes");
        Meddled { mem, before_copy: Cell::default(), restless: Cell::default() }
    }
}

impl Mem for Meddled<'_> {
    fn size(&self) -> u64 {
        self.mem.size()
    }
    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
        let value = self.mem.load_u8(field, order);
        if self.restless.get() && field == header::COMMITTED_PAGE {
            self.mem.store_u8(field, 1 - value, Ordering::Relaxed);
        }
        value
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
    fn fence(&self, order: Ordering) {
        self.mem.fence(order);
    }
    fn read(&self, offset: u64, into: &mut [u8]) {
        if let Some(meddle) = self.before_copy.take() {
            meddle(&self.mem, offset);
        }
        self.mem.read(offset, into);
    }
    fn write(&self, offset: u64, bytes: &[u8]) {
        self.mem.write(offset, bytes);
    }
}

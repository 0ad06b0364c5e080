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
    a0_core::forward_mem! {
        self => self.mem;
        size, load_u32, load_u64, store_u8, store_u32, store_u64, cas_u32, fetch_add_u32, fetch_or_u32, fence, write
    }

    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
        let value = self.mem.load_u8(field, order);
        if self.restless.get() && field == header::COMMITTED_PAGE {
            self.mem.store_u8(field, 1 - value, Ordering::Relaxed);
        }
        value
    }
    fn read(&self, offset: u64, into: &mut [u8]) {
        if let Some(meddle) = self.before_copy.take() {
            meddle(&self.mem, offset);
        }
        self.mem.read(offset, into);
    }
}

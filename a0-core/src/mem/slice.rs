//! Any byte slice, for one user at a time.

use core::cell::Cell;
use core::sync::atomic::Ordering;

use crate::error::{Corruption, Error};
use crate::layout::{Field, WORKSPACE};
use crate::mem::Mem;

/// A byte slice that this value alone uses: any alignment, no atomics, no `unsafe`.
#[derive(Debug)]
pub struct SliceMem<'a> {
    bytes: &'a [Cell<u8>],
}

impl<'a> SliceMem<'a> {
    /// Uses `bytes` as the memory of a transport.
    ///
    /// # Errors
    /// [`Corruption::TooSmall`] below 144 bytes.
    pub fn new(bytes: &'a mut [u8]) -> Result<Self, Error> {
        let size = bytes.len() as u64;
        if size < WORKSPACE {
            return Err(Error::Corrupt(Corruption::TooSmall { size }));
        }
        Ok(SliceMem { bytes: Cell::from_mut(bytes).as_slice_of_cells() })
    }

    fn get<const N: usize>(&self, offset: u64) -> [u8; N] {
        let cells = &self.bytes[offset as usize..][..N];
        core::array::from_fn(|i| cells[i].get())
    }

    fn set<const N: usize>(&self, offset: u64, value: [u8; N]) {
        self.write(offset, &value);
    }

    fn update(&self, field: Field<u32>, change: impl FnOnce(u32) -> u32) -> u32 {
        let old = u32::from_le_bytes(self.get(field.offset()));
        self.set(field.offset(), change(old).to_le_bytes());
        old
    }
}

impl Mem for SliceMem<'_> {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn load_u8(&self, field: Field<u8>, _: Ordering) -> u8 {
        self.bytes[field.offset() as usize].get()
    }
    fn load_u32(&self, field: Field<u32>, _: Ordering) -> u32 {
        u32::from_le_bytes(self.get(field.offset()))
    }
    fn load_u64(&self, field: Field<u64>, _: Ordering) -> u64 {
        u64::from_le_bytes(self.get(field.offset()))
    }
    fn store_u8(&self, field: Field<u8>, value: u8, _: Ordering) {
        self.bytes[field.offset() as usize].set(value);
    }
    fn store_u32(&self, field: Field<u32>, value: u32, _: Ordering) {
        self.set(field.offset(), value.to_le_bytes());
    }
    fn store_u64(&self, field: Field<u64>, value: u64, _: Ordering) {
        self.set(field.offset(), value.to_le_bytes());
    }
    fn cas_u32(&self, field: Field<u32>, current: u32, new: u32, _: Ordering) -> Result<u32, u32> {
        let old = self.load_u32(field, Ordering::Relaxed);
        if old != current {
            return Err(old);
        }
        self.store_u32(field, new, Ordering::Relaxed);
        Ok(old)
    }
    fn fetch_add_u32(&self, field: Field<u32>, value: u32, _: Ordering) -> u32 {
        self.update(field, |old| old.wrapping_add(value))
    }
    fn fetch_or_u32(&self, field: Field<u32>, value: u32, _: Ordering) -> u32 {
        self.update(field, |old| old | value)
    }
    fn fence(&self, _: Ordering) {}
    fn read(&self, offset: u64, into: &mut [u8]) {
        let cells = &self.bytes[offset as usize..][..into.len()];
        for (to, from) in into.iter_mut().zip(cells) {
            *to = from.get();
        }
    }
    fn write(&self, offset: u64, bytes: &[u8]) {
        let cells = &self.bytes[offset as usize..][..bytes.len()];
        for (to, from) in cells.iter().zip(bytes) {
            to.set(*from);
        }
    }
}

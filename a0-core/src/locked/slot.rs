//! The data of a frame that is not committed yet.

use crate::mem::Mem;

/// A frame that was just allocated, to be filled.
#[derive(Debug)]
pub struct Slot<'l, M> {
    pub(super) mem: &'l M,
    pub(super) seq: u64,
    pub(super) data: u64,
    pub(super) size: u64,
}

impl<M: Mem> Slot<'_, M> {
    /// Sequence number that the frame has once it is committed.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Bytes of data, as asked for.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills part of the data, from byte `at`. Bytes never written hold whatever was in the arena.
    ///
    /// # Panics
    /// If the bytes do not fit.
    #[inline(always)]
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        fill(self.mem, self.data, self.size, at, bytes);
    }
}

/// Fills part of a frame whose `size` data bytes start at offset `data`, from byte `at` of them.
///
/// # Panics
/// If the bytes do not fit.
#[inline(always)]
pub(super) fn fill<M: Mem>(mem: &M, data: u64, size: u64, at: u64, bytes: &[u8]) {
    let fits = size.checked_sub(bytes.len() as u64).is_some_and(|last| at <= last);
    if !fits {
        does_not_fit(bytes.len(), at, size);
    }
    mem.write(data + at, bytes);
}

#[cold]
#[inline(never)]
fn does_not_fit(len: usize, at: u64, size: u64) -> ! {
    panic!("{len} bytes at {at} do not fit into a frame of {size}");
}

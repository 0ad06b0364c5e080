//! Real shared bytes behind a pointer.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, compiler_fence, fence};

use crate::error::{Corruption, Error};
use crate::layout::{Field, WORKSPACE};
use crate::mem::Mem;
use crate::mem::copy;

/// Shared memory behind a raw pointer, with every access bounds-checked.
///
/// `O` keeps the bytes alive (a mapping, a `&'static mut [u8]`, …) and is dropped with this value.
/// Control words are accessed with atomics, payload bytes with copies that make no assumption about who else writes.
/// No reference to the bytes is ever formed.
#[derive(Debug)]
pub struct RawMem<O> {
    start: NonNull<u8>,
    size: u64,
    /// Equal to `size`, or 0 for read-only memory: stores are checked against this one, so that the check costs
    /// nothing extra.
    writable: u64,
    #[allow(dead_code, reason = "held for its Drop")]
    owner: O,
}

// SAFETY: all access goes through atomics or through copies that tolerate concurrent writers, so the pointer may be
// used from any thread as long as the owner may live there.
unsafe impl<O: Send> Send for RawMem<O> {}
// SAFETY: as above; `&RawMem` gives no access to the owner.
unsafe impl<O: Sync> Sync for RawMem<O> {}

/// Whether stores are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "memory can be written, or it cannot")]
pub enum Access {
    /// Loads and stores.
    ReadWrite,
    /// Loads only; any store panics before it touches the memory.
    ReadOnly,
}

impl<O> RawMem<O> {
    /// Wraps `size` bytes at `start`.
    ///
    /// # Errors
    /// [`Corruption::TooSmall`] below 144 bytes, [`Error::Unaligned`] if `start` is no multiple of 8.
    ///
    /// # Safety
    /// The bytes must stay readable (and writable, for [`Access::ReadWrite`]) until `owner` is dropped, and must be
    /// accessed by nobody in this process except through values made by this function.
    pub unsafe fn new(owner: O, start: NonNull<u8>, size: usize, access: Access) -> Result<Self, Error> {
        let size = size as u64;
        if size < WORKSPACE {
            return Err(Error::Corrupt(Corruption::TooSmall { size }));
        }
        if !start.cast::<AtomicU64>().is_aligned() {
            return Err(Error::Unaligned);
        }
        let writable = if access == Access::ReadWrite { size } else { 0 };
        Ok(RawMem { start, size, writable, owner })
    }

    /// Address of the first byte, for system calls that take addresses of words.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.start
    }

    /// Whether stores are allowed.
    pub fn access(&self) -> Access {
        if self.writable == 0 { Access::ReadOnly } else { Access::ReadWrite }
    }

    /// A 32-bit word of writable memory in place, for system calls on its address. Little-endian, whatever the machine.
    ///
    /// # Panics
    /// If the word is not inside the memory, or the memory is read-only.
    #[inline(always)]
    pub fn atomic_u32(&self, field: Field<u32>) -> &AtomicU32 {
        self.word32(field, self.writable())
    }

    /// The bytes in place.
    ///
    /// # Safety
    /// Nobody may write to the range while the slice lives: the caller holds the topic's lock and every process that
    /// can write to the memory keeps to the protocol.
    ///
    /// # Panics
    /// If the range is not inside the memory.
    pub unsafe fn bytes(&self, offset: u64, len: usize) -> &[u8] {
        let start = self.range(offset, len, self.readable());
        // SAFETY: `range` has checked the bounds; the caller promises that nobody writes meanwhile.
        unsafe { core::slice::from_raw_parts(start, len) }
    }

    /// The bytes in place, to be written.
    ///
    /// # Safety
    /// Nobody may read or write the range while the slice lives, except that readers of the topic may copy bytes out of it
    /// by [`Mem::read`], and throw them away: the range is part of a frame that the caller has allocated and not yet
    /// committed, the caller holds the topic's lock, and every process that can write to the memory keeps to the protocol.
    ///
    /// # Panics
    /// If the range is not inside the memory, or the memory is read-only.
    #[allow(clippy::mut_from_ref, reason = "the memory is shared anyway; the lock makes the range exclusive")]
    pub unsafe fn bytes_mut(&self, offset: u64, len: usize) -> &mut [u8] {
        let start = self.range(offset, len, self.writable());
        // SAFETY: `range` has checked the bounds; the caller promises that nobody uses the range meanwhile, but for
        // copies of readers that were overtaken. Those are made in inline assembly (elsewhere, by atomic loads), so the
        // compiler learns nothing from them, and their results are never looked at: the eviction that made the range
        // free was committed before this slice existed, and a reader checks for it behind its copy.
        unsafe { core::slice::from_raw_parts_mut(start, len) }
    }

    /// Bytes that may be read.
    #[inline(always)]
    fn readable(&self) -> u64 {
        // SAFETY: `new` refuses anything smaller. Said aloud, it makes the checks of the header's fields vanish.
        unsafe { core::hint::assert_unchecked(self.size >= WORKSPACE) };
        self.size
    }

    /// Bytes that may be written.
    #[inline(always)]
    fn writable(&self) -> u64 {
        // SAFETY: `new` makes it one or the other.
        unsafe { core::hint::assert_unchecked(self.writable == 0 || self.writable >= WORKSPACE) };
        self.writable
    }

    /// Address of a location, checked against `limit` and for alignment.
    #[inline(always)]
    fn location<T>(&self, field: Field<T>, limit: u64) -> *mut T {
        let width = size_of::<T>() as u64;
        self.aligned(field.offset(), width, width, limit).cast()
    }

    /// Address of `len` bytes, checked against `limit` and for alignment.
    #[inline(always)]
    fn aligned(&self, offset: u64, len: u64, align: u64, limit: u64) -> *mut u8 {
        // `limit` is 0 or at least 144, so the subtraction can only wrap for 0, where every offset must be refused.
        if limit < len || offset > limit - len || offset & (align - 1) != 0 {
            outside(offset, len, limit);
        }
        // SAFETY: inside the memory by the check above.
        unsafe { self.start.as_ptr().add(offset as usize) }
    }

    /// Address of a range, checked against `limit`.
    #[inline(always)]
    fn range(&self, offset: u64, len: usize, limit: u64) -> *mut u8 {
        if limit < len as u64 || offset > limit - len as u64 {
            outside(offset, len as u64, limit);
        }
        // SAFETY: inside the memory by the check above.
        unsafe { self.start.as_ptr().add(offset as usize) }
    }

    #[inline(always)]
    fn byte(&self, field: Field<u8>, limit: u64) -> &AtomicU8 {
        // SAFETY: in bounds by `location`; alive as long as the owner; accessed atomically everywhere.
        unsafe { AtomicU8::from_ptr(self.location(field, limit)) }
    }

    #[inline(always)]
    fn word32(&self, field: Field<u32>, limit: u64) -> &AtomicU32 {
        // SAFETY: in bounds and aligned by `location`; alive as long as the owner; accessed atomically everywhere.
        unsafe { AtomicU32::from_ptr(self.location(field, limit)) }
    }

    #[inline(always)]
    fn words(&self, first: Field<u64>, limit: u64) -> &[AtomicU64; 5] {
        let start = self.aligned(first.offset(), 5 * 8, 8, limit).cast::<[AtomicU64; 5]>();
        // SAFETY: in bounds and aligned by `aligned`; alive as long as the owner; accessed atomically everywhere.
        unsafe { &*start }
    }

    #[inline(always)]
    fn word64(&self, field: Field<u64>, limit: u64) -> &AtomicU64 {
        // SAFETY: in bounds and aligned by `location`; alive as long as the owner; accessed atomically everywhere.
        unsafe { AtomicU64::from_ptr(self.location(field, limit)) }
    }
}

#[cold]
#[inline(never)]
fn outside(offset: u64, len: u64, limit: u64) -> ! {
    panic!("access of {len} bytes at offset {offset} outside the {limit} bytes allowed");
}

impl<O> Mem for RawMem<O> {
    #[inline(always)]
    fn size(&self) -> u64 {
        self.size
    }
    #[inline(always)]
    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
        self.byte(field, self.readable()).load(order)
    }
    #[inline(always)]
    fn load_u32(&self, field: Field<u32>, order: Ordering) -> u32 {
        u32::from_le(self.word32(field, self.readable()).load(order))
    }
    #[inline(always)]
    fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64 {
        u64::from_le(self.word64(field, self.readable()).load(order))
    }
    #[inline(always)]
    fn store_u8(&self, field: Field<u8>, value: u8, order: Ordering) {
        self.byte(field, self.writable()).store(value, order);
    }
    #[inline(always)]
    fn store_u32(&self, field: Field<u32>, value: u32, order: Ordering) {
        self.word32(field, self.writable()).store(value.to_le(), order);
    }
    #[inline(always)]
    fn store_u64(&self, field: Field<u64>, value: u64, order: Ordering) {
        self.word64(field, self.writable()).store(value.to_le(), order);
    }
    #[inline(always)]
    fn load_words(&self, first: Field<u64>) -> [u64; 5] {
        self.words(first, self.readable()).each_ref().map(|word| u64::from_le(word.load(Ordering::Relaxed)))
    }
    #[inline(always)]
    fn store_words(&self, first: Field<u64>, words: [u64; 5]) {
        for (word, value) in self.words(first, self.writable()).iter().zip(words) {
            word.store(value.to_le(), Ordering::Relaxed);
        }
    }
    #[inline(always)]
    fn cas_u32(&self, field: Field<u32>, current: u32, new: u32, order: Ordering) -> Result<u32, u32> {
        match self.word32(field, self.writable()).compare_exchange(
            current.to_le(),
            new.to_le(),
            order,
            Ordering::Relaxed,
        ) {
            Ok(old) => Ok(u32::from_le(old)),
            Err(old) => Err(u32::from_le(old)),
        }
    }
    #[inline(always)]
    fn fetch_add_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        let word = self.word32(field, self.writable());
        if cfg!(target_endian = "little") {
            return word.fetch_add(value, order);
        }
        let mut old = word.load(Ordering::Relaxed);
        loop {
            let new = u32::from_le(old).wrapping_add(value).to_le();
            match word.compare_exchange_weak(old, new, order, Ordering::Relaxed) {
                Ok(old) => return u32::from_le(old),
                Err(seen) => old = seen,
            }
        }
    }
    #[inline(always)]
    fn fetch_or_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        u32::from_le(self.word32(field, self.writable()).fetch_or(value.to_le(), order))
    }
    #[inline(always)]
    fn fence(&self, order: Ordering) {
        fence(order);
    }
    #[inline(always)]
    fn fence_after_rmw(&self) {
        if cfg!(any(target_arch = "x86_64", target_arch = "x86")) {
            // Every locked instruction orders all earlier and later accesses; only the compiler must be held back.
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }
    #[inline(always)]
    fn prefetch_for_write(&self, offset: u64) {
        #[cfg(target_arch = "x86_64")]
        {
            let line = self.start.as_ptr().wrapping_add(offset as usize);
            // SAFETY: a hint that accesses no memory and faults for no address; processors without it do nothing.
            unsafe { core::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags, readonly)) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = offset;
    }
    #[inline(always)]
    fn read(&self, offset: u64, into: &mut [u8]) {
        let from = self.range(offset, into.len(), self.readable());
        // SAFETY: `range` has checked the source; the destination is an exclusive slice of the same length, and it
        // cannot overlap, since no reference to the shared bytes exists.
        unsafe { copy::shared_to_private(from, into.as_mut_ptr(), into.len()) }
    }
    #[inline(always)]
    fn write(&self, offset: u64, bytes: &[u8]) {
        let to = self.range(offset, bytes.len(), self.writable());
        // SAFETY: `range` has checked the destination; the source is a slice of the same length that cannot overlap,
        // since no reference to the shared bytes exists.
        unsafe { copy::private_to_shared(bytes.as_ptr(), to, bytes.len()) }
    }
}

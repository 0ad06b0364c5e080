//! The memory that the algorithm runs over.

mod copy;
pub(crate) mod raw;
pub(crate) mod slice;

use core::sync::atomic::Ordering;

use crate::layout::Field;

/// Bytes that other processes may change at any moment.
///
/// The whole protocol is written against this trait, so the same code runs over shared memory ([`crate::RawMem`]), over
/// any byte slice ([`crate::SliceMem`]), and in tests over a log of stores and over a model checker's atomics. A fence is
/// a method for that reason: a model checker has fences of its own.
///
/// Callers pass only locations inside [`Mem::size`]; an implementation panics on anything else, because that is
/// a bug of the caller and never a property of a file's content.
pub trait Mem {
    /// Bytes in this memory.
    fn size(&self) -> u64;

    /// Reads one byte-wide location.
    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8;
    /// Reads one 32-bit location.
    fn load_u32(&self, field: Field<u32>, order: Ordering) -> u32;
    /// Reads one 64-bit location.
    fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64;

    /// Writes one byte-wide location.
    fn store_u8(&self, field: Field<u8>, value: u8, order: Ordering);
    /// Writes one 32-bit location.
    fn store_u32(&self, field: Field<u32>, value: u32, order: Ordering);
    /// Writes one 64-bit location.
    fn store_u64(&self, field: Field<u64>, value: u64, order: Ordering);

    /// Reads the five 64-bit locations from `first` on, one after the other, each relaxed: a state page or a frame header.
    ///
    /// One call instead of five, so that bounds are checked once.
    fn load_words(&self, first: Field<u64>) -> [u64; 5] {
        first.words().map(|field| self.load_u64(field, Ordering::Relaxed))
    }

    /// Writes the five 64-bit locations from `first` on, one after the other, each relaxed.
    fn store_words(&self, first: Field<u64>, words: [u64; 5]) {
        for (field, word) in first.words().into_iter().zip(words) {
            self.store_u64(field, word, Ordering::Relaxed);
        }
    }

    /// Replaces `current` by `new`; on failure gives the value that was there. A failed exchange is relaxed.
    fn cas_u32(&self, field: Field<u32>, current: u32, new: u32, order: Ordering) -> Result<u32, u32>;
    /// Adds with wrap-around; gives the old value.
    fn fetch_add_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32;
    /// Sets bits; gives the old value.
    fn fetch_or_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32;

    /// A memory fence.
    fn fence(&self, order: Ordering);

    /// A sequentially consistent fence, right behind an atomic read-modify-write of the same thread.
    ///
    /// Where such an instruction is a full barrier by itself (x86), nothing has to be executed.
    fn fence_after_rmw(&self) {
        self.fence(Ordering::SeqCst);
    }

    /// Says that the cache line with this byte is about to be written. A hint: nothing has to happen.
    fn prefetch_for_write(&self, _offset: u64) {}

    /// Copies bytes out. They may be torn if somebody writes meanwhile; the caller validates afterwards.
    fn read(&self, offset: u64, into: &mut [u8]);
    /// Copies bytes in.
    fn write(&self, offset: u64, bytes: &[u8]);
}

/// Hands on methods of [`Mem`] to another memory: `forward_mem!(self => self.inner; size, load_u8, write);` inside an
/// implementation, for a memory that does something besides. `Field` and `Ordering` must be in scope.
#[doc(hidden)]
#[macro_export]
macro_rules! forward_mem {
    ($self:ident => $below:expr; $($method:ident),+ $(,)?) => { $($crate::forward_mem! { $method $self $below })+ };
    (size $s:ident $b:expr) => { $crate::forward_mem! { $s $b; size() -> u64 } };
    (load_u8 $s:ident $b:expr) => { $crate::forward_mem! { $s $b; load_u8(field: Field<u8>, order: Ordering) -> u8 } };
    (load_u32 $s:ident $b:expr) => {
        $crate::forward_mem! { $s $b; load_u32(field: Field<u32>, order: Ordering) -> u32 }
    };
    (load_u64 $s:ident $b:expr) => {
        $crate::forward_mem! { $s $b; load_u64(field: Field<u64>, order: Ordering) -> u64 }
    };
    (store_u8 $s:ident $b:expr) => {
        $crate::forward_mem! { $s $b; store_u8(field: Field<u8>, value: u8, order: Ordering) -> () }
    };
    (store_u32 $s:ident $b:expr) => {
        $crate::forward_mem! { $s $b; store_u32(field: Field<u32>, value: u32, order: Ordering) -> () }
    };
    (store_u64 $s:ident $b:expr) => {
        $crate::forward_mem! { $s $b; store_u64(field: Field<u64>, value: u64, order: Ordering) -> () }
    };
    (load_words $s:ident $b:expr) => { $crate::forward_mem! { $s $b; load_words(first: Field<u64>) -> [u64; 5] } };
    (store_words $s:ident $b:expr) => {
        $crate::forward_mem! { $s $b; store_words(first: Field<u64>, words: [u64; 5]) -> () }
    };
    (cas_u32 $s:ident $b:expr) => {
        $crate::forward_mem! { $s $b; cas_u32(field: Field<u32>, old: u32, new: u32, order: Ordering) -> Result<u32, u32> }
    };
    (fetch_add_u32 $s:ident $b:expr) => {
        $crate::forward_mem! { $s $b; fetch_add_u32(field: Field<u32>, value: u32, order: Ordering) -> u32 }
    };
    (fetch_or_u32 $s:ident $b:expr) => {
        $crate::forward_mem! { $s $b; fetch_or_u32(field: Field<u32>, value: u32, order: Ordering) -> u32 }
    };
    (fence $s:ident $b:expr) => { $crate::forward_mem! { $s $b; fence(order: Ordering) -> () } };
    (fence_after_rmw $s:ident $b:expr) => { $crate::forward_mem! { $s $b; fence_after_rmw() -> () } };
    (prefetch_for_write $s:ident $b:expr) => { $crate::forward_mem! { $s $b; prefetch_for_write(offset: u64) -> () } };
    (read $s:ident $b:expr) => { $crate::forward_mem! { $s $b; read(offset: u64, into: &mut [u8]) -> () } };
    (write $s:ident $b:expr) => { $crate::forward_mem! { $s $b; write(offset: u64, bytes: &[u8]) -> () } };
    ($self:ident $below:expr; $method:ident($($name:ident: $type:ty),*) -> $result:ty) => {
        #[inline]
        fn $method(&$self, $($name: $type),*) -> $result {
            $crate::Mem::$method(&$below, $($name),*)
        }
    };
}

impl<T: Mem + ?Sized> Mem for &T {
    crate::forward_mem! {
        self => (**self);
        size, load_u8, load_u32, load_u64, store_u8, store_u32, store_u64, load_words, store_words, cas_u32,
        fetch_add_u32, fetch_or_u32, fence, fence_after_rmw, prefetch_for_write, read, write
    }
}

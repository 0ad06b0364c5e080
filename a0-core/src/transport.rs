//! A topic's memory with its lock.

use core::sync::atomic::Ordering::Relaxed;

use crate::layout::header;
use crate::lock::Lock;
use crate::mem::Mem;

/// A topic: memory, and the lock that goes with it.
///
/// All methods take `&self`; what a thread does while it holds the lock goes through [`Locked`](crate::Locked). Its methods are
/// where their subject is: opening in `open.rs`, locking in `locked.rs`, reading in `read.rs`, sleeping in `sleep.rs`, waking in
/// `notify.rs`, examining in `verify.rs`.
///
/// ```
/// use a0_core::{Cursor, Select, SliceMem, Transport, Unshared};
///
/// let mut bytes = [0; 4096];
/// let topic = Transport::open(SliceMem::new(&mut bytes)?, Unshared)?;
/// topic.lock(None)?.push(b"hello")?;
///
/// let mut reader = Cursor::oldest(&topic)?;
/// let mut buffer = [0; 16];
/// let got = topic.read(&mut reader, Select::Next, &mut &mut buffer[..])?.expect("one message is there");
/// assert_eq!(&buffer[..got.len], b"hello");
/// assert_eq!((got.seq, got.missed), (1, 0));
/// # Ok::<(), a0_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Transport<M, L> {
    mem: M,
    lock: L,
}

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Whatever the memory holds.
    pub(crate) fn unchecked(mem: M, lock: L) -> Self {
        Transport { mem, lock }
    }

    /// The memory.
    #[inline]
    pub fn mem(&self) -> &M {
        &self.mem
    }

    /// The lock.
    #[inline]
    pub fn lock_backend(&self) -> &L {
        &self.lock
    }

    /// Gives the memory back.
    pub fn into_mem(self) -> M {
        self.mem
    }

    /// Usable bytes, as the header says.
    #[inline]
    pub fn arena_size(&self) -> u64 {
        self.mem.load_u64(header::ARENA_SIZE, Relaxed)
    }

    /// Usable bytes, but never more than there are.
    #[inline]
    pub(crate) fn limit(&self) -> u64 {
        self.arena_size().min(self.mem.size())
    }
}

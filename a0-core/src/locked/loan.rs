//! A frame that is filled in place, for as long as that takes.

use core::sync::atomic::Ordering::Relaxed;

use super::slot::fill;
use super::{Draft, HeldLock, Locked};
use crate::error::Error;
use crate::layout::{FRAME_HEADER, frame};
use crate::lock::Lock;
use crate::mem::Mem;
use crate::state::State;

/// A frame that is being filled, together with the lock: it needs no second value to stay alive.
///
/// Readers see nothing of it before [`Loan::commit`]. Dropping it, or dying with it, leaves no trace but the evictions that
/// made room for it.
///
/// ```
/// use a0_core::{SliceMem, Transport, Unshared};
///
/// let mut bytes = [0; 1024];
/// let topic = Transport::open(SliceMem::new(&mut bytes)?, Unshared)?;
/// let mut loan = topic.lock(None)?.loan(100)?;
/// loan.write(0, b"less than ");
/// loan.write(10, b"thought");
/// loan.truncate(17);
/// assert_eq!(loan.commit(), 1);
/// # Ok::<(), a0_core::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping it publishes nothing; `commit` does"]
pub struct Loan<'t, M: Mem, L: Lock<M>> {
    held: HeldLock<'t, M, L>,
    draft: Draft,
    seq: u64,
    data: u64,
    size: u64,
    /// End of the used part of the arena without this frame.
    used: u64,
}

impl<'t, M: Mem, L: Lock<M>> Locked<'t, M, L> {
    /// Allocates a frame with `size` data bytes as [`Locked::alloc`] does, and keeps the lock with it.
    ///
    /// # Errors
    /// As [`Locked::alloc`]; the lock is released then.
    #[inline(always)]
    pub fn loan(self, size: u64) -> Result<Loan<'t, M, L>, Error> {
        let Locked { mut held, mut draft } = self;
        let plan = draft.alloc(&mut held, size)?;
        Ok(Loan { held, draft, seq: plan.seq, data: plan.data(), size, used: plan.evicted.high_water_mark })
    }
}

impl<'t, M: Mem, L: Lock<M>> Loan<'t, M, L> {
    /// Sequence number that the frame has once it is committed.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Bytes of data.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Offset of the data in the memory.
    pub fn data(&self) -> u64 {
        self.data
    }

    /// The memory, for access to the data in place.
    #[inline(always)]
    pub fn mem(&self) -> &'t M {
        self.held.topic().mem()
    }

    /// The state that [`Loan::commit`] makes the committed one.
    pub fn state(&self) -> State {
        self.draft.state
    }

    /// Fills part of the data, from byte `at`. Bytes never written hold whatever was in the arena.
    ///
    /// # Panics
    /// If the bytes do not fit.
    #[inline(always)]
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        fill(self.mem(), self.data, self.size, at, bytes);
    }

    /// Keeps only the first `size` bytes of data; does nothing if there are no more anyway.
    pub fn truncate(&mut self, size: u64) {
        if size >= self.size {
            return;
        }
        self.size = size;
        self.mem().store_u64(frame::data_size(self.data - FRAME_HEADER), size, Relaxed);
        let limit = self.held.topic().limit();
        self.draft.state.high_water_mark = self.used.max(self.data + size).min(limit);
    }

    /// Whether the lock is held. Not so in a child that was forked meanwhile: the frame is the parent's to fill and to
    /// commit, and all that the child may do with its copy of the loan is to drop it.
    pub fn is_held(&self) -> bool {
        self.held.is_held()
    }

    /// Makes the frame visible to readers, and releases the lock; gives the sequence number.
    #[inline(always)]
    pub fn commit(self) -> u64 {
        let Loan { held, draft, seq, .. } = self;
        draft.commit_and_release(held);
        seq
    }
}

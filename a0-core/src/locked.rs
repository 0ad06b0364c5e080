//! What the holder of the lock can do: allocate, commit, clear, resize, walk.

pub(crate) mod loan;

use core::marker::PhantomData;
use core::sync::atomic::Ordering::{Relaxed, Release};

use crate::error::{Corruption, Error};
use crate::frame::FrameHeader;
use crate::layout::{FRAME_HEADER, WORKSPACE, frame, header};
use crate::lock::{Acquired, Lock};
use crate::mem::Mem;
use crate::plan::Plan;
use crate::state::State;
use crate::transport::Transport;

/// Bytes that processors exchange at a time.
const CACHE_LINE: u64 = 64;

/// A locked topic; dropping it releases the lock and wakes sleeping readers if anything was committed.
///
/// Frames that were allocated but not committed vanish without a trace when this is dropped, and also when the process
/// dies.
///
/// The lock belongs to the thread that took it, so this cannot be sent to another one:
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// # let mut bytes = [0; 1024];
/// # let topic = a0_core::Transport::open(a0_core::SliceMem::new(&mut bytes).unwrap(), a0_core::Unshared).unwrap();
/// send(topic.lock(None).unwrap());
/// ```
#[derive(Debug)]
pub struct Locked<'t, M: Mem, L: Lock<M>> {
    topic: &'t Transport<M, L>,
    /// The committed state plus what was allocated since.
    working: State,
    /// Whether the working state lost frames that are still committed, to a repair.
    repaired: bool,
    /// Whether the working page and the sleepers need attention.
    touched: bool,
    /// Not to be released by another thread.
    own: PhantomData<*const ()>,
}

/// A frame that was just allocated, to be filled.
#[derive(Debug)]
pub struct Slot<'l, M> {
    mem: &'l M,
    seq: u64,
    data: u64,
    size: u64,
    /// End of the used part of the arena without this frame.
    used: u64,
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
        let fits = self.size.checked_sub(bytes.len() as u64).is_some_and(|last| at <= last);
        if !fits {
            does_not_fit(bytes.len(), at, self.size);
        }
        self.mem.write(self.data + at, bytes);
    }
}

#[cold]
#[inline(never)]
fn does_not_fit(len: usize, at: u64, size: u64) -> ! {
    panic!("{len} bytes at {at} do not fit into a frame of {size}");
}

impl<'t, M: Mem, L: Lock<M>> Locked<'t, M, L> {
    #[inline(always)]
    pub(crate) fn new(topic: &'t Transport<M, L>, how: Acquired) -> Self {
        let working = State::load_locked(topic.mem());
        // After a death, the working page may hold what was never committed, and sleepers may have missed a wake-up.
        Locked { topic, working, repaired: false, touched: how == Acquired::OwnerDied, own: PhantomData }
    }

    pub(crate) fn topic(&self) -> &'t Transport<M, L> {
        self.topic
    }

    /// Looks at the committed state again, because it was not there when the lock was taken.
    pub(crate) fn reload(&mut self) {
        self.working = State::load_locked(self.topic.mem());
    }

    /// The state with everything allocated so far.
    pub fn state(&self) -> State {
        self.working
    }

    /// The state that readers see.
    pub fn committed(&self) -> State {
        State::load_locked(self.topic.mem())
    }

    /// End of the used part of the arena, in bytes from its start.
    pub fn used_space(&self) -> u64 {
        self.working.high_water_mark
    }

    fn frame(&self, seq: u64, off: u64) -> Result<FrameHeader, Corruption> {
        FrameHeader::load(self.topic.mem(), seq, off, self.topic.limit())
    }

    #[inline(always)]
    fn plan(&self, size: u64) -> Result<Plan, Error> {
        let limit = self.topic.limit();
        Plan::new(&self.working, limit, size, |seq, off| FrameHeader::load(self.topic.mem(), seq, off, limit))
    }

    /// Whether allocating a frame of `size` data bytes would evict others.
    ///
    /// # Errors
    /// [`Error::FrameTooLarge`]; [`Error::Corrupt`] if the list of frames is damaged (allocating would repair it).
    pub fn alloc_evicts(&self, size: u64) -> Result<bool, Error> {
        Ok(self.plan(size)?.evicts(&self.working))
    }

    /// Allocates a frame with `size` data bytes. It exists for readers once [`Locked::commit`] is called.
    ///
    /// Frames in its way are evicted at once and for good, in one commit, which also publishes every frame
    /// allocated earlier under this lock. A damaged list of frames is cut down to its sound end first.
    ///
    /// # Errors
    /// [`Error::FrameTooLarge`], [`Error::SequenceExhausted`]; the topic is unchanged then.
    #[inline(always)]
    pub fn alloc(&mut self, size: u64) -> Result<Slot<'_, M>, Error> {
        let plan = match self.plan(size) {
            Err(Error::Corrupt(_)) => self.plan_after_repair(size)?,
            plan => plan?,
        };
        let mem = self.topic.mem();
        // All at once instead of one after the other as they are stored to; readers may have each of them.
        for line in [plan.evicted.off_tail, plan.slot, plan.slot + CACHE_LINE] {
            mem.prefetch_for_write(line);
        }
        if plan.evicts(&self.working) || self.repaired {
            // Before a byte of an evicted frame changes, readers must be able to find out that it is gone.
            self.touched = true;
            self.repaired = false;
            plan.evicted.commit(mem);
        }
        let (slot, seq) = (plan.slot, plan.allocated.seq_high);
        let previous = if plan.evicted.is_empty() { 0 } else { plan.evicted.off_tail };
        // In this order: seq, off, next_off, prev_off, data_size.
        mem.store_words(frame::seq(slot), [seq, slot, 0, previous, size]);
        if previous != 0 {
            // Readers follow the link only up to the committed sequence number, so it may come before the commit.
            // Release keeps it behind the header it leads to, for a reader that cached an older state.
            mem.store_u64(frame::next_off(previous), slot, Release);
        }
        self.working = plan.allocated;
        Ok(Slot { mem, seq, data: slot + FRAME_HEADER, size, used: plan.evicted.high_water_mark })
    }

    #[cold]
    fn plan_after_repair(&mut self, size: u64) -> Result<Plan, Error> {
        let (limit, damaged) = (self.topic.limit(), self.working);
        self.working = damaged.salvaged(limit, |seq, off| self.frame(seq, off))?;
        let mut plan = self.plan(size);
        if matches!(plan, Err(Error::Corrupt(_))) {
            self.working = damaged.cleared().ok_or(Error::SequenceExhausted)?;
            plan = self.plan(size);
        }
        if plan.is_ok() {
            self.repaired = true;
        } else {
            self.working = damaged;
        }
        plan
    }

    /// Makes everything allocated so far visible to readers, all at once.
    #[inline(always)]
    pub fn commit(&mut self) {
        self.working.commit(self.topic.mem());
        self.repaired = false;
        self.touched = true;
    }

    /// Allocates, fills and commits one frame; gives its sequence number.
    ///
    /// # Errors
    /// As [`Locked::alloc`].
    #[inline(always)]
    pub fn push(&mut self, data: &[u8]) -> Result<u64, Error> {
        let mut slot = self.alloc(data.len() as u64)?;
        slot.write(0, data);
        let seq = slot.seq();
        self.commit();
        Ok(seq)
    }

    /// Removes all frames. Sequence numbers go on from where they are.
    ///
    /// # Errors
    /// [`Error::SequenceExhausted`].
    pub fn clear(&mut self) -> Result<(), Error> {
        self.working = self.working.cleared().ok_or(Error::SequenceExhausted)?;
        self.commit();
        Ok(())
    }

    /// Changes the number of usable bytes, at once. The memory itself keeps its size.
    ///
    /// # Errors
    /// [`Error::BadResize`] below what is used or above what exists.
    pub fn resize(&mut self, size: u64) -> Result<(), Error> {
        let (used, mapped) = (self.used_space(), self.topic.mem().size());
        if size < used || size < WORKSPACE || size > mapped {
            return Err(Error::BadResize { size, used, mapped });
        }
        self.topic.mem().store_u64(header::ARENA_SIZE, size, Relaxed);
        Ok(())
    }

    /// The oldest frame.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is damaged.
    pub fn head(&self) -> Result<Option<FrameHeader>, Error> {
        if self.working.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.frame(self.working.seq_low, self.working.off_head)?))
    }

    /// The newest frame.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is damaged.
    pub fn tail(&self) -> Result<Option<FrameHeader>, Error> {
        if self.working.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.frame(self.working.seq_high, self.working.off_tail)?))
    }

    /// The frame after `from`; the oldest one if `from` and its successors are gone.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is damaged.
    pub fn next(&self, from: &FrameHeader) -> Result<Option<FrameHeader>, Error> {
        if self.working.is_empty() || from.seq >= self.working.seq_high {
            return Ok(None);
        }
        if from.seq < self.working.seq_low {
            return self.head();
        }
        // The stored link, not the one in `from`, which may be from before the successor existed.
        let link = self.frame(from.seq, from.off)?.next_off;
        Ok(Some(self.frame(from.seq + 1, link)?))
    }

    /// The frame before `from`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is damaged.
    pub fn prev(&self, from: &FrameHeader) -> Result<Option<FrameHeader>, Error> {
        if self.working.is_empty() || from.seq <= self.working.seq_low {
            return Ok(None);
        }
        Ok(Some(self.frame(from.seq - 1, from.prev_off)?))
    }

    /// The live frame at this offset.
    ///
    /// # Errors
    /// [`Error::NoFrame`] if none starts there.
    pub fn at(&self, offset: u64) -> Result<FrameHeader, Error> {
        let none = Error::NoFrame { offset };
        if !crate::state::offset_is_sound(offset, self.topic.limit()) {
            return Err(none);
        }
        let seq = self.topic.mem().load_u64(frame::seq(offset), Relaxed);
        let live = !self.working.is_empty() && (self.working.seq_low..=self.working.seq_high).contains(&seq);
        if !live {
            return Err(none);
        }
        let found = self.frame(seq, offset).map_err(|_| none)?;
        // A frame that was never committed leaves a header behind whose number was used again elsewhere, and data can
        // look like a header: the neighbours must know this frame.
        let linked = if seq == self.working.seq_high {
            self.working.off_tail == offset
        } else {
            self.frame(seq + 1, found.next_off).is_ok_and(|next| next.prev_off == offset)
        };
        if linked { Ok(found) } else { Err(none) }
    }

    /// Copies a frame's data; gives the number of bytes.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    ///
    /// # Panics
    /// If the frame was not found through this lock and reaches outside the memory.
    pub fn read(&self, frame: &FrameHeader, into: &mut [u8]) -> Result<usize, Error> {
        let too_small = Error::BufferTooSmall { size: frame.data_size };
        let len = usize::try_from(frame.data_size).map_err(|_| too_small)?;
        self.topic.mem().read(frame.data(), into.get_mut(..len).ok_or(too_small)?);
        Ok(len)
    }

    /// The memory, for access to data in place.
    pub fn mem(&self) -> &'t M {
        self.topic.mem()
    }

    /// Releases the lock, once and for all.
    #[inline(always)]
    fn release(&mut self) {
        let mem = self.topic.mem();
        if self.touched {
            State::refresh_working_page(mem);
            self.mark_foreign_users();
        }
        self.topic.lock_backend().unlock(mem);
        if self.touched {
            self.topic.wake_sleepers();
        }
    }

    /// Notices 0.3 programs, which leave a link in the lock's words.
    #[inline(always)]
    fn mark_foreign_users(&self) {
        let mem = self.topic.mem();
        if mem.load_u64(header::MUTEX_PREV, Relaxed) != 0 {
            // The mark before the link: a reader that looks in between must find at least one of them.
            mem.store_u32(header::FOREIGN, 1, Release);
            mem.store_u64(header::MUTEX_PREV, 0, Release);
        }
    }
}

impl<M: Mem, L: Lock<M>> Drop for Locked<'_, M, L> {
    #[inline(always)]
    fn drop(&mut self) {
        self.release();
    }
}

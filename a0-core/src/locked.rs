//! Taking the lock, and what its holder can do: allocate, commit, clear, resize, walk.

mod commit;
mod held_lock;
pub(crate) mod loan;
mod slot;

use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use commit::Draft;
use held_lock::HeldLock;
pub use slot::Slot;

use crate::error::{Corruption, Error, LockError};
use crate::frame::FrameHeader;
use crate::layout::{WORKSPACE, frame, header, page};
use crate::lock::{Acquired, Lock};
use crate::mem::Mem;
use crate::state::State;
use crate::transport::Transport;

/// Tries at a consistent snapshot before the lock is tried for it.
const SNAPSHOT_TRIES: u32 = 1000;

/// Tries at the lock for a snapshot: writers that are so fast hold it most of the time.
const LOCK_TRIES: u32 = 16;

/// A locked topic; dropping it releases the lock and wakes sleeping readers if anything was committed.
///
/// Frames that were allocated but not committed vanish without a trace when this is dropped, and also when the process
/// dies.
///
/// The lock belongs to the thread that took it. In a child that was forked meanwhile, this must only be dropped, which
/// does nothing there; and it cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// # let mut bytes = [0; 1024];
/// # let topic = a0_core::Transport::open(a0_core::SliceMem::new(&mut bytes).unwrap(), a0_core::Unshared).unwrap();
/// send(topic.lock(None).unwrap());
/// ```
#[derive(Debug)]
#[must_use = "dropping it releases the lock"]
pub struct Locked<'t, M: Mem, L: Lock<M>> {
    held: HeldLock<'t, M, L>,
    draft: Draft,
}

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Takes the lock, waiting at most `timeout` (`None`: as long as it takes).
    ///
    /// If the last holder died, what it had not committed is void, and everybody asleep is woken when this lock is
    /// released.
    ///
    /// # Errors
    /// [`Error::Lock`].
    #[inline(always)]
    pub fn lock(&self, timeout: Option<Duration>) -> Result<Locked<'_, M, L>, Error> {
        Ok(self.acquire(timeout)?)
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// [`Error::Lock`].
    pub fn try_lock(&self) -> Result<Option<Locked<'_, M, L>>, Error> {
        Ok(self.lock_backend().try_lock(self.mem())?.map(|how| Locked::new(self, how)))
    }

    #[inline(always)]
    pub(crate) fn acquire(&self, timeout: Option<Duration>) -> Result<Locked<'_, M, L>, LockError> {
        // A polling reader may have these lines; fetched now, they arrive while the lock is taken, not one after the other.
        self.mem().prefetch_for_write(page::off_head(1).offset());
        self.mem().prefetch_for_write(header::COMMITTED_PAGE.offset());
        // Guard Lock.
        let how = self.lock_backend().lock(self.mem(), timeout)?;
        Ok(Locked::new(self, how))
    }

    /// The committed state, without taking the lock unless writers are so fast that no snapshot succeeds. Never waits.
    ///
    /// # Errors
    /// [`Error::Contended`] if that happens while somebody holds the lock, or to a reader that cannot lock; [`Error::Lock`].
    pub fn state(&self) -> Result<State, Error> {
        for _ in 0..LOCK_TRIES {
            for _ in 0..SNAPSHOT_TRIES {
                if let Some(state) = State::snapshot(self.mem()) {
                    return Ok(state);
                }
            }
            match self.try_lock() {
                Ok(Some(locked)) => return Ok(locked.state()),
                Ok(None) => {}
                Err(Error::Lock(LockError::ReadOnly)) => break,
                Err(other) => return Err(other),
            }
        }
        Err(Error::Contended)
    }
}

impl<'t, M: Mem, L: Lock<M>> Locked<'t, M, L> {
    #[inline(always)]
    pub(crate) fn new(topic: &'t Transport<M, L>, how: Acquired) -> Self {
        Locked { held: HeldLock::new(topic, how), draft: Draft::of_committed(topic.mem()) }
    }

    #[inline(always)]
    pub(crate) fn topic(&self) -> &'t Transport<M, L> {
        self.held.topic()
    }

    /// Looks at the committed state again, because it was not there when the lock was taken.
    pub(crate) fn reload(&mut self) {
        self.draft = Draft::of_committed(self.mem());
    }

    /// The state with everything allocated so far.
    #[inline]
    pub fn state(&self) -> State {
        self.draft.state
    }

    /// The state that readers see.
    pub fn committed(&self) -> State {
        Draft::of_committed(self.mem()).state
    }

    /// End of the used part of the arena, in bytes from its start.
    pub fn used_space(&self) -> u64 {
        self.state().high_water_mark
    }

    fn frame(&self, seq: u64, off: u64) -> Result<FrameHeader, Corruption> {
        self.topic().sound_frame(&self.draft.state, seq, off)
    }

    /// Whether allocating a frame of `size` data bytes would evict others.
    ///
    /// # Errors
    /// [`Error::FrameTooLarge`]; [`Error::Corrupt`] if the list of frames is damaged (allocating would repair it).
    pub fn alloc_evicts(&self, size: u64) -> Result<bool, Error> {
        self.draft.alloc_evicts(self.topic(), size)
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
        let plan = self.draft.alloc(&mut self.held, size)?;
        Ok(Slot { mem: self.mem(), seq: plan.seq, data: plan.data(), size })
    }

    /// Makes everything allocated so far visible to readers, all at once.
    #[inline(always)]
    pub fn commit(&mut self) {
        self.draft.commit(&mut self.held);
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

    /// Does what [`Locked::push`] does, and releases the lock: a little faster than one after the other.
    ///
    /// # Errors
    /// As [`Locked::alloc`].
    #[inline(always)]
    pub fn publish(self, data: &[u8]) -> Result<u64, Error> {
        let Locked { mut held, mut draft } = self;
        let plan = draft.alloc(&mut held, data.len() as u64)?;
        held.topic().mem().write(plan.data(), data);
        draft.commit_and_release(held);
        Ok(plan.seq)
    }

    /// Removes all frames. Sequence numbers go on from where they are.
    ///
    /// # Errors
    /// [`Error::SequenceExhausted`].
    pub fn clear(&mut self) -> Result<(), Error> {
        self.draft.state = self.state().cleared().ok_or(Error::SequenceExhausted)?;
        self.commit();
        Ok(())
    }

    /// Changes the number of usable bytes, at once. The memory itself keeps its size.
    ///
    /// # Errors
    /// [`Error::BadResize`] below what is used or above what exists.
    pub fn resize(&mut self, size: u64) -> Result<(), Error> {
        let (used, mapped) = (self.used_space(), self.mem().size());
        if size < used || size < WORKSPACE || size > mapped {
            return Err(Error::BadResize { size, used, mapped });
        }
        self.mem().store_u64(header::ARENA_SIZE, size, Relaxed);
        Ok(())
    }

    /// The oldest frame.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is damaged.
    pub fn head(&self) -> Result<Option<FrameHeader>, Error> {
        if self.state().is_empty() {
            return Ok(None);
        }
        Ok(Some(self.frame(self.state().seq_low, self.state().off_head)?))
    }

    /// The newest frame.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is damaged.
    pub fn tail(&self) -> Result<Option<FrameHeader>, Error> {
        if self.state().is_empty() {
            return Ok(None);
        }
        Ok(Some(self.frame(self.state().seq_high, self.state().off_tail)?))
    }

    /// The frame after `from`; the oldest one if `from` and its successors are gone.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is damaged.
    pub fn next(&self, from: &FrameHeader) -> Result<Option<FrameHeader>, Error> {
        if self.state().is_empty() || from.seq >= self.state().seq_high {
            return Ok(None);
        }
        if from.seq < self.state().seq_low {
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
        if self.state().is_empty() || from.seq <= self.state().seq_low {
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
        if !crate::state::offset_is_sound(offset, self.topic().limit()) {
            return Err(none);
        }
        let seq = self.mem().load_u64(frame::seq(offset), Relaxed);
        let live = !self.state().is_empty() && (self.state().seq_low..=self.state().seq_high).contains(&seq);
        if !live {
            return Err(none);
        }
        let found = self.frame(seq, offset).map_err(|_| none)?;
        // A frame that was never committed leaves a header behind whose number was used again elsewhere, and data can
        // look like a header: the neighbours must know this frame.
        let linked = if seq == self.state().seq_high {
            self.state().off_tail == offset
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
        self.mem().read(frame.data(), into.get_mut(..len).ok_or(too_small)?);
        Ok(len)
    }

    /// The memory, for access to data in place.
    #[inline(always)]
    pub fn mem(&self) -> &'t M {
        self.topic().mem()
    }
}

//! What the holder of the lock makes of a topic: allocate, commit.

use core::sync::atomic::Ordering::{Relaxed, Release};

use super::HeldLock;
use crate::error::Error;
use crate::frame::FrameHeader;
use crate::layout::{frame, header};
use crate::lock::Lock;
use crate::mem::Mem;
use crate::plan::Plan;
use crate::state::State;
use crate::transport::Transport;

/// Bytes that processors exchange at a time.
const CACHE_LINE: u64 = 64;

/// A state on its way to be committed. Only its commit touches the state pages.
#[derive(Debug)]
pub(super) struct Draft {
    /// The committed state plus what was allocated since.
    pub(super) state: State,
    /// Index of the page that is not the committed one. Nobody changes that while the lock is held.
    spare: u8,
    /// Whether the state lost frames that are still committed, to a repair.
    repaired: bool,
}

impl Draft {
    /// What is committed, so far.
    #[inline(always)]
    pub(super) fn of_committed<M: Mem>(mem: &M) -> Draft {
        // Relaxed: taking the lock has ordered us behind the last writer.
        let committed = mem.load_u8(header::COMMITTED_PAGE, Relaxed);
        Draft { state: State::load_page(mem, committed), spare: u8::from(committed == 0), repaired: false }
    }

    pub(super) fn alloc_evicts<M: Mem, L: Lock<M>>(&self, topic: &Transport<M, L>, size: u64) -> Result<bool, Error> {
        Ok(plan(topic, &self.state, size)?.evicts(&self.state))
    }

    /// Allocates a frame with `size` data bytes, and evicts what is in its way. What is returned says where it is.
    #[inline(always)]
    pub(super) fn alloc<M: Mem, L: Lock<M>>(
        &mut self,
        held: &mut HeldLock<'_, M, L>,
        size: u64,
    ) -> Result<Plan, Error> {
        let plan = match plan(held.topic(), &self.state, size) {
            Err(Error::Corrupt(_)) => {
                let (salvaged, plan) = plan_after_repair(held.topic(), self.state, size)?;
                (self.state, self.repaired) = (salvaged, true);
                plan
            }
            plan => plan?,
        };
        let mem = held.topic().mem();
        let (slot, seq) = (plan.slot, plan.seq);
        // All at once instead of one after the other as they are stored to; readers may have each of them.
        for line in [plan.evicted.off_tail, slot, slot + CACHE_LINE] {
            mem.prefetch_for_write(line);
        }
        if plan.evicts(&self.state) || self.repaired {
            // Guards EvictionCommit, Validation: before a byte of an evicted frame changes, readers must be able to find out
            // that it is gone.
            self.state = plan.evicted;
            self.commit(held);
        }
        let previous = if plan.evicted.is_empty() { 0 } else { plan.evicted.off_tail };
        // In this order: seq, off, next_off, prev_off, data_size.
        mem.store_words(frame::seq(slot), [seq, slot, 0, previous, size]);
        if previous != 0 {
            // Readers follow the link only up to the committed sequence number, so it may come before the commit.
            // Release keeps it behind the header it leads to, for a reader that cached an older state.
            mem.store_u64(frame::next_off(previous), slot, Release);
        }
        self.state = plan.allocated();
        Ok(plan)
    }

    /// Makes this the committed state.
    #[inline(always)]
    pub(super) fn commit<M: Mem, L: Lock<M>>(&mut self, held: &mut HeldLock<'_, M, L>) {
        held.touch();
        self.state.commit(held.topic().mem(), self.spare);
        self.spare ^= 1;
        self.repaired = false;
    }

    /// Makes this the committed state and releases the lock. Guard PayloadBeforeCommit: what is in the frames was stored before.
    #[inline(always)]
    pub(super) fn commit_and_release<M: Mem, L: Lock<M>>(mut self, mut held: HeldLock<'_, M, L>) {
        self.commit(&mut held);
        held.release(&self.state, self.spare);
    }
}

/// Plans a frame in this state.
#[inline(always)]
fn plan<M: Mem, L: Lock<M>>(topic: &Transport<M, L>, state: &State, size: u64) -> Result<Plan, Error> {
    let limit = topic.limit();
    Plan::new(state, limit, size, |seq, off| FrameHeader::load(topic.mem(), seq, off, limit))
}

/// Plans a frame in what can be saved of a damaged state, and gives both.
#[cold]
#[inline(never)]
fn plan_after_repair<M: Mem, L: Lock<M>>(
    topic: &Transport<M, L>,
    damaged: State,
    size: u64,
) -> Result<(State, Plan), Error> {
    let salvaged = damaged.salvaged(topic.limit(), |seq, off| topic.sound_frame(&damaged, seq, off))?;
    match plan(topic, &salvaged, size) {
        Err(Error::Corrupt(_)) => {
            let cleared = damaged.cleared().ok_or(Error::SequenceExhausted)?;
            Ok((cleared, plan(topic, &cleared, size)?))
        }
        plan => Ok((salvaged, plan?)),
    }
}

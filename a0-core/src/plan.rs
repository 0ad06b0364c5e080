//! Where the next frame goes and what has to leave for it: pure functions of a [`State`].

use crate::error::{Corruption, Error};
use crate::frame::FrameHeader;
use crate::layout::{FRAME_HEADER, WORKSPACE, align16};
use crate::state::{State, offset_is_sound};

/// What one allocation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Offset of the new frame.
    pub(crate) slot: u64,
    /// Offset behind its data.
    end: u64,
    /// Its sequence number.
    pub(crate) seq: u64,
    /// The state without the frames that are in the way.
    pub(crate) evicted: State,
}

impl Plan {
    /// Plans a frame with `size` data bytes in an arena of `arena` bytes. `frame` looks up the frame with a given
    /// sequence number at a given offset.
    #[inline(always)]
    pub(crate) fn new(
        state: &State,
        arena: u64,
        size: u64,
        frame: impl Fn(u64, u64) -> Result<FrameHeader, Corruption>,
    ) -> Result<Plan, Error> {
        let too_large = Error::FrameTooLarge { size, max: arena.saturating_sub(WORKSPACE + FRAME_HEADER) };
        let need = size.checked_add(FRAME_HEADER).ok_or(too_large)?;
        let seq = state.seq_high.checked_add(1).ok_or(Error::SequenceExhausted)?;
        if state.is_empty() {
            let end = WORKSPACE.checked_add(need).filter(|end| *end <= arena).ok_or(too_large)?;
            // What a state without frames says about them is not believed: it would outlive them.
            let evicted = State { seq_low: state.seq_low, seq_high: state.seq_high, ..State::FRESH };
            return Ok(Plan { slot: WORKSPACE, end, seq, evicted });
        }
        let tail = frame(state.seq_high, state.off_tail)?;

        // The end of a frame behind the tail must stay below the arena's end; a frame at the start may reach it.
        // The difference is 0.3's and part of the format: both sides must place every frame alike.
        let slot = match align16(tail.end()) {
            Some(off) if off.checked_add(need).is_some_and(|end| end < arena) => off,
            _ => WORKSPACE,
        };
        let end = slot.checked_add(need).filter(|end| *end <= arena).ok_or(too_large)?;

        // At most the arena, whatever a damaged page said before.
        let mut evicted = State { high_water_mark: state.high_water_mark.min(arena), ..*state };
        loop {
            // The ring has wrapped twice: the frames between the head and the end of the arena come before the
            // ones that the slot overlaps, so they must leave first.
            let wrapped_twice = tail.off < evicted.off_head && slot == WORKSPACE;
            // A head that starts behind the slot stays, whatever its header says.
            if end <= evicted.off_head && !wrapped_twice && offset_is_sound(evicted.off_head, arena) {
                break;
            }
            let head = frame(evicted.seq_low, evicted.off_head)?;
            let overlaps = slot < head.end() && head.off < end;
            if !overlaps && !wrapped_twice {
                break;
            }
            if evicted.seq_low == evicted.seq_high {
                evicted = State { seq_low: seq, seq_high: state.seq_high, ..State::FRESH };
                break;
            }
            // Cannot overflow: below `seq_high`.
            evicted.seq_low += 1;
            evicted.off_head = head.next_off;
            if evicted.high_water_mark == head.end() {
                evicted.high_water_mark = tail.end();
            }
        }
        Ok(Plan { slot, end, seq, evicted })
    }

    /// Returns the offset of the new frame's data.
    #[inline(always)]
    pub(crate) fn data(&self) -> u64 {
        self.slot + FRAME_HEADER
    }

    /// The state with the new frame.
    #[inline(always)]
    pub(crate) fn allocated(&self) -> State {
        let Plan { slot, end, seq, evicted } = *self;
        let (seq_low, off_head) = if evicted.is_empty() { (seq, slot) } else { (evicted.seq_low, evicted.off_head) };
        let high_water_mark = evicted.high_water_mark.max(end);
        State { seq_low, seq_high: seq, off_head, off_tail: slot, high_water_mark }
    }

    /// Whether frames have to leave: each one that leaves advances `seq_low`.
    #[inline]
    pub(crate) fn evicts(&self, state: &State) -> bool {
        self.evicted.seq_low != state.seq_low
    }
}

impl State {
    /// The longest run of sound frames that ends at the newest one: what can be saved of a damaged list.
    ///
    /// Older cores overwrite live frames in rare size patterns, so a broken list is not proof of malice.
    pub(crate) fn salvaged(
        &self,
        arena: u64,
        frame: impl Fn(u64, u64) -> Result<FrameHeader, Corruption>,
    ) -> Result<State, Error> {
        let tail = if self.is_empty() { None } else { frame(self.seq_high, self.off_tail).ok() };
        let Some(mut oldest) = tail else {
            return self.cleared().ok_or(Error::SequenceExhausted);
        };
        let mut end = oldest.end();
        // Ends: the sequence number falls with every step, and each step needs a frame that bears that number.
        while oldest.seq > self.seq_low {
            match frame(oldest.seq - 1, oldest.prev_off) {
                Ok(older) if older.next_off == oldest.off => oldest = older,
                _ => break,
            }
            end = end.max(oldest.end());
        }
        let known = self.high_water_mark >= end && self.high_water_mark <= arena;
        Ok(State {
            seq_low: oldest.seq,
            off_head: oldest.off,
            high_water_mark: if known { self.high_water_mark } else { end },
            ..*self
        })
    }
}

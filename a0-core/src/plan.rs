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
    /// The state without the frames that are in the way.
    pub(crate) evicted: State,
    /// The state with the new frame.
    pub(crate) allocated: State,
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
        let tail = if state.is_empty() { None } else { Some(frame(state.seq_high, state.off_tail)?) };

        // The end of a frame behind the tail must stay below the arena's end; a frame at the start may reach it.
        // The difference is 0.3's and part of the format: both sides must place every frame alike.
        let behind_tail = tail.and_then(|tail| align16(tail.end()));
        let slot = match behind_tail {
            Some(off) if off.checked_add(need).is_some_and(|end| end < arena) => off,
            _ => WORKSPACE,
        };
        let end = slot.checked_add(need).filter(|end| *end <= arena).ok_or(too_large)?;

        // What a state without frames says about them is not believed: it would outlive them.
        let mut evicted = if tail.is_none() {
            State { seq_low: state.seq_low, seq_high: state.seq_high, ..State::FRESH }
        } else {
            *state
        };
        if let Some(tail) = tail {
            while !evicted.is_empty() {
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
                evicted = evicted.without_head(&head, &tail)?;
            }
        }

        let mut allocated = evicted;
        allocated.seq_high = allocated.seq_high.checked_add(1).ok_or(Error::SequenceExhausted)?;
        if evicted.is_empty() {
            allocated.seq_low = allocated.seq_high;
            allocated.off_head = slot;
        }
        allocated.off_tail = slot;
        // At most the arena, whatever a damaged page said before.
        allocated.high_water_mark = allocated.high_water_mark.max(end).min(arena);
        Ok(Plan { slot, evicted, allocated })
    }

    /// Whether frames have to leave: each one that leaves advances `seq_low`.
    #[inline]
    pub(crate) fn evicts(&self, state: &State) -> bool {
        self.evicted.seq_low != state.seq_low
    }
}

impl State {
    #[inline(always)]
    fn without_head(self, head: &FrameHeader, tail: &FrameHeader) -> Result<State, Error> {
        let seq_low = self.seq_low.checked_add(1).ok_or(Error::SequenceExhausted)?;
        if self.seq_low == self.seq_high {
            return Ok(State { seq_low, seq_high: self.seq_high, ..State::FRESH });
        }
        let high_water_mark = if self.high_water_mark == head.end() { tail.end() } else { self.high_water_mark };
        Ok(State { seq_low, off_head: head.next_off, high_water_mark, ..self })
    }

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

//! Reading beside programs whose core overwrites frames that it has not evicted.
//!
//! Cores before 0.3.15 (the Python package 0.3.17 has one) lack one rule: when the ring wraps a second time, the frames between
//! the oldest one and the end of the arena must leave first. Such a writer looks at the oldest frame only, finds it out of
//! the way, and overwrites newer frames at the start of the arena, which the committed state still calls live. It copies
//! the data as `memcpy` likes, backwards for example: then a frame's header is the last that it overwrites. Its count of
//! the oldest frame stays too low from then on, so that frames that it does evict look live, too. And if it dies, the next
//! owner of the lock takes back what it had in the working page.
//!
//! What remains true: **every allocation stores the header of its frame before the first byte of its data**, nothing else is
//! ever stored where the first frame of a lap has its header, and a new lap begins there. So as long as the frame at the start
//! of the arena is not newer than a frame, not a byte of that frame was overwritten, by whomever: it is of the newest lap. That
//! is one load, of a cache line that was just looked at for the state.
//!
//! A frame of the lap before is vouched for by places instead of numbers: it must lie between the oldest and the newest
//! frame of the committed state, not in front of the oldest one, and the oldest one must not be newer than itself.

use core::sync::atomic::Ordering::{Acquire, Relaxed};

use crate::error::Corruption;
use crate::frame::FrameHeader;
use crate::layout::{WORKSPACE, frame};
use crate::lock::Lock;
use crate::mem::Mem;
use crate::state::{State, offset_is_sound};
use crate::transport::Transport;

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Whether no 0.3 program has overwritten this frame without evicting it, until now. Call it behind an acquire fence that
    /// is behind the copy.
    #[inline(always)]
    pub(super) fn is_untouched(&self, seq: u64, off: u64, size: u64) -> bool {
        // Guards NewestLap, ForeignMark.
        self.is_of_newest_lap(seq) || !self.has_foreign_users() || self.is_vouched_for(seq, off, size)
    }

    /// Whether the frame at the start of the arena is not newer: guard NewestLap. It has no number for a moment while it is made.
    #[inline(always)]
    fn is_of_newest_lap(&self, seq: u64) -> bool {
        let first = self.mem().load_u64(frame::seq(WORKSPACE), Relaxed);
        first.wrapping_sub(1) < seq
    }

    #[cold]
    #[inline(never)]
    fn is_vouched_for(&self, seq: u64, off: u64, size: u64) -> bool {
        let mem = self.mem();
        let Some(state) = State::snapshot(mem) else { return false };
        // Guard AcquireFences. Orders the state before the headers: whatever was overwritten by then, they are.
        mem.fence(Acquire);
        let [found_seq, found_off, _, _, found_size] = mem.load_words(frame::seq(off));
        self.lies_in(&state, seq, off) && (found_seq, found_off, found_size) == (seq, off, size)
    }

    /// Whether the state has a place for a frame of the lap before the newest.
    fn lies_in(&self, state: &State, seq: u64, off: u64) -> bool {
        let State { off_head: head, off_tail: tail, .. } = *state;
        if state.is_empty() || !offset_is_sound(head, self.mem().size()) || off < head || (head <= tail && off > tail) {
            return false;
        }
        let [oldest, place, ..] = self.mem().load_words(frame::seq(head));
        place == head && oldest.wrapping_sub(1) < seq
    }

    /// Reads and checks the header of a live frame of this state, which must be the committed one, or the one that the holder
    /// of the lock is making of it.
    pub(crate) fn sound_frame(&self, state: &State, seq: u64, off: u64) -> Result<FrameHeader, Corruption> {
        let found = FrameHeader::load(self.mem(), seq, off, self.limit())?;
        if self.is_of_newest_lap(seq) || !self.has_foreign_users() || self.lies_in(state, seq, off) {
            return Ok(found);
        }
        Err(Corruption::Frame { seq, offset: off, field: "overwritten by a program that had not evicted it" })
    }

    /// The number of the oldest frame, for a reader that wants this one. Beside a core that has once overwritten what it had not
    /// evicted, the state's own is too low, and the frame itself says so.
    #[cold]
    #[inline(never)]
    pub(super) fn oldest_number(&self, state: State, want: u64) -> u64 {
        // A state can claim frames where there is no room for any.
        let has_room = offset_is_sound(WORKSPACE, self.mem().size());
        if !has_room || self.is_of_newest_lap(want) || !self.has_foreign_users() {
            return state.seq_low;
        }
        let (mem, State { off_head: head, off_tail: tail, .. }) = (self.mem(), state);
        let header = |off| offset_is_sound(off, mem.size()).then(|| mem.load_words(frame::seq(off)));
        let Some([seq, place, next, ..]) = header(head) else { return state.seq_low };
        // What a dead writer has left there bears a number that was given again. But nothing follows it.
        let followed =
            || header(next).is_some_and(|[after, _, _, before, _]| (after, before) == (seq.wrapping_add(1), head));
        let live = (state.seq_low..=state.seq_high).contains(&seq) && place == head;
        if live && (if head == tail { seq == state.seq_high } else { followed() }) { seq } else { state.seq_low }
    }
}

//! Frame headers, never trusted.

use crate::error::Corruption;
use crate::layout::{FRAME_HEADER, frame};
use crate::mem::Mem;
use crate::state::offset_is_sound;

/// The 40 bytes in front of a frame's data, read once and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the format says what is in it")]
pub struct FrameHeader {
    /// Sequence number; the first frame of a topic has 1.
    pub seq: u64,
    /// The frame's own offset.
    pub off: u64,
    /// Offset of the next newer frame. Stale or 0 in the newest one.
    pub next_off: u64,
    /// Offset of the next older frame. Stale or 0 in the oldest one.
    pub prev_off: u64,
    /// Bytes of data.
    pub data_size: u64,
}

impl FrameHeader {
    /// Reads the header of frame `seq` at `off` in an arena of `limit` bytes, which must not exceed the memory.
    ///
    /// Every word is loaded exactly once, so what was checked is what is used.
    ///
    /// # Errors
    /// [`Corruption::Frame`] naming the first word that cannot be right.
    #[inline(always)]
    pub fn load<M: Mem + ?Sized>(mem: &M, seq: u64, off: u64, limit: u64) -> Result<FrameHeader, Corruption> {
        let bad = |field| Err(Corruption::Frame { seq, offset: off, field });
        if !offset_is_sound(off, limit) {
            return bad("the offset itself");
        }
        let [found_seq, found_off, next_off, prev_off, data_size] = mem.load_words(frame::seq(off));
        if found_seq != seq {
            return bad("seq");
        }
        if found_off != off {
            return bad("off");
        }
        if data_size > limit - off - FRAME_HEADER {
            return bad("data_size");
        }
        Ok(FrameHeader { seq, off, next_off, prev_off, data_size })
    }

    /// Offset of the first data byte.
    #[inline]
    pub fn data(&self) -> u64 {
        self.off + FRAME_HEADER
    }

    /// Offset behind the last data byte.
    #[inline]
    pub fn end(&self) -> u64 {
        self.data() + self.data_size
    }
}

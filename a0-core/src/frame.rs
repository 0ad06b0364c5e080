//! Frame headers, never trusted.

use core::sync::atomic::Ordering::Relaxed;

use crate::error::Corruption;
use crate::layout::{FRAME_HEADER, frame};
use crate::mem::Mem;
use crate::state::offset_is_sound;

/// The 40 bytes in front of a frame's data, read once and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
    #[inline]
    pub fn load<M: Mem + ?Sized>(mem: &M, seq: u64, off: u64, limit: u64) -> Result<FrameHeader, Corruption> {
        let bad = |field| Err(Corruption::Frame { seq, offset: off, field });
        if !offset_is_sound(off, limit) {
            return bad("the offset itself");
        }
        let header = FrameHeader {
            seq: mem.load_u64(frame::seq(off), Relaxed),
            off: mem.load_u64(frame::off(off), Relaxed),
            next_off: mem.load_u64(frame::next_off(off), Relaxed),
            prev_off: mem.load_u64(frame::prev_off(off), Relaxed),
            data_size: mem.load_u64(frame::data_size(off), Relaxed),
        };
        if header.seq != seq {
            return bad("seq");
        }
        if header.off != off {
            return bad("off");
        }
        if header.data_size > limit - off - FRAME_HEADER {
            return bad("data_size");
        }
        Ok(header)
    }

    /// Offset of the first data byte.
    pub fn data(&self) -> u64 {
        self.off + FRAME_HEADER
    }

    /// Offset behind the last data byte.
    pub fn end(&self) -> u64 {
        self.data() + self.data_size
    }
}

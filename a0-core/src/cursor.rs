//! A reader's place in a topic, and what a read at it asks for and gives.

use crate::error::Error;
use crate::layout::FRAME_HEADER;
use crate::lock::Lock;
use crate::mem::Mem;
use crate::state::State;
use crate::transport::Transport;

/// Which frame a read takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Select {
    /// The one after the last one read, or the oldest one left if that is gone.
    Next,
    /// The newest one.
    Newest,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Received {
    /// Sequence number of the frame.
    pub seq: u64,
    /// Offset of the frame's data; it may be gone by now.
    pub offset: u64,
    /// Bytes of data, at the start of the buffer.
    pub len: usize,
    /// Frames between the one read before and this one: overwritten too early ([`Select::Next`]) or passed over
    /// ([`Select::Newest`]).
    pub missed: u64,
}

/// A reader's place in a topic: the last frame it has read. Costs nobody else anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Sequence number of the last frame read, or the one before the first to read.
    pub(crate) seq: u64,
    pub(crate) link: Link,
    /// A sequence number known to be committed; up to there no look at the state is needed.
    pub(crate) known_high: u64,
    /// Damaged or cleared frames that were passed over since the last frame read.
    pub(crate) skipped: u64,
}

/// What leads to frame `seq + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// The `next_off` of the frame at this offset, which is frame `seq`.
    After(u64),
    /// It is at this offset itself.
    At(u64),
    /// Only the state.
    Unknown,
}

impl Cursor {
    /// Before the oldest frame there is.
    ///
    /// # Errors
    /// As [`Transport::state`].
    pub fn oldest<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) -> Result<Cursor, Error> {
        Ok(Cursor::before_oldest(&topic.state()?))
    }

    /// Before the newest frame there is.
    ///
    /// # Errors
    /// As [`Transport::state`].
    pub fn newest<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) -> Result<Cursor, Error> {
        Ok(Cursor::before_newest(&topic.state()?))
    }

    /// Behind the newest frame there is.
    ///
    /// # Errors
    /// As [`Transport::state`].
    pub fn end<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) -> Result<Cursor, Error> {
        Ok(Cursor::behind_newest(&topic.state()?))
    }

    /// Before the oldest frame of a state that was just taken.
    pub fn before_oldest(state: &State) -> Cursor {
        if state.is_empty() {
            return Cursor::behind_newest(state);
        }
        let seq = state.seq_low.saturating_sub(1);
        Cursor { seq, link: Link::At(state.off_head), known_high: state.seq_high, skipped: 0 }
    }

    /// Before the newest frame of a state that was just taken.
    pub fn before_newest(state: &State) -> Cursor {
        if state.is_empty() {
            return Cursor::behind_newest(state);
        }
        let seq = state.seq_high - 1;
        Cursor { seq, link: Link::At(state.off_tail), known_high: state.seq_high, skipped: 0 }
    }

    /// Behind the newest frame of a state that was just taken.
    pub fn behind_newest(state: &State) -> Cursor {
        let link = if state.is_empty() { Link::Unknown } else { Link::After(state.off_tail) };
        Cursor { seq: state.seq_high, link, known_high: state.seq_high, skipped: 0 }
    }

    /// Sequence number of the last frame read, or the one before the first frame to read.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The place right behind a frame that was read in one batch with those that this place is behind of.
    #[inline]
    pub fn behind(&self, received: &Received) -> Cursor {
        let link = Link::After(received.offset.wrapping_sub(FRAME_HEADER));
        Cursor { seq: received.seq, link, known_high: self.known_high, skipped: 0 }
    }

    /// Moves on to `seq` without having read what is in between.
    pub(crate) fn skip_to(&mut self, seq: u64, link: Link, known_high: u64) {
        let skipped = self.skipped.saturating_add(seq - self.seq);
        *self = Cursor { seq, link, known_high, skipped };
    }

    /// The state denies that there is more. In a damaged topic that can be less than was known before, and whoever waits
    /// must not take that for news for ever.
    #[inline(always)]
    pub(crate) fn knows_no_more(&mut self) {
        self.known_high = self.seq;
    }

    #[inline(always)]
    pub(crate) fn passed(&mut self, seq: u64, off: u64, known_high: u64) {
        *self = Cursor { seq, link: Link::After(off), known_high, skipped: 0 };
    }
}

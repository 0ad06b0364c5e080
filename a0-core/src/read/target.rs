//! Which frame is next.

use core::sync::atomic::Ordering::Acquire;

use crate::cursor::{Cursor, Link, Select};
use crate::error::{Corruption, Error};
use crate::layout::frame;
use crate::lock::Lock;
use crate::mem::Mem;
use crate::state::{State, offset_is_sound};
use crate::transport::Transport;

/// A frame that a read goes for.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) seq: u64,
    pub(super) off: u64,
    /// The offset is good if everything from this sequence number on was still there afterwards.
    pub(super) live_from: u64,
    pub(super) known_high: u64,
}

/// Why a try found no frame.
#[derive(Clone, Copy)]
pub(super) enum Miss {
    /// Writers kept changing the state.
    Busy,
    /// The frame was overwritten, or the state says that it was.
    Gone { seq: u64, off: u64 },
    /// The frame is not what it should be: because a writer was in the way, unless there is none.
    Damaged(Corruption),
}

impl Miss {
    pub(super) fn damaged(seq: u64, off: u64, field: &'static str) -> Miss {
        Miss::Damaged(Corruption::Frame { seq, offset: off, field })
    }
}

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Finds the frame to read; `None` if there is none yet, an error if a writer is in the way.
    #[inline(always)]
    pub(super) fn target(&self, cursor: &mut Cursor, select: Select) -> Result<Option<Target>, Miss> {
        let mem = self.mem();
        let Some(want) = cursor.seq.checked_add(1) else { return Ok(None) };
        if select == Select::Next && want <= cursor.known_high {
            // Known to be committed: no look at the state before the copy, only behind it.
            match cursor.link {
                Link::After(off) => return self.follow(off, want, cursor.known_high).map(Some),
                Link::At(off) => {
                    return Ok(Some(Target { seq: want, off, live_from: want, known_high: cursor.known_high }));
                }
                Link::Unknown => {}
            }
        } else if !State::may_have_news(mem, cursor.seq) {
            cursor.knows_no_more();
            return Ok(None);
        }
        let Some(state) = State::snapshot(mem) else { return Err(Miss::Busy) };
        if state.seq_high < want {
            cursor.knows_no_more();
            return Ok(None);
        }
        if state.is_empty() {
            // Cleared: what was not read is lost, and a poller must not take it for news for ever.
            cursor.skip_to(state.seq_high, Link::Unknown, 0);
            return Ok(None);
        }
        let at = |seq, off| Target { seq, off, live_from: seq, known_high: state.seq_high };
        if select == Select::Newest || want == state.seq_high {
            return Ok(Some(at(state.seq_high, state.off_tail)));
        }
        let oldest = self.oldest_number(state, want);
        Ok(Some(if want <= oldest {
            at(oldest, state.off_head)
        } else {
            match cursor.link {
                Link::After(off) => return self.follow(off, want, state.seq_high).map(Some),
                Link::At(off) => at(want, off),
                // The frame before was damaged, so nothing leads on from there.
                Link::Unknown => {
                    let found = self.oldest_reachable(&State { seq_low: want, ..state });
                    found.map_or(at(state.seq_high, state.off_tail), |(seq, off)| at(seq, off))
                }
            }
        }))
    }

    /// The frame `want`, by the link in its predecessor at `off`.
    #[inline(always)]
    fn follow(&self, off: u64, want: u64, known_high: u64) -> Result<Target, Miss> {
        if !offset_is_sound(off, self.mem().size()) {
            return Err(Miss::damaged(want - 1, off, "the offset itself"));
        }
        // Acquire: the header that the link leads to was stored before it.
        let next = self.mem().load_u64(frame::next_off(off), Acquire);
        Ok(Target { seq: want, off: next, live_from: want - 1, known_high })
    }

    /// Moves the cursor in front of the oldest frame it has not read that can be reached from the newest one, or else
    /// behind everything. That can be the very frame it looked for, if only the link to it is damaged. For when nobody writes:
    /// then what was missed is damage.
    pub(super) fn skip_damage(&self, cursor: &mut Cursor, miss: Miss) -> Error {
        let damage = match miss {
            Miss::Busy => return Error::Contended,
            Miss::Gone { seq, off } => {
                Corruption::Frame { seq, offset: off, field: "overwritten, though the state says that it is there" }
            }
            Miss::Damaged(damage) => damage,
        };
        let Some(state) = State::snapshot(self.mem()) else { return Error::Contended };
        let unread = State { seq_low: state.seq_low.max(cursor.seq.saturating_add(1)), ..state };
        let (seq, link, known_high) = match self.oldest_reachable(&unread) {
            // Known to be committed, so the next read goes there, whatever the state says about the oldest frame.
            Some((seq, off)) => (seq - 1, Link::At(off), seq),
            None => (state.seq_high.max(cursor.seq), Link::Unknown, 0),
        };
        cursor.skip_to(seq, link, known_high);
        Error::Corrupt(damage)
    }

    /// Sequence number and offset of the oldest frame of these that can be reached from the newest one.
    #[cold]
    fn oldest_reachable(&self, unread: &State) -> Option<(u64, u64)> {
        let found = unread.salvaged(self.limit(), |seq, off| self.sound_frame(unread, seq, off)).ok()?;
        (!found.is_empty()).then_some((found.seq_low, found.off_head))
    }
}

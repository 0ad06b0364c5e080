//! Walking everything that a topic holds, without a lock and without storing anything.

use core::sync::atomic::Ordering::{Acquire, Relaxed};

use thiserror::Error;

use crate::error::{Corruption, Error};
use crate::frame::FrameHeader;
use crate::layout::{WORKSPACE, header, page};
use crate::lock::Lock;
use crate::mem::Mem;
use crate::state::State;
use crate::topic_header::check_header;
use crate::transport::Transport;

/// Looks at both pages, all of which must show the same difference before it is believed: a writer that is just
/// unlocking explains a few of them.
const IDLE_LOOKS: u32 = 64;

/// Something in a topic that no correct program leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Problem {
    /// The header, the state or a frame is not what it must be.
    #[error("{0}")]
    Corrupt(Corruption),
    /// The two state pages differ although nobody is writing.
    #[error(
        "nobody holds the lock, yet the state pages differ: {field} is {committed} committed and {working} working"
    )]
    Pages {
        /// The first field that differs.
        field: &'static str,
        /// Its value in the committed page.
        committed: u64,
        /// Its value in the working page.
        working: u64,
    },
    /// The list of frames does not end where the state says.
    #[error("frame {seq} is the newest, but lies at offset {offset} instead of {tail}")]
    Tail {
        /// Sequence number of the newest frame.
        seq: u64,
        /// Where the list leads to.
        offset: u64,
        /// Where the state says that it is.
        tail: u64,
    },
    /// A frame's link to the next older one leads elsewhere than where that one is.
    #[error("frame {seq} says that its predecessor is at offset {link}, but that one is at {previous}")]
    BackLink {
        /// Sequence number of the frame.
        seq: u64,
        /// Where its link leads to.
        link: u64,
        /// Where its predecessor is.
        previous: u64,
    },
    /// A frame begins before another one ends, or lies where none can be.
    #[error(
        "frame {seq} at offset {offset} is in the place of others: it must start at {from} or later, or at {WORKSPACE}"
    )]
    Misplaced {
        /// Sequence number of the frame.
        seq: u64,
        /// Its offset.
        offset: u64,
        /// End of its predecessor.
        from: u64,
    },
    /// A frame reaches into the oldest one.
    #[error("frame {seq} ends at offset {end}, inside the oldest frame at {head}")]
    Overlap {
        /// Sequence number of the frame.
        seq: u64,
        /// Where it ends.
        end: u64,
        /// Where the oldest frame starts.
        head: u64,
    },
    /// A frame ends above the high water mark.
    #[error("frame {seq} ends at offset {end}, above the high water mark {mark}")]
    HighWaterMark {
        /// Sequence number of the frame.
        seq: u64,
        /// Where it ends.
        end: u64,
        /// The mark.
        mark: u64,
    },
}

/// What a verification has looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Verified {
    /// The state that was walked.
    pub state: State,
    /// Frames found sound on the way from the oldest to the newest one.
    pub frames: u64,
    /// Frames of that state that writers have overwritten before they were looked at.
    pub overwritten: u64,
    /// Problems reported.
    pub problems: u64,
}

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Checks the header, both state pages, every frame and every link, and reports what is wrong.
    ///
    /// Others may write meanwhile: what they evict before it was looked at is not reported, only counted, and what they
    /// add is not looked at. Takes time in proportion to the number of frames, whatever the memory holds.
    ///
    /// ```
    /// use a0_core::{SliceMem, Transport, Unshared};
    ///
    /// let mut bytes = [0; 1024];
    /// let topic = Transport::open(SliceMem::new(&mut bytes)?, Unshared)?;
    /// topic.lock(None)?.push(b"hello")?;
    /// let verified = topic.verify(|problem| panic!("{problem}"))?;
    /// assert_eq!((verified.frames, verified.problems), (1, 0));
    /// # Ok::<(), a0_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Transport::state`].
    pub fn verify(&self, report: impl FnMut(Problem)) -> Result<Verified, Error> {
        let mut walk = Walk { mem: self.mem(), limit: self.limit(), report, problems: 0 };
        if let Err(damage) = check_header(walk.mem) {
            // Without a header nothing else has a meaning.
            walk.found(Problem::Corrupt(damage));
            return Ok(Verified { state: State::FRESH, frames: 0, overwritten: 0, problems: walk.problems });
        }
        walk.pages();
        let state = self.state()?;
        let mut verified = Verified { state, frames: 0, overwritten: 0, problems: 0 };
        match state.check(walk.limit) {
            Err(damage) => walk.found(Problem::Corrupt(damage)),
            Ok(()) if state.is_empty() => {}
            Ok(()) => {
                let broken = walk.forwards(&mut verified);
                walk.backwards(&state, broken);
            }
        }
        verified.problems = walk.problems;
        Ok(verified)
    }
}

struct Walk<'m, M, R> {
    mem: &'m M,
    limit: u64,
    report: R,
    problems: u64,
}

impl<M: Mem, R: FnMut(Problem)> Walk<'_, M, R> {
    fn found(&mut self, problem: Problem) {
        self.problems += 1;
        (self.report)(problem);
    }

    /// Both pages are equal whenever nobody holds the lock.
    fn pages(&mut self) {
        let mut seen = None;
        for _ in 0..IDLE_LOOKS {
            let events = self.mem.load_u32(header::EVENTS, Acquire);
            let difference = self.page_difference();
            self.mem.fence(Acquire);
            let idle = self.mem.load_u32(header::LOCK_WORD, Relaxed) == 0
                && self.mem.load_u32(header::EVENTS, Relaxed) == events;
            if !idle || difference.is_none() || (seen.is_some() && seen != difference) {
                return;
            }
            seen = difference;
        }
        if let Some(problem) = seen {
            self.found(problem);
        }
    }

    fn page_difference(&self) -> Option<Problem> {
        let committed = u8::from(self.mem.load_u8(header::COMMITTED_PAGE, Acquire) != 0);
        let fields = [
            ("seq_low", page::seq_low as fn(u8) -> _),
            ("seq_high", page::seq_high),
            ("off_head", page::off_head),
            ("off_tail", page::off_tail),
            ("high_water_mark", page::high_water_mark),
        ];
        fields.into_iter().find_map(|(field, location)| {
            let [committed, working] =
                [committed, 1 - committed].map(|index| self.mem.load_u64(location(index), Relaxed));
            (committed != working).then_some(Problem::Pages { field, committed, working })
        })
    }

    /// The oldest sequence number that is certainly still there, for whatever was loaded before.
    fn low(&self) -> u64 {
        // If a load before saw a byte of a later frame, the state loaded behind the fence no longer has the old one.
        self.mem.fence(Acquire);
        State::validate_low(self.mem)
    }

    fn frame(&self, seq: u64, off: u64) -> Result<FrameHeader, Corruption> {
        FrameHeader::load(self.mem, seq, off, self.limit)
    }

    /// From the oldest frame to the newest. Gives what the walk ended at, if it did not get through.
    fn forwards(&mut self, verified: &mut Verified) -> Option<Corruption> {
        let state = verified.state;
        let mut off = state.off_head;
        let mut seq = state.seq_low;
        let mut previous: Option<FrameHeader> = None;
        loop {
            let frame = self.frame(seq, off);
            // The link that led here, too, must have been alive.
            let live_from = previous.map_or(seq, |previous| previous.seq);
            if self.low() > live_from {
                // Go on with the oldest frame left of those that were there at the start.
                let Some(now) = State::snapshot(self.mem) else { continue };
                let next = now.seq_low;
                verified.overwritten += next.min(state.seq_high.saturating_add(1)).saturating_sub(seq);
                if next > state.seq_high || next < seq {
                    return None;
                }
                (seq, off, previous) = (next, now.off_head, None);
                continue;
            }
            let frame = match frame {
                Ok(frame) => frame,
                Err(damage) => {
                    self.found(Problem::Corrupt(damage));
                    return Some(damage);
                }
            };
            self.place(&state, previous.as_ref(), &frame);
            verified.frames += 1;
            if seq == state.seq_high {
                if off != state.off_tail {
                    self.found(Problem::Tail { seq, offset: off, tail: state.off_tail });
                }
                return None;
            }
            previous = Some(frame);
            (seq, off) = (seq + 1, frame.next_off);
        }
    }

    /// Frames lie behind each other from the oldest one on, and go on at the start of the arena at most once.
    fn place(&mut self, state: &State, previous: Option<&FrameHeader>, frame: &FrameHeader) {
        let &FrameHeader { seq, off, .. } = frame;
        if let Some(previous) = previous {
            if frame.prev_off != previous.off {
                self.found(Problem::BackLink { seq, link: frame.prev_off, previous: previous.off });
            }
            let wraps = off == WORKSPACE && previous.off >= state.off_head;
            if off < previous.end() && !wraps {
                self.found(Problem::Misplaced { seq, offset: off, from: previous.end() });
            }
        }
        if off < state.off_head && frame.end() > state.off_head {
            self.found(Problem::Overlap { seq, end: frame.end(), head: state.off_head });
        }
        if frame.end() > state.high_water_mark {
            self.found(Problem::HighWaterMark { seq, end: frame.end(), mark: state.high_water_mark });
        }
    }

    /// From the newest frame to the oldest one left, reporting nothing twice.
    fn backwards(&mut self, state: &State, broken: Option<Corruption>) {
        let (mut seq, mut off) = (state.seq_high, state.off_tail);
        loop {
            let frame = self.frame(seq, off);
            if self.low() > seq {
                return;
            }
            match frame {
                Ok(frame) if seq > state.seq_low => (seq, off) = (seq - 1, frame.prev_off),
                Ok(_) => return,
                Err(damage) => {
                    if Some(damage) != broken {
                        self.found(Problem::Corrupt(damage));
                    }
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::layout::{Field, frame};
    use crate::{SliceMem, Unshared};

    type Topic<'a> = Transport<SliceMem<'a>, Unshared>;

    /// A topic of 400 bytes with frames 2 at 224, 3 at 304 and 4 at 144, as in test vector V2.
    fn with_topic<R>(work: impl FnOnce(&Topic<'_>) -> R) -> R {
        let mut bytes = [0; 400];
        let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
        for _ in 0..4 {
            topic.lock(None).unwrap().push(&[b'x'; 40]).unwrap();
        }
        work(&topic)
    }

    fn problems(topic: &Topic<'_>) -> Vec<Problem> {
        let mut problems = vec![];
        let verified = topic.verify(|problem| problems.push(problem)).unwrap();
        assert_eq!(verified.problems, problems.len() as u64);
        problems
    }

    /// What is found once a word has another value.
    fn after(changes: &[(Field<u64>, u64)]) -> Vec<Problem> {
        with_topic(|topic| {
            for (field, value) in changes {
                topic.mem().store_u64(*field, *value, Relaxed);
            }
            problems(topic)
        })
    }

    fn in_both_pages(field: fn(u8) -> Field<u64>, value: u64) -> Vec<Problem> {
        after(&[(field(0), value), (field(1), value)])
    }

    fn damaged(seq: u64, offset: u64, field: &'static str) -> Problem {
        Problem::Corrupt(Corruption::Frame { seq, offset, field })
    }

    #[test]
    fn sound_topics_have_no_problems() {
        with_topic(|topic| {
            assert_eq!(problems(topic), []);
            let verified = topic.verify(|_| {}).unwrap();
            assert_eq!((verified.frames, verified.overwritten), (3, 0));
            topic.lock(None).unwrap().clear().unwrap();
            assert_eq!(problems(topic), []);
        });
        let mut bytes = [0; 400];
        let fresh = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
        assert_eq!(problems(&fresh), []);
    }

    #[test]
    fn every_mix_of_sizes_is_sound() {
        let mut bytes = [0; 2048];
        let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
        let mut random = 1_u64;
        for _ in 0..3000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let size = (random >> 33) as usize % 700;
            topic.lock(None).unwrap().push(&[7; 700][..size]).unwrap();
            assert_eq!(problems(&topic), [], "{:?}", topic.state());
        }
    }

    #[test]
    fn header() {
        let header = |field, value| after(&[(field, value)]);
        assert_eq!(header(header::MAGIC_WORD, 1), [Problem::Corrupt(Corruption::Magic)]);
        let version = crate::topic_header::version_word() + (1 << 16);
        assert_eq!(
            header(header::VERSION_WORD, version),
            [Problem::Corrupt(Corruption::Version { major: 0, minor: 4 })]
        );
        assert_eq!(
            header(header::ARENA_SIZE, 401),
            [Problem::Corrupt(Corruption::ArenaSize { arena: 401, size: 400 })]
        );
        with_topic(|topic| {
            topic.mem().store_u8(header::COMMITTED_PAGE, 7, Relaxed);
            assert_eq!(problems(topic), [Problem::Corrupt(Corruption::PageIndex { index: 7 })]);
        });
    }

    #[test]
    fn pages_differ() {
        let pages = Problem::Pages { field: "off_tail", committed: 144, working: 9 };
        assert_eq!(after(&[(page::off_tail(0), 9)]), [pages]);
    }

    #[test]
    fn pages_may_differ_while_somebody_writes() {
        with_topic(|topic| {
            topic.mem().store_u64(page::off_tail(0), 9, Relaxed);
            topic.mem().store_u32(header::LOCK_WORD, 4711, Relaxed);
            assert_eq!(problems(topic), []);
        });
    }

    #[test]
    fn state() {
        let mark = Problem::Corrupt(Corruption::State { field: "high_water_mark", value: 401 });
        assert_eq!(in_both_pages(page::high_water_mark, 401), [mark]);
        assert_eq!(
            in_both_pages(page::high_water_mark, 300),
            [
                Problem::HighWaterMark { seq: 2, end: 304, mark: 300 },
                Problem::HighWaterMark { seq: 3, end: 384, mark: 300 }
            ]
        );
        // The list is walked from either end, so both ends are reported.
        assert_eq!(in_both_pages(page::off_head, 304), [damaged(2, 304, "seq")]);
        assert_eq!(
            in_both_pages(page::off_tail, 224),
            [Problem::Tail { seq: 4, offset: 144, tail: 224 }, damaged(4, 224, "seq")]
        );
        assert_eq!(
            in_both_pages(page::seq_high, 1 << 60),
            [damaged(5, 0, "the offset itself"), damaged(1 << 60, 144, "seq")]
        );
    }

    #[test]
    fn frames() {
        assert_eq!(after(&[(frame::seq(304), 9)]), [damaged(3, 304, "seq")]);
        assert_eq!(after(&[(frame::off(304), 9)]), [damaged(3, 304, "off")]);
        assert_eq!(after(&[(frame::data_size(304), 1 << 40)]), [damaged(3, 304, "data_size")]);
        assert_eq!(after(&[(frame::data_size(304), u64::MAX)]), [damaged(3, 304, "data_size")]);
        assert_eq!(after(&[(frame::data_size(304), 50)]), [Problem::HighWaterMark { seq: 3, end: 394, mark: 384 }]);
    }

    #[test]
    fn links() {
        assert_eq!(after(&[(frame::next_off(304), 304)]), [damaged(4, 304, "seq")]);
        assert_eq!(after(&[(frame::next_off(304), 1 << 40)]), [damaged(4, 1 << 40, "the offset itself")]);
        assert_eq!(
            after(&[(frame::prev_off(304), 144)]),
            [Problem::BackLink { seq: 3, link: 144, previous: 224 }, damaged(2, 144, "seq")]
        );
        // Stale by design: the newest frame's link forwards, the oldest one's backwards.
        assert_eq!(after(&[(frame::next_off(144), 77), (frame::prev_off(224), 77)]), []);
    }

    #[test]
    fn overlaps() {
        assert_eq!(after(&[(frame::data_size(144), 48)]), [Problem::Overlap { seq: 4, end: 232, head: 224 }]);
        assert_eq!(after(&[(frame::data_size(224), 48)]), [Problem::Misplaced { seq: 3, offset: 304, from: 312 }]);
    }

    /// Memory in which somebody publishes between any two loads of a frame.
    #[test]
    fn writers_cause_no_alarm() {
        use core::cell::Cell;
        use core::sync::atomic::Ordering;

        struct Busy<'m> {
            mem: &'m SliceMem<'m>,
            writer: &'m Transport<&'m SliceMem<'m>, Unshared>,
            until_next: Cell<u32>,
            pace: u32,
        }
        impl Busy<'_> {
            fn tick(&self) {
                if self.until_next.replace(self.until_next.get().saturating_sub(1)) == 0 {
                    self.until_next.set(self.pace);
                    self.writer.lock(None).unwrap().push(&[1; 24]).unwrap();
                }
            }
        }
        impl Mem for Busy<'_> {
            fn size(&self) -> u64 {
                self.mem.size()
            }
            fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
                self.tick();
                self.mem.load_u8(field, order)
            }
            fn load_u32(&self, field: Field<u32>, order: Ordering) -> u32 {
                self.tick();
                self.mem.load_u32(field, order)
            }
            fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64 {
                self.tick();
                self.mem.load_u64(field, order)
            }
            fn store_u8(&self, _: Field<u8>, _: u8, _: Ordering) {
                unreachable!("verifying stores nothing")
            }
            fn store_u32(&self, _: Field<u32>, _: u32, _: Ordering) {
                unreachable!("verifying stores nothing")
            }
            fn store_u64(&self, _: Field<u64>, _: u64, _: Ordering) {
                unreachable!("verifying stores nothing")
            }
            fn cas_u32(&self, _: Field<u32>, _: u32, _: u32, _: Ordering) -> Result<u32, u32> {
                unreachable!("verifying stores nothing")
            }
            fn fetch_add_u32(&self, _: Field<u32>, _: u32, _: Ordering) -> u32 {
                unreachable!("verifying stores nothing")
            }
            fn fetch_or_u32(&self, _: Field<u32>, _: u32, _: Ordering) -> u32 {
                unreachable!("verifying stores nothing")
            }
            fn fence(&self, _: Ordering) {}
            fn read(&self, offset: u64, into: &mut [u8]) {
                self.mem.read(offset, into);
            }
            fn write(&self, _: u64, _: &[u8]) {
                unreachable!("verifying stores nothing")
            }
        }

        let mut overwritten = 0;
        for pace in 20..200 {
            let mut bytes = [0; 2000];
            let mem = SliceMem::new(&mut bytes).unwrap();
            let writer = Transport::open(&mem, Unshared).unwrap();
            for _ in 0..100 {
                writer.lock(None).unwrap().push(&[1; 24]).unwrap();
            }
            let busy = Busy { mem: &mem, writer: &writer, until_next: Cell::new(pace), pace };
            let topic = Transport::open_read_only(busy, crate::ReadOnly).unwrap();
            let verified = topic.verify(|problem| panic!("pace {pace}: {problem}")).unwrap();
            assert_eq!(verified.frames + verified.overwritten, verified.state.frame_count(), "pace {pace}");
            overwritten += verified.overwritten;
        }
        assert!(overwritten > 0, "the writers were too slow to matter");
    }
}

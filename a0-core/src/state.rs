//! The double-buffered state: what one page says, how it is read without a lock, how it is committed.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::error::Corruption;
use crate::layout::{FRAME_ALIGN, FRAME_HEADER, WORKSPACE, header, page};
use crate::mem::Mem;

/// What a state page says: which frames are in the arena.
///
/// A plain value: planning an allocation works on copies of it, and only a commit touches memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the format says what is in it")]
pub struct State {
    /// Sequence number of the oldest frame.
    pub seq_low: u64,
    /// Sequence number of the newest frame ever committed; survives eviction and clearing.
    pub seq_high: u64,
    /// Offset of the oldest frame, 0 when empty.
    pub off_head: u64,
    /// Offset of the newest frame, 0 when empty.
    pub off_tail: u64,
    /// End of the used part of the arena.
    pub high_water_mark: u64,
}

impl State {
    /// The state of a fresh topic.
    pub const FRESH: State = State { seq_low: 0, seq_high: 0, off_head: 0, off_tail: 0, high_water_mark: WORKSPACE };

    /// No frames.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.seq_high == 0 || self.seq_low > self.seq_high
    }

    /// Number of frames.
    pub fn frame_count(&self) -> u64 {
        if self.is_empty() { 0 } else { (self.seq_high - self.seq_low).saturating_add(1) }
    }

    /// The state with all frames gone. `None` when the sequence numbers are used up.
    pub(crate) fn cleared(&self) -> Option<State> {
        Some(State { seq_low: self.seq_high.checked_add(1)?, seq_high: self.seq_high, ..State::FRESH })
    }

    /// Whether the state can describe an arena of `limit` bytes at all.
    ///
    /// # Errors
    /// [`Corruption::State`] naming the first field that cannot be.
    pub fn check(&self, limit: u64) -> Result<(), Corruption> {
        let bad = |field, value| Err(Corruption::State { field, value });
        if self.high_water_mark < WORKSPACE || self.high_water_mark > limit {
            return bad("high_water_mark", self.high_water_mark);
        }
        if self.is_empty() {
            return match *self {
                State { off_head: 0, off_tail: 0, .. } => Ok(()),
                State { off_head: 0, off_tail, .. } => bad("off_tail of an empty topic", off_tail),
                State { off_head, .. } => bad("off_head of an empty topic", off_head),
            };
        }
        if self.seq_low == 0 {
            return bad("seq_low", 0);
        }
        if !offset_is_sound(self.off_head, limit) {
            return bad("off_head", self.off_head);
        }
        if !offset_is_sound(self.off_tail, limit) {
            return bad("off_tail", self.off_tail);
        }
        Ok(())
    }

    /// What the page with this index says.
    #[inline(always)]
    pub(crate) fn load_page<M: Mem + ?Sized>(mem: &M, index: u8) -> State {
        let [seq_low, seq_high, off_head, off_tail, high_water_mark] =
            of_page(index, |index| mem.load_words(page::seq_low(index)));
        State { seq_low, seq_high, off_head, off_tail, high_water_mark }
    }

    #[inline(always)]
    pub(crate) fn store_page<M: Mem + ?Sized>(&self, mem: &M, index: u8) {
        let State { seq_low, seq_high, off_head, off_tail, high_water_mark } = *self;
        mem.store_words(page::seq_low(index), [seq_low, seq_high, off_head, off_tail, high_water_mark]);
    }

    /// One try at the committed state without the lock; `None` if a writer was in the way.
    ///
    /// A page is only written while it is not the committed one. So if the index is the same before and after its
    /// words were read, the words are of one commit, unless the index flipped twice and the page was rewritten in
    /// between: then the words were possibly a mixture. The second reading excludes that. Its loads come after the
    /// second load of the index, so they see everything of the commit that this load saw, and a word that differs
    /// from the first reading gives the mixture away.
    #[inline(always)]
    pub(crate) fn snapshot<M: Mem + ?Sized>(mem: &M) -> Option<State> {
        // Guard FlipAcquire: the page's words must be at least as new as this index.
        let index = mem.load_u8(header::COMMITTED_PAGE, Acquire);
        let first = State::load_page(mem, index);
        // Guards AcquireFences, IndexRecheck: the page's words come before the second load of the index.
        mem.fence(Acquire);
        if mem.load_u8(header::COMMITTED_PAGE, Relaxed) != index {
            return None;
        }
        // Guards AcquireFences, SecondReading: the second load of the index comes before the second reading of the words.
        mem.fence(Acquire);
        (State::load_page(mem, index) == first).then_some(first)
    }

    /// Whether a frame newer than `seq` may be committed: two loads, for polling.
    ///
    /// May say yes too often (a page in the middle of being written), so a snapshot decides; may say no too late,
    /// as if asked a moment earlier.
    #[inline(always)]
    pub(crate) fn may_have_news<M: Mem + ?Sized>(mem: &M, seq: u64) -> bool {
        let index = mem.load_u8(header::COMMITTED_PAGE, Acquire);
        of_page(index, |index| mem.load_u64(page::seq_high(index), Relaxed)) > seq
    }

    /// The lowest live sequence number, for validating what was just copied: guard Validation. Call it behind an acquire fence.
    ///
    /// A single load of the page's word is enough, although a writer may be changing that page: numbers only grow, so
    /// what it can give is the value that the index stands for or a newer one, and both refuse what is gone.
    #[inline(always)]
    pub(crate) fn validate_low<M: Mem + ?Sized>(mem: &M) -> u64 {
        let index = mem.load_u8(header::COMMITTED_PAGE, Acquire);
        of_page(index, |index| mem.load_u64(page::seq_low(index), Relaxed))
    }

    /// Makes this the committed state: write the page that is not the committed one, flip the index, count the event.
    #[inline(always)]
    pub(crate) fn commit<M: Mem + ?Sized>(&self, mem: &M, spare: u8) {
        self.store_page(mem, spare);
        // Guards FlipRelease, FlipAcquire, PageBeforeFlip: whoever sees the flip sees the page, and every frame byte stored
        // before.
        mem.store_u8(header::COMMITTED_PAGE, spare, Release);
        let events = mem.load_u32(header::EVENTS, Relaxed);
        // Release: a sleeper that reads the new count also finds the new state. A plain store is enough under the
        // lock: 0.3 reads the counter under the lock too, and our own requeue sleepers announce themselves in SLEEPERS.
        mem.store_u32(header::EVENTS, events.wrapping_add(1), Release);
        // Guards ReleaseFences, AcquireFences: whatever the caller overwrites next (frames just evicted, the page that is now the working one) becomes
        // visible only behind the flip: a reader that sees such a byte, and then an acquire fence, sees the flip.
        mem.fence(Release);
    }

    /// Copies the committed page onto the working page: guard WorkingPageRefresh.
    ///
    /// A 0.3 process that is handed the lock inside a wait looks at the working page without refreshing it, and
    /// would miss news otherwise; and what a dead writer left there must not be found.
    #[inline(always)]
    pub(crate) fn refresh_working_page<M: Mem + ?Sized>(mem: &M) {
        let committed = mem.load_u8(header::COMMITTED_PAGE, Relaxed);
        State::load_page(mem, committed).store_page(mem, u8::from(committed == 0));
    }
}

/// Loads from the page with this index, by a branch instead of an address that is made of the index.
///
/// Processors guess branches, but wait for addresses. A writer has just changed the lines of both, the index and the page, and
/// who guesses has them fetched at the same time instead of one after the other.
#[inline(always)]
fn of_page<T>(index: u8, load: impl Fn(u8) -> T) -> T {
    if index == 0 {
        return load(0);
    }
    // Or else the compiler makes one load of both, and an address of the branch.
    core::hint::black_box(());
    load(1)
}

/// Whether a frame header can be at `offset` in an arena of `limit` bytes.
#[inline(always)]
pub(crate) fn offset_is_sound(offset: u64, limit: u64) -> bool {
    offset >= WORKSPACE && offset.is_multiple_of(FRAME_ALIGN) && limit >= FRAME_HEADER && offset <= limit - FRAME_HEADER
}

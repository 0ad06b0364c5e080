//! The guards of the protocol, each by the name that it has in the code and in `docs/design.md`.

use clap::ValueEnum;

/// What a negative control takes away. Each says what is there, or how it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Guard {
    /// Acquire fences: copy before check, words before the index's second load.
    AcquireFences,
    /// Release fences: eviction before overwriting.
    ReleaseFences,
    /// Only the release fence behind taking the lock: evictions of owners before, before overwriting.
    LockFence,
    /// Sequentially consistent fences between announcing sleep and looking, and between committing and waking.
    SeqCstFences,
    /// Release ordering of the index's store.
    FlipRelease,
    /// Acquire ordering of the index's loads.
    FlipAcquire,
    /// The page is written before the index flips; taken away, it is written right behind.
    PageBeforeFlip,
    /// Evictions are committed before they are overwritten: the first commit after [`Tamper::arm`](crate::Tamper::arm) does not happen.
    EvictionCommit,
    /// The working page is made a copy of the committed one in the end.
    WorkingPageRefresh,
    /// The header's magic and version come last; taken away, they come first.
    MarkLast,
    /// The reader's last look at `seq_low`, behind the copy: it always finds the frame alive.
    Validation,
    /// The second reading of the page's words in a snapshot: it always gives what the first gave.
    SecondReading,
    /// The second load of the index in a snapshot: it always gives what the first gave.
    IndexRecheck,
    /// The epoch that a wake-up advances.
    WakeEpoch,
    /// The sticky mark that a 0.3 process was here.
    ForeignMark,
    /// The event that a wake-up counts.
    WakeEvent,
    /// What tells a frame of the newest lap: the frame at the start of the arena always looks like the oldest one ever.
    NewestLap,
    /// Payloads are there before their frame is committed; taken away, they come right behind.
    PayloadBeforeCommit,
    /// Writers exclude each other.
    Lock,
    /// The kernel is told of a lock before it is tried, so that somebody hears of its owner's death.
    RobustList,
    /// Readers sleep no longer than 100 ms, whoever should wake them.
    BoundedSleep,
}

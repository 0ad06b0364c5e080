//! Counters in shared memory, so that what a killed process has counted is not lost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use a0_core::layout::Field;
use a0_core::{Clock, Mem, RawMem};
use a0_linux::{FileError, FileOptions, Mapping, SystemClock, TopicFile};
use clap::ValueEnum;

// `interop/peer_storm.py` knows these places, too.
const PHASE: Field<u32> = Field::at(0);
const FIRST_SLOT: u64 = 256;
const SLOT: u64 = 256;
const SLOTS: u64 = 128;

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    /// Writers and callers leave.
    WritersStop,
    /// Readers leave once they have read everything.
    ReadersStop,
}

/// What is counted, per role.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Counter {
    /// Messages read, or published.
    Messages,
    /// Messages missed, as the reader was told.
    Missed,
    /// Messages whose content is not what was published.
    Corrupt,
    /// Messages that were never committed.
    Uncommitted,
    /// Messages other than those that another reader got under the same number.
    Contradicted,
    /// Sequence numbers out of order, or not explained by `missed`.
    Disorder,
    /// Damage that the reader has noticed and reported.
    Damaged,
    /// Reads given up because writers were too fast (read-only readers).
    Contended,
    /// Locks taken over from a dead process.
    Recovered,
    /// Locks that were not to be had.
    LockErrors,
    /// The longest publish, in microseconds.
    LongestPublish,
    /// Publishes that took longer than a second.
    SlowPublishes,
    /// The longest time between a publish and a waiting reader that has the message, in microseconds.
    LongestWake,
    /// Times of that kind above a second.
    SlowWakes,
    /// Sequence number of the last message received.
    LastSeq,
    /// When the operation under way was begun, in nanoseconds since boot; 0 if none is.
    BusySince,
    /// Calls and streams with the right reply.
    Answered,
    /// Calls that failed because their server died.
    ServerGone,
    /// Calls whose request was overwritten.
    RequestLost,
    /// Calls whose reply was overwritten.
    ReplyLost,
    /// Calls without an end in time.
    TimedOut,
    /// Calls with another reply than the right one.
    WrongReplies,
    /// Calls that failed for any other reason.
    WrongErrors,
    /// Patches of a configuration.
    Patches,
    /// Patches that were gone although nobody else patches the same member.
    LostPatches,
    /// Loans that are held just now.
    Loans,
    /// Loans that would have made two programs wait for each other.
    Refused,
    /// 1 while an LMDB write transaction is under way.
    InTransaction,
    /// LMDB transactions committed.
    Transactions,
    /// Times that the topic was found to be removed.
    Removed,
}

/// The shared counters.
#[derive(Clone, Debug)]
pub(crate) struct Stats {
    mem: Arc<RawMem<Mapping>>,
}

impl Stats {
    pub(crate) fn open(path: &Path) -> Result<Stats, FileError> {
        let options = FileOptions::default().size(FIRST_SLOT + SLOT * SLOTS);
        Ok(Stats { mem: Arc::new(TopicFile::open(path, &options)?.1) })
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.mem.load_u32(PHASE, Relaxed) {
            0 => Phase::Running,
            1 => Phase::WritersStop,
            _ => Phase::ReadersStop,
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.mem.store_u32(PHASE, phase as u32, Relaxed);
    }

    /// The counters of one role. Only one process at a time may change them.
    pub(crate) fn role(&self, index: u64) -> Role {
        assert!(index < SLOTS, "at most {SLOTS} roles");
        Role { mem: Arc::clone(&self.mem), start: FIRST_SLOT + SLOT * index }
    }
}

/// The counters of one role.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    mem: Arc<RawMem<Mapping>>,
    start: u64,
}

impl Role {
    fn field(&self, counter: Counter) -> Field<u64> {
        Field::at(self.start + 8 * counter as u64)
    }

    pub(crate) fn get(&self, counter: Counter) -> u64 {
        self.mem.load_u64(self.field(counter), Relaxed)
    }

    pub(crate) fn set(&self, counter: Counter, value: u64) {
        self.mem.store_u64(self.field(counter), value, Relaxed);
    }

    pub(crate) fn add(&self, counter: Counter, count: u64) {
        self.set(counter, self.get(counter) + count);
    }

    /// Notes that something took so long.
    pub(crate) fn took(&self, nanos: u64, longest: Counter, slow: Counter) {
        let micros = nanos / 1000;
        if micros > self.get(longest) {
            self.set(longest, micros);
        }
        if micros > 1_000_000 {
            self.add(slow, 1);
        }
    }

    /// Times a publish, and lets the parent see that it is under way.
    pub(crate) fn timed<R>(&self, publish: impl FnOnce() -> R) -> R {
        let started = now();
        self.set(Counter::BusySince, started);
        let result = publish();
        self.set(Counter::BusySince, 0);
        self.took(now() - started, Counter::LongestPublish, Counter::SlowPublishes);
        result
    }

    /// How long the operation under way has taken so far.
    pub(crate) fn busy_for(&self) -> Duration {
        match self.get(Counter::BusySince) {
            0 => Duration::ZERO,
            since => Duration::from_nanos(now().saturating_sub(since)),
        }
    }
}

/// Nanoseconds since boot.
pub(crate) fn now() -> u64 {
    SystemClock.mono().as_nanos()
}

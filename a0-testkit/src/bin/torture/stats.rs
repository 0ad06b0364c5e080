//! Counters in shared memory, so that what a killed process has counted is not lost.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use a0_core::layout::Field;
use a0_core::{Mem, RawMem};
use a0_linux::{FileError, FileOptions, Mapping, TopicFile};

const PHASE: Field<u32> = Field::at(0);
const FIRST_SLOT: u64 = 256;
const SLOT: u64 = 256;
const SLOTS: u64 = 32;

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    /// Writers leave.
    WritersStop,
    /// Readers leave once they have read everything.
    ReadersStop,
}

/// What is counted, per process role.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    /// Messages read, or published.
    Messages,
    /// Messages missed, as the reader was told.
    Missed,
    /// Messages whose content is not what was published.
    Corrupt,
    /// Sequence numbers out of order, or not explained by `missed`.
    Disorder,
    /// Damage that the reader has noticed and reported.
    Damaged,
    /// Reads given up because writers were too fast (read-only readers).
    Contended,
    /// Locks taken over from a dead process.
    Recovered,
    /// The longest publish, in microseconds.
    LongestMicros,
    /// Locks that were not to be had.
    LockErrors,
}

/// The shared counters.
#[derive(Debug)]
pub(crate) struct Stats {
    mem: RawMem<Mapping>,
}

impl Stats {
    pub(crate) fn open(path: &Path) -> Result<Stats, FileError> {
        let options = FileOptions::default().size(FIRST_SLOT + SLOT * SLOTS);
        Ok(Stats { mem: TopicFile::open(path, &options)?.1 })
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
    pub(crate) fn role(&self, index: u64) -> Role<'_> {
        assert!(index < SLOTS, "at most {SLOTS} roles");
        Role { mem: &self.mem, start: FIRST_SLOT + SLOT * index }
    }
}

/// The counters of one role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role<'s> {
    mem: &'s RawMem<Mapping>,
    start: u64,
}

impl Role<'_> {
    fn field(&self, counter: Counter) -> Field<u64> {
        Field::at(self.start + 8 * counter as u64)
    }

    pub(crate) fn get(&self, counter: Counter) -> u64 {
        self.mem.load_u64(self.field(counter), Relaxed)
    }

    pub(crate) fn add(&self, counter: Counter, count: u64) {
        self.mem.store_u64(self.field(counter), self.get(counter) + count, Relaxed);
    }

    pub(crate) fn raise(&self, counter: Counter, value: u64) {
        if value > self.get(counter) {
            self.mem.store_u64(self.field(counter), value, Relaxed);
        }
    }
}

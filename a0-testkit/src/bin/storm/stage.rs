//! What a process of the storm has at hand: its orders, the counters that all share, and when to leave.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use a0_std::{FileOptions, Protocol};

use crate::judge::Judge;
use crate::orders::{Orders, Outcome};
use crate::place;
use crate::stats::{Phase, Role, Stats};

/// A process at work.
pub(crate) struct Stage {
    pub(crate) orders: Orders,
    pub(crate) role: Role,
    pub(crate) stats: Stats,
    pub(crate) ends: Instant,
}

impl Stage {
    /// Tells the parent that this process is at work. Readers have their place in the topic by then.
    pub(crate) fn ready(&self) -> Outcome {
        std::io::stdout().write_all(b"!")?;
        Ok(std::io::stdout().flush()?)
    }

    pub(crate) fn is_over(&self, phase: Phase) -> bool {
        self.stats.phase() >= phase || Instant::now() > self.ends
    }

    /// Whether even its longest life is over.
    pub(crate) fn has_overstayed(&self) -> bool {
        Instant::now() > self.ends
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.orders.patience)
    }

    /// Longest pause between two publishes.
    pub(crate) fn pause(&self) -> u64 {
        self.orders.pause
    }

    /// Steady readers begin with the very first message, others somewhere.
    pub(crate) fn judge(&self) -> Outcome<Judge> {
        let ledger = self.orders.dir.join(format!("{}.ledger", self.orders.topic));
        Ok(Judge::new(self.role.clone(), &ledger, self.orders.steady.then_some(0), self.orders.anew.is_some())?)
    }

    /// How to open the topic.
    pub(crate) fn file_options(&self) -> FileOptions {
        self.orders.anew.map_or_else(existing, |size| FileOptions::default().size(size))
    }

    /// Where the topic of publishers is.
    pub(crate) fn path(&self) -> PathBuf {
        place::file(&self.orders.dir, &self.orders.topic, Protocol::PubSub)
    }
}

/// The parent has created all topics.
pub(crate) fn existing() -> FileOptions {
    FileOptions::default().create(false)
}

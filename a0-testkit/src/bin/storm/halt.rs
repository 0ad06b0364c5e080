//! Writers that stop themselves at an exact instruction, to be killed there.

use std::sync::atomic::{AtomicU8, Ordering};

use clap::ValueEnum;
use rustix::process::{Signal, getpid, kill_process};

/// Where a writer stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Halt {
    /// It holds the lock and has written half of a payload.
    InPayload,
    /// It holds the lock; everything is written but the index of the committed page.
    BeforeCommit,
    /// It holds the lock, and has committed.
    BeforeUnlock,
    /// It has committed and released the lock, and has woken nobody.
    BeforeWake,
}

impl Halt {
    /// Whether the message that it was about to publish exists.
    pub(crate) fn is_committed(self) -> bool {
        matches!(self, Halt::BeforeUnlock | Halt::BeforeWake)
    }
}

const NOWHERE: u8 = u8::MAX;
static ARMED: AtomicU8 = AtomicU8::new(NOWHERE);

/// Stops the process when it comes there.
pub(crate) fn arm(halt: Halt) {
    ARMED.store(halt as u8, Ordering::Relaxed);
}

/// A place where the process may stop.
pub(crate) fn here(halt: Halt) {
    while ARMED.load(Ordering::Relaxed) == halt as u8 {
        // Cannot fail for the process itself; if it goes on, it is stopped again.
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

//! The clock that a platform supplies.

use crate::time::{TimeMono, TimeWall};

/// Where a program gets the time from. Tests supply one that they set by hand.
pub trait Clock {
    /// Time since boot, including time asleep (Linux: `CLOCK_BOOTTIME`).
    fn mono(&self) -> TimeMono;

    /// Civil time (Linux: `CLOCK_REALTIME`).
    fn wall(&self) -> TimeWall;
}

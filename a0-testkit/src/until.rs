//! Waiting for what another thread or process does.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Only what hangs takes as long.
const TIMEOUT: Duration = Duration::from_secs(20);

const CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// Waits until `happened` says so.
///
/// # Panics
/// If it does not within 20 s.
#[track_caller]
pub fn until(mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < TIMEOUT, "it does not happen");
        sleep(CHECK_INTERVAL);
    }
}

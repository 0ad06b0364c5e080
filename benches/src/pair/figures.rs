//! What is said about many round trips.

use std::time::{Duration, Instant};

use crate::Result;

/// Round trips between two glances at the clock, where the typical one is sought: a glance costs about as much as the
/// fastest of them.
const BATCH: u32 = 32;

/// Round-trip times in nanoseconds.
#[derive(Debug)]
pub(super) struct Figures {
    /// The median of batches, free of the cost of the clock.
    pub(super) typical: f64,
    /// Single round trips, sorted, one glance at the clock included.
    single: Vec<u32>,
}

impl Figures {
    /// Title of the columns of [`Figures::print`].
    pub(super) const HEADING: &'static str =
        "round trip                                        typical      p50      p99    p99.9 ns   x line";

    /// Measures for a while: half of it batches, half of it single round trips.
    pub(super) fn of(span: Duration, mut round_trip: impl FnMut() -> Result<()>) -> Result<Figures> {
        let quarter = span / 4;
        let started = Instant::now();
        while started.elapsed() < quarter / 2 {
            round_trip()?;
        }

        let mut batches = Vec::with_capacity(1 << 16);
        let started = Instant::now();
        let mut before = started;
        while before - started < 2 * quarter {
            for _ in 0..BATCH {
                round_trip()?;
            }
            let now = Instant::now();
            batches.push((now - before).as_nanos() as f64 / f64::from(BATCH));
            before = now;
        }
        batches.sort_by(f64::total_cmp);

        let mut single = Vec::with_capacity(1 << 20);
        let started = Instant::now();
        let mut before = started;
        while before - started < 2 * quarter {
            round_trip()?;
            let now = Instant::now();
            single.push((now - before).as_nanos() as u32);
            before = now;
        }
        single.sort_unstable();
        Ok(Figures { typical: batches[batches.len() / 2], single })
    }

    fn percentile(&self, percent: f64) -> u32 {
        let at = (self.single.len() as f64 * percent / 100.0) as usize;
        self.single.get(at).or(self.single.last()).copied().unwrap_or(0)
    }

    /// Prints a row; the ratio is that of the typical round trips.
    pub(super) fn print(&self, name: &str, line: Option<f64>) {
        let ratio = line.map_or(String::new(), |line| format!("{:8.2}", self.typical / line));
        let [p50, p99, p999] = [50.0, 99.0, 99.9].map(|percent| self.percentile(percent));
        println!("{name:<48} {:8.0} {p50:8} {p99:8} {p999:8}    {ratio}", self.typical);
    }
}

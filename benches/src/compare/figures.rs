//! What is said about many operations.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Result;

/// Operations between two glances at the clock last about this long, where the typical one is sought: a glance costs as
/// much as the fastest of them.
const BATCH: Duration = Duration::from_micros(4);

/// Single operations that are remembered.
const REMEMBERED: usize = 1 << 20;

/// What one measurement found, in the unit of its row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// The median of batches, free of the cost of the clock; or a rate, a share, a size.
    pub(crate) typical: f64,
    /// Percentiles of single operations, one glance at the clock included.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p999: Option<f64>,
    /// Everything that happened while batches were timed, shared out evenly.
    pub(crate) mean: Option<f64>,
    /// Percent of the messages that were overwritten before they were read.
    pub(crate) lost: Option<f64>,
}

impl Figures {
    /// A single figure.
    pub(crate) fn one(typical: f64) -> Figures {
        Figures { typical, ..Figures::default() }
    }

    /// Times operations for a while: half of it batches, half of it single ones.
    pub(crate) fn of(span: Duration, mut operation: impl FnMut() -> Result<()>) -> Result<Figures> {
        let (started, mut count) = (Instant::now(), 0u32);
        while count == 0 || started.elapsed() < span / 8 {
            operation()?;
            count += 1;
        }
        let each = started.elapsed() / count;
        let batch = (BATCH.as_nanos() / each.as_nanos().max(1)).clamp(1, 64) as u32;

        let mut batches = touched::<f64>(REMEMBERED / 4);
        let started = Instant::now();
        let mut before = started;
        while before - started < span * 3 / 8 && batches.len() < batches.capacity() {
            for _ in 0..batch {
                operation()?;
            }
            let now = Instant::now();
            batches.push((now - before).as_nanos() as f64 / f64::from(batch));
            before = now;
        }
        let mean = batches.iter().sum::<f64>() / batches.len() as f64;
        batches.sort_by(f64::total_cmp);

        let mut single = touched::<f64>(REMEMBERED);
        let started = Instant::now();
        let mut before = started;
        while before - started < span / 2 && single.len() < single.capacity() {
            operation()?;
            let now = Instant::now();
            single.push((now - before).as_nanos() as f64);
            before = now;
        }
        Ok(Figures { typical: batches[batches.len() / 2], mean: Some(mean), ..Figures::of_times(single) })
    }

    /// Times the part of each operation that it says itself, in nanoseconds.
    pub(crate) fn of_parts(span: Duration, mut operation: impl FnMut() -> Result<f64>) -> Result<Figures> {
        let mut times = touched(REMEMBERED);
        let started = Instant::now();
        while times.is_empty() || (started.elapsed() < span && times.len() < times.capacity()) {
            times.push(operation()?);
        }
        Ok(Figures::of_times(times))
    }

    fn of_times(mut times: Vec<f64>) -> Figures {
        times.sort_by(f64::total_cmp);
        let percentile = |percent: f64| {
            let at = (times.len() as f64 * percent / 100.0) as usize;
            times.get(at).or(times.last()).copied()
        };
        Figures {
            typical: percentile(50.0).unwrap_or(f64::NAN),
            p50: percentile(50.0),
            p99: percentile(99.0),
            p999: percentile(99.9),
            ..Figures::default()
        }
    }

    /// The medians of several rounds, each figure by itself.
    pub(crate) fn median(rounds: &[Figures]) -> Option<Figures> {
        Some(Figures {
            typical: median(rounds.iter().map(|round| round.typical))?,
            p50: median(rounds.iter().filter_map(|round| round.p50)),
            p99: median(rounds.iter().filter_map(|round| round.p99)),
            p999: median(rounds.iter().filter_map(|round| round.p999)),
            mean: median(rounds.iter().filter_map(|round| round.mean)),
            lost: median(rounds.iter().filter_map(|round| round.lost)),
        })
    }
}

/// The median; of an even number of values, the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

/// Room for so many values whose pages are there: a fault would be counted as the cost of an operation.
fn touched<T: Clone + From<u8>>(count: usize) -> Vec<T> {
    let mut values = vec![T::from(1); count];
    values.clear();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_single_operations() {
        let figures = Figures::of_times((1..=1000).rev().map(f64::from).collect());
        assert_eq!((figures.p50, figures.p99, figures.p999), (Some(501.0), Some(991.0), Some(1000.0)));
        assert_eq!(Figures::of_times(vec![7.0]).p999, Some(7.0));
    }

    #[test]
    fn medians_are_taken_of_each_figure() {
        let round = |typical, lost| Figures { typical, lost, ..Figures::default() };
        let middle = Figures::median(&[round(3.0, None), round(1.0, Some(4.0)), round(2.0, Some(6.0))]);
        assert_eq!(middle, Some(round(2.0, Some(5.0))));
        assert_eq!(Figures::median(&[]), None);
    }
}

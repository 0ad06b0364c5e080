//! How values are spread, in constant memory however many there are.

use serde_json::{Value, json};

/// Values below this are counted one by one.
const EXACT: u64 = 128;

/// Buckets for each power of two above: a value and its bucket's middle differ by less than 1 %.
const STEPS: u64 = 64;

/// Powers of two above [`EXACT`], up to 2^63.
const POWERS: u64 = 57;

/// Smallest, mean and largest of values, exactly; and quantiles, to 1 %.
#[derive(Debug)]
pub(crate) struct Spread {
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
    buckets: Vec<u64>,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread { count: 0, sum: 0, min: u64::MAX, max: 0, buckets: vec![0; (EXACT + POWERS * STEPS) as usize] }
    }
}

impl Spread {
    pub(crate) fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum += u128::from(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.buckets[bucket(value)] += 1;
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.fill(0);
        (self.count, self.sum, self.min, self.max) = (0, 0, u64::MAX, 0);
    }

    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }

    /// `min …, mean …, p50 …, p99 …, max …`; nothing if there are no values.
    pub(crate) fn text(&self, show: impl Fn(f64) -> String) -> Option<String> {
        let parts = self.points()?.map(|(name, value)| format!("{name} {}", show(value)));
        Some(parts.join(", "))
    }

    /// The same as JSON, in units of so much; null if there are no values.
    pub(crate) fn json(&self, unit: f64) -> Value {
        self.points().map_or(Value::Null, |points| {
            points.into_iter().map(|(name, value)| (name.to_owned(), json!(value / unit))).collect()
        })
    }

    fn points(&self) -> Option<[(&'static str, f64); 5]> {
        let mean = self.sum as f64 / self.count as f64;
        let [p50, p99] = [0.5, 0.99].map(|share| self.quantile(share) as f64);
        (self.count > 0).then_some([
            ("min", self.min as f64),
            ("mean", mean),
            ("p50", p50),
            ("p99", p99),
            ("max", self.max as f64),
        ])
    }

    /// The value that such a share of all values does not exceed.
    fn quantile(&self, share: f64) -> u64 {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank {
                return middle(index as u64).clamp(self.min, self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    let power = u64::from(value.ilog2());
    // The leading one is known, the six bits behind it tell the step.
    let step = (value >> (power - 6)) - STEPS;
    (EXACT + (power - 7) * STEPS + step) as usize
}

/// The value in the middle of a bucket.
fn middle(index: u64) -> u64 {
    let Some(above) = index.checked_sub(EXACT) else { return index };
    let (power, step) = (above / STEPS + 7, above % STEPS);
    let width = 1 << (power - 6);
    (STEPS + step) * width + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_close_to_the_middle_of_its_bucket() {
        let edges = (0..64).flat_map(|power| [-1_i128, 0, 1, 5].map(|more| (1_i128 << power) + more));
        for value in edges.chain([u64::MAX.into(), 1_000_003]).filter_map(|value| u64::try_from(value).ok()) {
            let close = middle(bucket(value) as u64);
            assert!(close.abs_diff(value) as f64 <= value as f64 * 0.01, "{value}: {close}");
        }
        assert_eq!(bucket(u64::MAX) + 1, Spread::default().buckets.len());
    }

    #[test]
    fn points_of_known_values() {
        let mut spread = Spread::default();
        assert_eq!((spread.text(|value| value.to_string()), spread.json(1.0)), (None, Value::Null));
        (1..=100).for_each(|value| spread.add(value));
        let text = spread.text(|value| value.to_string());
        assert_eq!(text.as_deref(), Some("min 1, mean 50.5, p50 50, p99 99, max 100"));
        assert_eq!(spread.json(10.0)["max"], 10.0);
        spread.clear();
        spread.add(7_000_000);
        // Never beyond what there was.
        assert_eq!(spread.json(1.0)["p99"], 7_000_000.0);
        assert_eq!(spread.sum(), 7_000_000);
    }
}

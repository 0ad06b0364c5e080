//! All topics there are, looked at again and again.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use a0_std::{DiscoveredTopic, DiscoveryEvent, DiscoverySync};
use clap::ValueEnum;

use super::look::Look;
use super::row::Row;

/// How long one round of looks may take before keys have their turn again.
const LOOK_BUDGET: Duration = Duration::from_millis(50);

/// By what the table is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    Name,
    Protocol,
    Rate,
    Bandwidth,
    Size,
    Total,
    Used,
    Lost,
}

impl Sort {
    /// The next one in order.
    pub(super) fn next(self) -> Sort {
        let all = Sort::value_variants();
        let at = all.iter().position(|sort| *sort == self).unwrap_or(0);
        all[(at + 1) % all.len()]
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Sort::Name => "name",
            Sort::Protocol => "protocol",
            Sort::Rate => "rate",
            Sort::Bandwidth => "bandwidth",
            Sort::Size => "size",
            Sort::Total => "total",
            Sort::Used => "used",
            Sort::Lost => "lost",
        }
    }
}

/// The topics, by path.
pub(super) struct Topics {
    discovery: Option<DiscoverySync<DiscoveredTopic>>,
    rows: BTreeMap<PathBuf, Row>,
    /// Where the last round had to end.
    resume: Bound<PathBuf>,
}

impl Topics {
    pub(super) fn new(discovery: DiscoverySync<DiscoveredTopic>) -> Topics {
        Topics { discovery: Some(discovery), ..Topics::of([]) }
    }

    /// Topics that neither come nor go.
    pub(super) fn of(rows: impl IntoIterator<Item = Row>) -> Topics {
        let rows = rows.into_iter().map(|row| (row.topic.path.clone(), row)).collect();
        Topics { discovery: None, rows, resume: Bound::Unbounded }
    }

    /// Takes note of topics that came or went; whether there may be more of them.
    pub(super) fn discover(&mut self) -> bool {
        let Some(discovery) = &mut self.discovery else { return false };
        let started = Instant::now();
        while started.elapsed() < LOOK_BUDGET {
            match discovery.read() {
                Some(DiscoveryEvent::Found(topic)) => {
                    let look = Look::at(&topic.path);
                    self.rows.insert(topic.path.clone(), Row::new(topic, look, Instant::now()));
                }
                Some(DiscoveryEvent::Removed(topic)) => drop(self.rows.remove(&topic.path)),
                None => return false,
            }
        }
        true
    }

    /// Looks at every topic; if there are too many for one round, gives true, and the next one goes on there.
    pub(super) fn look(&mut self) -> bool {
        let started = Instant::now();
        let from = std::mem::replace(&mut self.resume, Bound::Unbounded);
        for (path, row) in self.rows.range_mut((from, Bound::Unbounded)) {
            row.update(Look::at(path), Instant::now());
            if started.elapsed() > LOOK_BUDGET {
                self.resume = Bound::Excluded(path.clone());
                return true;
            }
        }
        false
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, path: &PathBuf) -> Option<&Row> {
        self.rows.get(path)
    }

    /// Those whose name or protocol contains this, in this order; numbers begin with the largest.
    pub(super) fn sorted(&self, filter: &str, sort: Sort, reverse: bool) -> Vec<&Row> {
        let filter = filter.to_lowercase();
        let wanted =
            |row: &&Row| row.topic.name.to_lowercase().contains(&filter) || row.topic.protocol.name().contains(&filter);
        let mut rows: Vec<_> = self.rows.values().filter(wanted).collect();
        let by_number = |number: fn(&Row) -> f64| move |a: &&Row, b: &&Row| number(b).total_cmp(&number(a));
        let messages = |row: &Row| row.look.messages().map_or(-1.0, |messages| messages.state.seq_high as f64);
        match sort {
            Sort::Name => rows.sort_by(|a, b| a.topic.name.cmp(&b.topic.name)),
            Sort::Protocol => rows.sort_by_key(|row| row.topic.protocol),
            Sort::Rate => rows.sort_by(by_number(|row| row.rate.unwrap_or(-1.0))),
            Sort::Bandwidth => rows.sort_by(by_number(|row| row.bandwidth.unwrap_or(-1.0))),
            Sort::Size => rows.sort_by(by_number(|row| {
                row.look.messages().and_then(|messages| messages.latest).map_or(-1.0, |bytes| bytes as f64)
            })),
            Sort::Total => rows.sort_by(by_number(messages)),
            Sort::Used => rows.sort_by(by_number(|row| row.used().unwrap_or(-1.0))),
            Sort::Lost => rows.sort_by(by_number(|row| row.lost as f64)),
        }
        if reverse {
            rows.reverse();
        }
        rows
    }
}

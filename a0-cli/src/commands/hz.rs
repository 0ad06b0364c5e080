//! `a0 hz`.

use std::time::Duration;

use a0_std::{Message, TimeMono};
use clap::Parser;
use serde_json::{Map, Value, json};

use crate::end::Outcome;
use crate::gauge::{Gauge, NANOS_PER_MILLI, Spread, Watching, Window, milliseconds, sent_at};
use crate::stop::Stop;

/// Measure how often messages come
///
/// The rate counts every message, also those that were overwritten before they could be looked at. The intervals are
/// those between the times that publishers write into messages, so they are exact however busy this machine is; of
/// messages without such a time there is none. Takes no lock and writes nothing; a topic that does not exist is waited
/// for, not created.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 hz cam/front cam/rear
  a0 hz robot --protocol cfg --window 60 --count 1
  a0 hz cam/front --format json | jq .rate

Formats:
  text  TOPIC RATE, what was counted, the intervals in milliseconds; renewed in place on a terminal
  json  one object a line for each topic and window: topic, there, seconds, messages, missed,
        damaged, rate, interval_ms (min, mean, p50, p99, max; p50 and p99 to 1 %; null without two
        messages), without_time")]
pub(crate) struct Args {
    #[command(flatten)]
    watching: Watching,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        self.watching.run::<Intervals>(stop)
    }
}

/// Nanoseconds between messages.
#[derive(Debug, Default)]
struct Intervals {
    spread: Spread,
    /// When the last message was sent.
    last: Option<TimeMono>,
    without_time: u64,
}

impl Gauge for Intervals {
    const POLL: Duration = Duration::from_millis(1);

    fn take(&mut self, message: &Message<'_>) {
        let time = sent_at(message);
        // Not over a gap: that would be the interval between others.
        if let (Some(last), Some(time), 0) = (self.last, time, message.missed()) {
            // Two publishers can overtake each other between looking at the clock and getting the lock.
            self.spread.add(time.as_nanos().saturating_sub(last.as_nanos()));
        }
        self.without_time += u64::from(time.is_none());
        self.last = time;
    }

    fn clear(&mut self) {
        self.spread.clear();
        self.without_time = 0;
    }

    fn text(&self, window: &Window) -> String {
        let mut text = format!("{:.2} Hz; {}", window.rate(), window.remarks());
        if let Some(spread) = self.spread.text(milliseconds) {
            text += &format!("; interval ms: {spread}");
        }
        if self.without_time > 0 {
            text += &format!("; {} without a time", self.without_time);
        }
        text
    }

    fn facts(&self, window: &Window, facts: &mut Map<String, Value>) {
        facts.insert("rate".to_owned(), json!(window.rate()));
        facts.insert("interval_ms".to_owned(), self.spread.json(NANOS_PER_MILLI));
        facts.insert("without_time".to_owned(), json!(self.without_time));
    }
}

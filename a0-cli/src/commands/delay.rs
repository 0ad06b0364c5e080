//! `a0 delay`.

use std::time::Duration;

use a0_std::{Clock as _, Message, SystemClock};
use clap::Parser;
use serde_json::{Map, Value, json};

use crate::end::Outcome;
use crate::gauge::{Gauge, NANOS_PER_MILLI, Spread, Watching, Window, milliseconds, sent_at};
use crate::stop::Stop;

/// Measure how old messages are when they can be read
///
/// That is the time since the publisher wrote the time since boot into the message, by the same clock. So that nobody
/// is disturbed, messages are looked for again and again instead of waited for: a delay can be too large by the time
/// between two looks, which is told, and so a subscriber that sleeps on the topic may see smaller ones. Takes no lock
/// and writes nothing; a topic that does not exist is waited for, not created.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 delay cam/front
  a0 delay cam/front --window 10 --count 1 --format json | jq .delay_ms.p99

Formats:
  text  TOPIC, what was counted, the delays in milliseconds; renewed in place on a terminal
  json  one object a line for each topic and window: topic, there, seconds, messages, missed,
        damaged, delay_ms (min, mean, p50, p99, max; p50 and p99 to 1 %; null without a message),
        without_time, ahead (messages from the future, which are not measured), looked_every_ms")]
pub(crate) struct Args {
    #[command(flatten)]
    watching: Watching,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        self.watching.run::<Delays>(stop)
    }
}

/// Nanoseconds from sending to reading.
#[derive(Debug, Default)]
struct Delays {
    spread: Spread,
    without_time: u64,
    ahead: u64,
}

impl Gauge for Delays {
    /// As short as a sleep can be, more or less.
    const POLL: Duration = Duration::from_micros(50);

    fn take(&mut self, message: &Message<'_>) {
        match sent_at(message).map(|sent| SystemClock.mono().checked_duration_since(sent)) {
            Some(Some(delay)) => self.spread.add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)),
            Some(None) => self.ahead += 1,
            None => self.without_time += 1,
        }
    }

    fn clear(&mut self) {
        self.spread.clear();
        (self.without_time, self.ahead) = (0, 0);
    }

    fn text(&self, window: &Window) -> String {
        let mut text = window.remarks();
        match self.spread.text(milliseconds) {
            Some(spread) => text += &format!("; delay ms: {spread}; looked every {:.3} ms", looked_every(window)),
            None => text += "; nothing to measure",
        }
        for (count, what) in [(self.without_time, "without a time"), (self.ahead, "from the future")] {
            if count > 0 {
                text += &format!("; {count} {what}");
            }
        }
        text
    }

    fn facts(&self, window: &Window, facts: &mut Map<String, Value>) {
        facts.insert("delay_ms".to_owned(), self.spread.json(NANOS_PER_MILLI));
        facts.insert("without_time".to_owned(), json!(self.without_time));
        facts.insert("ahead".to_owned(), json!(self.ahead));
        facts.insert("looked_every_ms".to_owned(), json!(looked_every(window)));
    }
}

/// Milliseconds between two looks, on average.
fn looked_every(window: &Window) -> f64 {
    window.seconds * 1e3 / window.looks.max(1) as f64
}

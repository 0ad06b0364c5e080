//! `a0 bw`.

use std::time::Duration;

use a0_std::Message;
use clap::Parser;
use serde_json::{Map, Value, json};

use crate::end::Outcome;
use crate::gauge::{Gauge, Spread, Watching, Window};
use crate::quantity::human;
use crate::stop::Stop;

/// Measure how many bytes come, and how large messages are
///
/// Counts payloads. Messages that were overwritten before they could be looked at are told, but their sizes are not
/// known. Takes no lock and writes nothing; a topic that does not exist is waited for, not created.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 bw cam/front cam/rear
  a0 bw /dev/shm/alephzero/robot.rpc.a0 --duration 60
  a0 bw cam/front --format json | jq .bytes_per_second

Formats:
  text  TOPIC BANDWIDTH, what was counted, the sizes of payloads; renewed in place on a terminal
  json  one object a line for each topic and window: topic, there, seconds, messages, missed,
        damaged, bytes, bytes_per_second, size (min, mean, p50, p99, max; p50 and p99 to 1 %; null
        without a message)")]
pub(crate) struct Args {
    #[command(flatten)]
    watching: Watching,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        self.watching.run::<Sizes>(stop)
    }
}

/// Bytes of payloads.
#[derive(Debug, Default)]
struct Sizes(Spread);

impl Gauge for Sizes {
    const POLL: Duration = Duration::from_millis(1);

    fn take(&mut self, message: &Message<'_>) {
        self.0.add(message.payload().len() as u64);
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    fn text(&self, window: &Window) -> String {
        let mut text = format!("{}/s; {}", human(self.rate(window) as u64), window.remarks());
        if let Some(spread) = self.0.text(|bytes| human(bytes as u64)) {
            text += &format!("; size: {spread}");
        }
        text
    }

    fn facts(&self, window: &Window, facts: &mut Map<String, Value>) {
        facts.insert("bytes".to_owned(), json!(u64::try_from(self.0.sum()).unwrap_or(u64::MAX)));
        facts.insert("bytes_per_second".to_owned(), json!(self.rate(window)));
        facts.insert("size".to_owned(), self.0.json(1.0));
    }
}

impl Sizes {
    fn rate(&self, window: &Window) -> f64 {
        self.0.sum() as f64 / window.seconds
    }
}

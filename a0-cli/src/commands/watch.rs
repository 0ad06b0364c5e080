//! `a0 watch`.

use std::io::Write;
use std::time::{Duration, Instant};

use a0_std::{DiscoveredTopic, DiscoveryEvent, DiscoverySync, Error, Protocol};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use crate::console::{Escaped, Json, Output, output};
use crate::end::{End, Outcome};
use crate::quantity::seconds;
use crate::render::Format;
use crate::stop::Stop;
use crate::target;

/// Print topics as they come and go
///
/// First those that are there already. A topic is gone when its file is removed; that no program uses it any more does
/// not count.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 watch                                              every topic
  a0 watch 'cam/**' --protocol pubsub
  a0 watch --new-only --count 1 --timeout 10            wait for something to start
  a0 watch --format json | jq -r 'select(.event == \"found\") | .topic'

Patterns:
  *   any part of one component of the name, such as cam/* or cam/front*
  **  any number of components; at the end, everything below

Formats:
  text  found or removed, the protocol, the topic
  json  one object a line: event (found, removed), protocol, topic, path

Exit codes:
  0  the count is reached, or the reader of the output has closed it
  1  an error
  3  the timeout has passed")]
pub(crate) struct Args {
    /// Which topics; quote it, or the shell takes it for files
    #[arg(default_value = "**")]
    pattern: String,
    /// Only topics of this protocol (may be repeated)
    #[arg(short, long, value_name = "PROTOCOL", value_parser = PossibleValuesParser::new(Protocol::ALL.iter().map(|protocol| protocol.name())))]
    protocol: Vec<String>,
    /// Not those that are there already
    #[arg(long)]
    new_only: bool,
    /// End after this many lines
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// End after this time, however many lines were printed
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut discovery = DiscoverySync::topics(target::protocols(&self.protocol), &self.pattern)?;
        let mut output = output()?;
        stop.watch_output()?;
        let _hold = stop.hold();
        stop.interrupts(discovery.interrupter());
        if self.new_only {
            while discovery.read().is_some() {}
        }
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 && stop.reason().is_none() {
            let event = match discovery.read() {
                Some(event) => event,
                None => {
                    output.flush()?;
                    let wait = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                    match discovery.read_blocking(wait) {
                        Ok(event) => event,
                        Err(Error::Timeout { .. }) => return Err(End::TimedOut),
                        Err(Error::Interrupted { .. }) => break,
                        Err(error) => return Err(error.into()),
                    }
                }
            };
            self.print(&mut output, &event)?;
            left -= 1;
        }
        output.flush()?;
        Ok(())
    }

    fn print(&self, output: &mut Output, event: &DiscoveryEvent<DiscoveredTopic>) -> Outcome {
        let (event, topic) = match event {
            DiscoveryEvent::Found(topic) => ("found", topic),
            DiscoveryEvent::Removed(topic) => ("removed", topic),
        };
        let protocol = topic.protocol.name();
        match self.format {
            Format::Text => writeln!(output, "{event:<7}  {protocol:<7}  {}", Escaped(&topic.name))?,
            Format::Json => {
                let path = topic.path.to_string_lossy();
                let object = json!({"event": event, "protocol": protocol, "topic": topic.name, "path": path});
                writeln!(output, "{}", Json(object))?;
            }
        }
        Ok(())
    }
}

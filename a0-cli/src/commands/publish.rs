//! `a0 pub`.

use std::ffi::OsString;
use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use a0_core::layout::{FRAME_HEADER, WORKSPACE};
use a0_std::{Error, FileOptions, Publisher};
use clap::Parser;

use crate::console::complain;
use crate::end::{End, Outcome};
use crate::follow::going_on;
use crate::payload::Generator;
use crate::quantity::{bytes, rate};
use crate::render::parse_header;
use crate::stop::Stop;

/// Publish messages on a topic
///
/// Without PAYLOAD and --size, every line of standard input becomes one message. The topic is created if it does not
/// exist; nobody has to be listening, and what was published is kept until newer messages need the space.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 pub chat 'hello'
  a0 pub sensor/temperature 298.15 --header unit=K
  ping localhost | a0 pub net/ping                      one message a line
  a0 pub heartbeat alive --rate 2                       twice a second, until interrupted
  a0 pub load --size 64K --count 1000 --arena 16M       for 'a0 echo load --check'")]
pub(crate) struct Args {
    /// Name of the topic, such as cam/front
    topic: String,
    /// What to publish
    #[arg(conflicts_with = "size", allow_negative_numbers = true)]
    payload: Option<OsString>,
    /// Add a header (may be repeated)
    #[arg(short = 'H', long = "header", value_name = "K=V", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// Number of messages [default: 1, or no limit with --rate or standard input]
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// Messages per second [default: as fast as possible]
    #[arg(short, long, value_name = "HZ", value_parser = rate)]
    rate: Option<f64>,
    /// Publish generated payloads of this size, which 'a0 echo --check' examines
    #[arg(short, long, value_name = "BYTES", value_parser = bytes)]
    size: Option<u64>,
    /// Size of the topic's file if it has to be created [default: 16M]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    arena: Option<u64>,
}

/// Where the payloads come from.
enum Source {
    Given(OsString),
    Generated(Generator),
    Lines { limit: u64, line: Vec<u8> },
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        // Says so when the topic was removed.
        let mut options = FileOptions::default().reopen(false);
        if let Some(size) = self.arena {
            options = options.size(size);
        }
        let mut publisher = Publisher::with_options(&self.topic, &options)?;
        let mut source = self.source(&publisher)?;
        let endless = self.rate.is_some() || matches!(source, Source::Lines { .. });
        let count = self.count.unwrap_or(if endless { u64::MAX } else { 1 });
        let headers: Vec<_> = self.headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let start = Instant::now();
        for number in 0..count {
            if let Some(due) = self.rate.and_then(|rate| due(start, number, rate)) {
                stop.sleep_until(due);
            }
            // While waiting for input the process can be ended at any time, but not in the middle of a message.
            let Some(payload) = source.next()? else { break };
            let _hold = stop.hold();
            if stop.reason().is_some() {
                break;
            }
            match publisher.publish_with(&headers, payload) {
                Err(Error::TopicRemoved { path }) => {
                    complain(going_on(&path));
                    publisher = Publisher::with_options(&self.topic, &options)?;
                    publisher.publish_with(&headers, payload).map_err(|error| self.explain(error))?;
                }
                published => drop(published.map_err(|error| self.explain(error))?),
            }
        }
        Ok(())
    }

    /// What a publisher says, and what helps: the size of a topic does not change.
    fn explain(&self, error: Error) -> End {
        match error {
            Error::Topic { cause: a0_std::TopicError::FrameTooLarge { .. }, .. } => End::failed(format_args!(
                "{error}; remove the topic (a0 rm {}), then publish with a larger --arena",
                self.topic
            )),
            error => error.into(),
        }
    }

    fn source(&self, publisher: &Publisher) -> Outcome<Source> {
        let file = publisher.file();
        let max = file.arena_size().saturating_sub(WORKSPACE + FRAME_HEADER);
        match (&self.payload, self.size) {
            (Some(payload), _) => Ok(Source::Given(payload.clone())),
            // Before so much memory is asked for.
            (None, Some(size)) if size > max => {
                let cause = a0_std::TopicError::FrameTooLarge { size, max };
                Err(self.explain(Error::Topic { path: file.path().to_owned(), cause }))
            }
            (None, Some(size)) => {
                let [a, b, c, d, ..] = a0_linux::random_seed();
                Ok(Source::Generated(Generator::new(u32::from_le_bytes([a, b, c, d]), size as usize)))
            }
            (None, None) => Ok(Source::Lines { limit: max.saturating_add(2), line: Vec::new() }),
        }
    }
}

impl Source {
    fn next(&mut self) -> Outcome<Option<&[u8]>> {
        match self {
            Source::Given(payload) => Ok(Some(payload.as_bytes())),
            Source::Generated(generator) => Ok(Some(generator.next())),
            Source::Lines { limit, line } => {
                line.clear();
                // No more than can be published: a file without line ends would fill the memory.
                let read = io::stdin().lock().take(*limit).read_until(b'\n', line);
                if read.map_err(|error| End::failed(format_args!("cannot read standard input: {error}")))? == 0 {
                    return Ok(None);
                }
                Ok(Some(line.strip_suffix(b"\n").unwrap_or(line)))
            }
        }
    }
}

/// When message `number` is to be sent; `None` if that is beyond all times.
fn due(start: Instant, number: u64, rate: f64) -> Option<Instant> {
    start.checked_add(Duration::try_from_secs_f64(number as f64 / rate).ok()?)
}

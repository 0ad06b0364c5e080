//! Measuring topics while they are used, without disturbing those who use them.

mod spread;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use a0_std::{Init, Message, Protocol, TimeMono, keys};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value, json};

use crate::console::live::Board;
use crate::console::{Json, output};
use crate::end::Outcome;
use crate::follow::going_on;
use crate::quantity::seconds;
use crate::render::Format;
use crate::stop::Stop;
use crate::tap::{Found, Tap};
use crate::target;
pub(crate) use spread::Spread;

/// Messages of one topic before the others have their turn.
const MESSAGE_BUDGET: u32 = 256;

/// What is measured for how long, and how it is printed.
#[derive(Debug, Args)]
pub(crate) struct Watching {
    /// Topics or files
    #[arg(required = true, value_name = "TOPIC|FILE", help = target::HELP)]
    topics: Vec<String>,
    /// The names are topics of this protocol
    #[arg(short, long, value_name = "PROTOCOL", value_parser = PossibleValuesParser::new(Protocol::ALL.iter().map(|protocol| protocol.name())))]
    protocol: Option<String>,
    /// Length of a window: measure, print, and begin again
    #[arg(short, long, value_name = "SECONDS", value_parser = window, default_value = "1")]
    window: Duration,
    /// End after this many windows
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// End after this time; the last window may be shorter
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Something about messages that can be measured.
pub(crate) trait Gauge: Default {
    /// How often to look for messages.
    const POLL: Duration;

    fn take(&mut self, message: &Message<'_>);

    /// Begins another window.
    fn clear(&mut self);

    /// What was measured, for people.
    fn text(&self, window: &Window) -> String;

    /// And for programs.
    fn facts(&self, window: &Window, facts: &mut Map<String, Value>);
}

/// What was counted in a window, whatever is measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    pub(crate) seconds: f64,
    /// Messages that were measured.
    pub(crate) messages: u64,
    /// Messages that were overwritten before they could be.
    pub(crate) missed: u64,
    /// What was in place of messages.
    pub(crate) damaged: u64,
    /// How often it was looked for messages.
    pub(crate) looks: u64,
}

/// A topic, and what was measured so far.
struct Meter<G> {
    topic: String,
    tap: Tap,
    window: Window,
    gauge: G,
}

impl Watching {
    /// Measures until there was enough.
    pub(crate) fn run<G: Gauge>(&self, stop: &Stop) -> Outcome {
        let mut meters = self.topics.iter().map(|topic| self.meter::<G>(topic)).collect::<Outcome<Vec<_>>>()?;
        let mut board = Board::new(output()?, self.format);
        stop.watch_output()?;
        let _hold = stop.hold();
        let mut begun = Instant::now();
        let end = self.duration.and_then(|duration| begun.checked_add(duration));
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 && end.is_none_or(|end| begun < end) {
            let due = begun + self.window;
            let due = end.map_or(due, |end| due.min(end));
            while Instant::now() < due {
                if stop.reason().is_some() {
                    return Ok(());
                }
                measure(&mut meters, &mut board, stop, due)?;
            }
            let now = Instant::now();
            let seconds = (now - begun).as_secs_f64();
            let lines: Vec<_> = meters.iter_mut().map(|meter| meter.conclude(seconds, self.format)).collect();
            board.show(&lines)?;
            begun = now;
            left -= 1;
        }
        Ok(())
    }

    fn meter<G: Gauge>(&self, topic: &str) -> Outcome<Meter<G>> {
        let tap = Tap::new(&self.path(topic)?, Init::AwaitNew)?;
        Ok(Meter { topic: topic.to_owned(), tap, window: Window::default(), gauge: G::default() })
    }

    fn path(&self, topic: &str) -> Outcome<PathBuf> {
        let Some(name) = &self.protocol else { return target::resolve(topic) };
        let protocol = Protocol::ALL.iter().copied().find(|protocol| protocol.name() == name);
        Ok(protocol.unwrap_or(Protocol::PubSub).path(topic)?)
    }
}

/// Takes what has come; if that is nothing, waits a little.
fn measure<G: Gauge>(meters: &mut [Meter<G>], board: &mut Board, stop: &Stop, due: Instant) -> Outcome {
    let mut idle = true;
    for meter in meters {
        meter.window.looks += 1;
        if meter.take()? {
            idle = false;
        } else if meter.tap.look_after(Instant::now())? {
            board.note(&going_on(meter.tap.path()));
        }
    }
    if idle {
        stop.sleep_until(due.min(Instant::now() + G::POLL));
    }
    Ok(())
}

impl<G: Gauge> Meter<G> {
    /// Measures what has come; whether there was anything.
    fn take(&mut self) -> Outcome<bool> {
        for turn in 0..MESSAGE_BUDGET {
            match self.tap.read()? {
                Found::Message(message) => {
                    self.window.messages += 1;
                    self.window.missed = self.window.missed.saturating_add(message.missed());
                    self.gauge.take(&message);
                }
                Found::Damaged { missed } => {
                    self.window.damaged += 1;
                    self.window.missed = self.window.missed.saturating_add(missed);
                }
                Found::Nothing => return Ok(turn > 0),
            }
        }
        Ok(true)
    }

    /// What is to be printed at the end of a window. Another one begins.
    fn conclude(&mut self, seconds: f64, format: Format) -> String {
        let window = Window { seconds, ..std::mem::take(&mut self.window) };
        let line = match format {
            Format::Text if !self.tap.is_there() && window.messages == 0 => format!("{}  not there yet", self.topic),
            Format::Text => format!("{}  {}", self.topic, self.gauge.text(&window)),
            Format::Json => {
                let mut facts = Map::new();
                let mut fact = |key: &str, value: Value| facts.insert(key.to_owned(), value);
                fact("topic", json!(self.topic));
                fact("there", json!(self.tap.is_there()));
                fact("seconds", json!(window.seconds));
                fact("messages", json!(window.messages));
                fact("missed", json!(window.missed));
                fact("damaged", json!(window.damaged));
                self.gauge.facts(&window, &mut facts);
                Json::from(facts).to_string()
            }
        };
        self.gauge.clear();
        line
    }
}

impl Window {
    /// How many messages there were a second, whether they could be measured or not.
    pub(crate) fn rate(&self) -> f64 {
        let all = self.messages as f64 + self.missed as f64 + self.damaged as f64;
        all / self.seconds
    }

    /// What was counted. Not at the end of a line, which narrow terminals cut off.
    pub(crate) fn remarks(&self) -> String {
        let mut remarks = format!("{} messages", self.messages);
        for (count, what) in [(self.missed, "missed"), (self.damaged, "damaged")] {
            if count > 0 {
                remarks += &format!(", {count} {what}");
            }
        }
        remarks
    }
}

/// When a message was sent, if it says so.
pub(crate) fn sent_at(message: &Message<'_>) -> Option<TimeMono> {
    TimeMono::parse(message.header(keys::TIME_MONO)?.as_bytes()).ok()
}

/// Parses the length of a window.
pub(crate) fn window(text: &str) -> Result<Duration, String> {
    match seconds(text) {
        Ok(window) if (0.01..=1e6).contains(&window.as_secs_f64()) => Ok(window),
        _ => Err("use a number of seconds, from 0.01 to 1000000".to_owned()),
    }
}

/// Nanoseconds as milliseconds.
pub(crate) fn milliseconds(nanos: f64) -> String {
    format!("{:.3}", nanos / NANOS_PER_MILLI)
}

pub(crate) const NANOS_PER_MILLI: f64 = 1e6;

//! `a0 record`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use a0_std::{Clock, DiscoveredTopic, DiscoveryEvent, DiscoverySync, Init, Message, SystemClock, TimeWall, keys};
use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueEnum};

use super::Format;
use crate::console::{complain, output};
use crate::end::{End, Outcome};
use crate::gauge::board::Board;
use crate::gauge::tap::{Found, Tap};
use crate::quantity::{bytes, human, seconds};
use crate::recording::sink::{Plan, Sink, Stamp};
use crate::recording::{Counts, PROTOCOLS, protocols};
use crate::stop::Stop;

/// Messages of one topic before the others have their turn.
const TURN: u32 = 256;

/// How often to look for messages.
const POLL: Duration = Duration::from_millis(2);

/// How long to go on at the end with what has come already.
const LAST: Duration = Duration::from_millis(500);

/// How often to tell how it goes.
const TELL: Duration = Duration::from_millis(250);

/// Record topics into an MCAP file
///
/// Records what comes from now on, of topics that exist and of those that are yet to come, until it is interrupted.
/// Nobody is disturbed: topics are read without a lock, and none is created. When FILE is there, recording has begun.
///
/// Whole packets are kept: id, headers, payload. MCAP tools show topics, times and sizes; the file says how packets are
/// laid out. A message's time is that of its header a0_time_wall, or of its recording where that cannot be true.
///
/// A recorder that is killed leaves a file of which all can be read that was written before the last flush interval; the
/// same goes for a full disk. (A power failure can take more: nothing is forced to the disk.)
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 record -o run.mcap                                 everything
  a0 record -o run.mcap 'cam/**' imu --protocol pubsub
  a0 record -o run.mcap --split-size 1G --compression zstd
  a0 info run.mcap                                      what is in it
  a0 replay run.mcap                                    the same again

Patterns:
  *   any part of one component of the name, such as cam/* or cam/front*
  **  any number of components; at the end, everything below

With --split-size or --split-time, run.mcap becomes run.0000.mcap, run.0001.mcap, …; each can be read by itself.")]
pub(crate) struct Args {
    /// Which topics; quote it, or the shell takes it for files
    #[arg(value_name = "TOPIC-GLOB", default_value = "**")]
    patterns: Vec<String>,
    /// Where to; a file that exists is not overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Only topics of this protocol (may be repeated)
    #[arg(short, long, value_name = "PROTOCOL", value_parser = PossibleValuesParser::new(PROTOCOLS))]
    protocol: Vec<String>,
    /// Begin with what is there already
    #[arg(long)]
    history: bool,
    /// Begin another file when one has so many bytes; it may be a little more
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    split_size: Option<u64>,
    /// Begin another file after so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    split_time: Option<Duration>,
    /// How to compress
    #[arg(long, value_enum, default_value_t = Compression::None)]
    compression: Compression,
    /// Write to the file at least so often
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    flush: Duration,
    /// End after so long
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Compression {
    None,
    /// Small
    Zstd,
    /// Fast
    Lz4,
}

/// What is recorded now.
struct Recorder {
    discoveries: Vec<DiscoverySync<DiscoveredTopic>>,
    taps: BTreeMap<PathBuf, Tapped>,
    clock: SystemClock,
    /// Messages that are earlier cannot be new.
    since: Option<TimeWall>,
}

struct Tapped {
    topic: DiscoveredTopic,
    tap: Tap,
    /// The topic's file was removed.
    gone: bool,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let compression = match self.compression {
            Compression::None => None,
            Compression::Zstd => Some(mcap::Compression::Zstd),
            Compression::Lz4 => Some(mcap::Compression::Lz4),
        };
        let (split_size, split_time) = (self.split_size, self.split_time);
        let plan = Plan { compression, split_size, split_time, flush: self.flush };
        let mut recorder = Recorder::new(&self)?;
        let _hold = stop.hold();
        let mut sink = Sink::create(&self.output, plan)?;
        let started = Instant::now();
        let end = self.duration.and_then(|duration| started.checked_add(duration));
        let mut board = Board::new(output()?, Format::Text);
        let mut tell = started;
        while stop.reason().is_none() && end.is_none_or(|end| Instant::now() < end) {
            let idle = recorder.record(&mut sink)?;
            let now = Instant::now();
            sink.look_after(now)?;
            if board.is_live() && now >= tell {
                board.show(&[describe(&sink, started)])?;
                tell = now + TELL;
            }
            if idle {
                stop.sleep_until(now + POLL);
            }
        }
        // What has come before the end, unless it does not stop coming.
        let last = Instant::now() + LAST;
        recorder.hurry();
        while !recorder.record(&mut sink)? && Instant::now() < last {}
        sink.finish()?;
        let size = human(sink.bytes());
        let files = match sink.files() {
            1 => String::new(),
            files => format!(" in {files} files"),
        };
        board.show(&[format!("{}, {size}{files}", describe(&sink, started))])?;
        Ok(())
    }
}

/// `FILE: N messages of T topics in S s; losses`.
fn describe(sink: &Sink, started: Instant) -> String {
    let counts = sink.counts();
    let seconds = started.elapsed().as_secs_f64();
    format!(
        "{}: {} messages of {} topics in {seconds:.1} s{}",
        sink.path().display(),
        counts.messages,
        sink.topics(),
        counts.losses()
    )
}

impl Recorder {
    fn new(args: &Args) -> Outcome<Recorder> {
        let wanted: Vec<_> = protocols()
            .filter(|protocol| args.protocol.is_empty() || args.protocol.iter().any(|name| name == protocol.name()))
            .collect();
        let discoveries = args.patterns.iter().map(|pattern| DiscoverySync::topics(&wanted, pattern));
        let discoveries = discoveries.collect::<Result<Vec<_>, _>>()?;
        let clock = SystemClock;
        let since = (!args.history).then(|| clock.wall());
        let mut recorder = Recorder { discoveries, taps: BTreeMap::new(), clock, since };
        recorder.discover(if args.history { Init::Oldest } else { Init::AwaitNew });
        Ok(recorder)
    }

    /// Takes note of topics that come and go.
    fn discover(&mut self, init: Init) {
        for discovery in &mut self.discoveries {
            while let Some(event) = discovery.read() {
                match event {
                    DiscoveryEvent::Found(topic) => match self.taps.get_mut(&topic.path) {
                        Some(tapped) => tapped.gone = false,
                        None => match Tap::new(&topic.path, init) {
                            Ok(tap) => {
                                self.taps.insert(topic.path.clone(), Tapped { topic, tap, gone: false });
                            }
                            Err(end) => say_not_recorded(end),
                        },
                    },
                    DiscoveryEvent::Removed(topic) => {
                        if let Some(tapped) = self.taps.get_mut(&topic.path) {
                            tapped.gone = true;
                        }
                    }
                }
            }
        }
    }

    /// Has every topic looked for anew.
    fn hurry(&mut self) {
        self.taps.values_mut().for_each(|tapped| tapped.tap.hurry());
    }

    /// Records what has come; gives whether that was nothing.
    fn record(&mut self, sink: &mut Sink) -> Outcome<bool> {
        self.discover(Init::Oldest);
        let mut idle = true;
        let mut over = vec![];
        for (path, tapped) in &mut self.taps {
            match tapped.record(sink, &self.clock, self.since)? {
                Ok(true) => idle = false,
                Ok(false) => match tapped.look_after() {
                    Ok(false) if tapped.gone && !tapped.tap.is_there() => over.push(path.clone()),
                    Ok(opened) => idle &= !opened,
                    Err(end) => {
                        say_not_recorded(end);
                        over.push(path.clone());
                    }
                },
                Err(end) => {
                    say_not_recorded(end);
                    over.push(path.clone());
                }
            }
        }
        for path in over {
            self.taps.remove(&path);
        }
        Ok(idle)
    }
}

impl Tapped {
    /// Finds out now and then whether there is another file, which may have messages.
    fn look_after(&mut self) -> Outcome<bool> {
        let was_there = self.tap.is_there();
        let removed = self.tap.look_after(Instant::now())?;
        Ok((removed || !was_there) && self.tap.is_there())
    }

    /// Records what has come; gives whether there was anything, or why the topic cannot be read any more.
    fn record(&mut self, sink: &mut Sink, clock: &SystemClock, since: Option<TimeWall>) -> Outcome<Outcome<bool>> {
        for turn in 0..TURN {
            let (missed, damaged) = match self.tap.read() {
                Ok(Found::Message(message)) => {
                    let index = sink.topic(&self.topic);
                    sink.write(index, stamp(&message, clock.wall(), since), message.packet().as_bytes())?;
                    (message.missed(), 0)
                }
                Ok(Found::Damaged { missed }) => (missed, 1),
                Ok(Found::Nothing) => return Ok(Ok(turn > 0)),
                Err(end) => return Ok(Err(end)),
            };
            if missed > 0 || damaged > 0 {
                let index = sink.topic(&self.topic);
                sink.lost(index, Counts { messages: 0, missed, damaged });
            }
        }
        Ok(Ok(true))
    }
}

fn say_not_recorded(end: End) {
    if let End::Failed(reason) = end {
        complain(format_args!("not recorded: {reason}"));
    }
}

/// The times of a message. What others say about it counts where it can be true.
fn stamp(message: &Message<'_>, now: TimeWall, since: Option<TimeWall>) -> Stamp {
    let said = message.packet().header(keys::TIME_WALL).and_then(|text| TimeWall::parse(text.as_bytes()).ok());
    let true_time = said.filter(|said| *said <= now && since.is_none_or(|since| *said >= since));
    let log_time = true_time.and_then(nanos).or_else(|| nanos(now)).unwrap_or(0);
    Stamp { seq: message.seq(), log_time, publish_time: said.and_then(nanos).unwrap_or(log_time) }
}

/// Nanoseconds since the start of 1970.
fn nanos(time: TimeWall) -> Option<u64> {
    let span = time.checked_duration_since(TimeWall::UNIX_EPOCH)?;
    u64::try_from(span.as_nanos()).ok()
}

//! `a0 record`.

mod check;
mod recorder;
mod selection;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use a0_std::{Cfg, Clock, FileOptions, Mode, SystemClock};
use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueEnum};

use crate::console::live::Board;
use crate::console::{complain, output};
use crate::end::{End, Outcome};
use crate::quantity::{bytes, human, seconds};
use crate::recording::rules::Rules;
use crate::recording::split::Split;
use crate::recording::writer::{RecordingWriter, WriterOptions};
use crate::recording::{LONGEST_PACKET, PROTOCOLS};
use crate::regular;
use crate::render::Format;
use crate::stop::Stop;
use recorder::Recorder;
use selection::Finder;

/// How often to look for messages.
const READ_INTERVAL: Duration = Duration::from_millis(2);

/// How long to go on at the end with what has come already.
const LAST_READ_TIMEOUT: Duration = Duration::from_millis(500);

/// How often to tell how it goes.
const STATUS_INTERVAL: Duration = Duration::from_millis(250);

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
///
/// A message of more than 512 MiB is not recorded; that is said, counted as damaged, and makes the exit code 1.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 record -o run.mcap                                 everything
  a0 record -o run.mcap 'cam/**' imu --protocol pubsub
  a0 record -o run.mcap --split-size 1G --compression zstd
  a0 record -o run.mcap --rules rules.json              what the rules say
  a0 record --rules rules.json --check                  what that would be
  a0 info run.mcap                                      what is in it
  a0 replay run.mcap                                    the same again

Patterns:
  *   any part of one component of the name, such as cam/* or cam/front*
  **  any number of components; at the end, everything below

With --split-size or --split-time, run.mcap becomes run.0000.mcap, run.0001.mcap, …; each can be read by itself.

With --rules, the first rule whose protocol and topic match a topic says what is recorded of it; a topic without a rule is \
not recorded. The rules are those of AlephZero's logger, in JSON:
  {\"rules\": [
    {\"protocol\": \"log\", \"topic\": \"**/*\", \"policies\": [{\"type\": \"save_all\"}]},
    {\"protocol\": \"pubsub\", \"topic\": \"cam/*\", \"policies\": [{
      \"type\": \"time\", \"args\": {\"save_prev\": \"5s\", \"save_next\": \"2s\"},
      \"triggers\": [{\"type\": \"pubsub\", \"args\": {\"topic\": \"alarm\"}}]}]}]}

  policies  save_all, drop_all, time and count {save_prev, save_next}; what any of them saves is saved
  triggers  pubsub {topic, or a pattern}, rate {hz, or period in seconds}, cron {pattern: six fields, UTC}
  protocol  pubsub, rpc, prpc, cfg, log, or file (then the topic is a file's path below A0_ROOT)
  savepath  where recordings go without -o: savepath/YYYY/MM/DD/recording@TIME.mcap
  others    trigger_control_topic, control_topic, start_time_mono; default_max_logfile_size, _duration, \
max_logfile_size, _duration (the smallest counts, since all topics go to one file)

Recording begins with messages of the last 30 seconds that are still there (with --history, with all of them). Triggers \
count from now on (with --history, also those of the past). Messages before a trigger wait for it in memory, at most \
--buffer bytes; what a trigger wants but is gone by then is counted as given up. A message that several policies save is \
recorded once. What a short window saves is written when no longer one can want what came before.")]
pub(crate) struct Args {
    /// Topics to record; quote the pattern, or the shell takes it for files
    #[arg(value_name = "TOPIC-GLOB", default_value = "**")]
    patterns: Vec<String>,
    /// File to write; one that exists is not overwritten
    #[arg(short, long, value_name = "FILE", required_unless_present_any = ["rules", "rules_topic", "check"])]
    output: Option<PathBuf>,
    /// Only topics of this protocol (may be repeated)
    #[arg(short, long, value_name = "PROTOCOL", value_parser = PossibleValuesParser::new(PROTOCOLS))]
    protocol: Vec<String>,
    /// Also record the messages that are there already
    #[arg(long)]
    history: bool,
    /// Record what the rules in this file say
    #[arg(long, value_name = "FILE", group = "ruled")]
    rules: Option<PathBuf>,
    /// Record what the rules in this configuration (see 'a0 cfg') say
    #[arg(long, value_name = "TOPIC", group = "ruled")]
    rules_topic: Option<String>,
    /// Only say what the rules mean for each topic that is there
    #[arg(long, requires = "ruled")]
    check: bool,
    /// How --check prints
    #[arg(long, value_enum, requires = "check", default_value_t = Format::Text)]
    format: Format,
    /// Memory for messages that may yet be wanted by a trigger
    #[arg(long, value_name = "BYTES", value_parser = bytes, requires = "ruled", default_value = "256M")]
    buffer: u64,
    /// Start a new file once the current one has reached this many bytes
    #[arg(long, value_name = "BYTES", value_parser = some_bytes)]
    split_size: Option<u64>,
    /// Start a new file once the current one is this old
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    split_time: Option<Duration>,
    /// How to compress
    #[arg(long, value_enum, default_value_t = Compression::None)]
    compression: Compression,
    /// Longest time that a message waits in memory
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    flush: Duration,
    /// End after this time
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

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let rules = self.load()?;
        if let Some(rules) = rules.as_ref().filter(|_| self.check) {
            let limits = self.plan(Some(rules));
            return check::run(rules, self.finder(Some(rules))?, &limits, self.format);
        }
        let output = self.output_path(rules.as_ref())?;
        let plan = self.plan(rules.as_ref());
        let finder = self.finder(rules.as_ref())?;
        let mut recorder = Recorder::new(finder, rules, self.history, self.buffer)?;
        let _hold = stop.hold();
        let mut writer = RecordingWriter::create(&output, plan)?;
        self.record(stop, &mut recorder, &mut writer)
    }

    fn record(&self, stop: &Stop, recorder: &mut Recorder, writer: &mut RecordingWriter) -> Outcome {
        let started = Instant::now();
        let end = self.duration.and_then(|duration| started.checked_add(duration));
        let mut board = Board::new(output()?, Format::Text);
        let mut tell = started;
        while stop.reason().is_none() && end.is_none_or(|end| Instant::now() < end) {
            let idle = recorder.record(writer)?;
            let now = Instant::now();
            writer.look_after(now)?;
            if now >= tell && board.is_live() {
                // What cannot be shown, because the terminal was closed, is no reason to end.
                let _ = board.show(&[format!("{}{}", describe(writer, recorder, started), recorder.waiting())]);
                tell = now + STATUS_INTERVAL;
            }
            if idle {
                stop.sleep_until(now + READ_INTERVAL);
            }
        }
        // What has come before the end, unless it does not stop coming.
        let last = Instant::now() + LAST_READ_TIMEOUT;
        recorder.hurry();
        while !recorder.record(writer)? && Instant::now() < last {}
        recorder.finish(writer)?;
        writer.finish()?;
        let size = human(writer.bytes());
        let files = match writer.files() {
            1 => String::new(),
            files => format!(" in {files} files"),
        };
        board.last(&format!("{}, {size}{files}", describe(writer, recorder, started)))?;
        if writer.is_incomplete() { Err(End::Told) } else { Ok(()) }
    }

    fn finder(&self, rules: Option<&Rules>) -> Outcome<Finder> {
        Finder::new(&self.patterns, &self.protocol, rules)
    }

    /// The rules, if there are any.
    fn load(&self) -> Outcome<Option<Rules>> {
        let (name, text) = match (&self.rules, &self.rules_topic) {
            (Some(path), _) => (path.display().to_string(), regular::read_text(path)?),
            (None, Some(topic)) => {
                let cfg = Cfg::with_options(topic, &FileOptions::default().access(Mode::ReadOnly))?;
                let packet = cfg.read()?;
                let packet = packet.ok_or_else(|| End::failed(format_args!("{topic}: nobody has written it yet")))?;
                let name = cfg.file().path().display().to_string();
                let text = String::from_utf8(packet.into_payload());
                let text = text.map_err(|_| End::failed(format_args!("{name}: not JSON: not UTF-8")))?;
                (name, text)
            }
            (None, None) => return Ok(None),
        };
        let rules = Rules::parse(&text).map_err(|wrong| End::failed(format_args!("{name}: {wrong}")))?;
        rules.warnings.iter().for_each(|warning| complain(format_args!("{name}: {warning}")));
        Ok(Some(rules))
    }

    /// Where the recording goes.
    fn output_path(&self, rules: Option<&Rules>) -> Outcome<PathBuf> {
        if let Some(output) = &self.output {
            return Ok(output.clone());
        }
        let none = || End::failed("where the recording goes is not said; use -o, or add \"savepath\" to the rules");
        let savepath = rules.and_then(|rules| rules.savepath.as_deref()).ok_or_else(none)?;
        let path = dated(savepath);
        if let Some(dir) = path.parent() {
            let failed = |error| End::failed(format_args!("cannot create {}: {error}", dir.display()));
            std::fs::create_dir_all(dir).map_err(failed)?;
        }
        Ok(path)
    }

    fn plan(&self, rules: Option<&Rules>) -> WriterOptions {
        let compression = match self.compression {
            Compression::None => None,
            Compression::Zstd => Some(mcap::Compression::Zstd),
            Compression::Lz4 => Some(mcap::Compression::Lz4),
        };
        let by_rules = rules.map(|rules| rules.split).unwrap_or_default();
        let split = Split { size: self.split_size.or(by_rules.size), time: self.split_time.or(by_rules.time) };
        WriterOptions { compression, split, flush: self.flush, longest: LONGEST_PACKET }
    }
}

fn some_bytes(text: &str) -> Result<u64, String> {
    bytes(text).and_then(|bytes| if bytes > 0 { Ok(bytes) } else { Err("a file needs more than that".to_owned()) })
}

fn some_seconds(text: &str) -> Result<Duration, String> {
    let none = || Err("a file needs more than that".to_owned());
    seconds(text).and_then(|time| if time.is_zero() { none() } else { Ok(time) })
}

/// `SAVEPATH/YYYY/MM/DD/recording@TIME.mcap`.
fn dated(savepath: &Path) -> PathBuf {
    let now = SystemClock.wall().to_text();
    let date = now[..10].replace('-', "/");
    savepath.join(date).join(format!("recording@{}.mcap", &*now))
}

/// `FILE: N messages of T topics in S s; what is not recorded; losses`.
fn describe(writer: &RecordingWriter, recorder: &Recorder, started: Instant) -> String {
    let counts = writer.counts();
    let seconds = started.elapsed().as_secs_f64();
    let dropped = match recorder.left_out() {
        None => String::new(),
        Some(left_out) => format!("; {} dropped by rule, {left_out} topics left out", counts.dropped),
    };
    format!(
        "{}: {} messages of {} topics in {seconds:.1} s{dropped}{}",
        writer.path().display(),
        counts.messages,
        writer.topics(),
        counts.losses()
    )
}

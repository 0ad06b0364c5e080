//! `a0 replay`.

mod address;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use a0_std::{Error, File, FileOptions, Packet, PacketView, PathGlob, Writer};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use mcap::records::Channel;

use self::address::{Addresses, is_plain};
use crate::console::live::Board;
use crate::console::{complain, output};
use crate::end::{End, Outcome};
use crate::follow::going_on;
use crate::quantity::{bytes, seconds};
use crate::recording::reader::{Item, Recorded, RecordingReader};
use crate::recording::{ENCODING, PROTOCOLS};
use crate::render::Format;
use crate::stop::Stop;

const EVERYTHING: &str = "**";

/// Between two looks whether a topic's file is there.
const FILE_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How often to tell how it goes.
const STATUS_INTERVAL: Duration = Duration::from_millis(250);

/// Publish what was recorded, with the same timing
///
/// Packets are published as they were: the same ids, the same headers, the standard ones (a0_time_mono, a0_time_wall,
/// a0_transport_seq, a0_writer_id, a0_writer_seq) included, which therefore tell of the recording and not of the replay.
/// Topics are created if they do not exist.
///
/// Requests and replies (rpc, prpc) are replayed only if asked for by --protocol: servers that run act on them again. What
/// counts is the file that the messages would go to, whatever the recording calls them. Nothing goes to a deadman or
/// outside of A0_ROOT.
///
/// What is damaged or missing in FILE is passed over, and said at the end.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 replay run.mcap
  a0 replay run.mcap --rate 2 --loop 'cam/**'           twice as fast, until interrupted
  a0 replay run.mcap --start 10 --end 20                ten seconds of it
  a0 replay run.mcap --topic-map cam/front=test/front   under another name

At the end it says how much later than due messages were published, on average and at most.")]
pub(crate) struct Args {
    /// The recording
    file: PathBuf,
    /// Which topics, by their recorded names; quote it, or the shell takes it for files
    #[arg(value_name = "TOPIC-GLOB", default_value = EVERYTHING)]
    patterns: Vec<String>,
    /// Only topics of this protocol (may be repeated) [default: pubsub, cfg, log]
    #[arg(short, long, value_name = "PROTOCOL", value_parser = PossibleValuesParser::new(PROTOCOLS))]
    protocol: Vec<String>,
    /// So many times as fast
    #[arg(short, long, value_name = "FACTOR", value_parser = factor, default_value = "1")]
    rate: f64,
    /// Begin again at the end
    #[arg(short = 'l', long = "loop")]
    again: bool,
    /// Publish topic A under the name B (may be repeated)
    #[arg(short = 'm', long = "topic-map", value_name = "A=B", value_parser = renaming)]
    topic_map: Vec<(String, String)>,
    /// Skip this much time at the start of the recording
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    start: Duration,
    /// Stop at this time of the recording
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    end: Option<Duration>,
    /// Size of the files of topics that have to be created [default: 16M]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    arena: Option<u64>,
}

/// Where the messages of a channel go.
struct Target {
    writer: Writer,
    /// When to look whether the file is still there.
    next_look: Instant,
}

struct Player<'a> {
    args: &'a Args,
    stop: &'a Stop,
    globs: Vec<PathGlob>,
    addresses: Addresses<'a>,
    /// By channel; `None` for those that are left out.
    targets: HashMap<u16, Option<Target>>,
    board: Board,
    tell: Instant,
    report: Report,
}

#[derive(Default)]
struct Report {
    messages: u64,
    /// Messages that are not asked for.
    left_out: u64,
    /// Recorded data that are no packets.
    damaged: u64,
    late: Duration,
    latest: Duration,
}

/// Parses how many times as fast to replay.
fn factor(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(factor) if (1e-6..=1e9).contains(&factor) => Ok(factor),
        _ => Err("use a number of times as fast, such as 2 or 0.5".to_owned()),
    }
}

/// Parses under which other name to publish a topic.
fn renaming(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((from, to)) if !from.is_empty() && is_plain(to) => Ok((from.to_owned(), to.to_owned())),
        Some((from, to)) if !from.is_empty() && !to.is_empty() => Err(format!(
            "'{to}' is no name below A0_ROOT: use one without '.', '..' and empty parts, such as test/front"
        )),
        _ => Err("use RECORDED=NEW, such as cam/front=test/front".to_owned()),
    }
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        if self.end.is_some_and(|end| end < self.start) {
            return Err(End::failed("nothing is between --start and --end: the end comes first"));
        }
        let globs = self.patterns.iter().map(PathGlob::new).collect::<Result<_, _>>()?;
        let _hold = stop.hold();
        let board = Board::new(output()?, Format::Text);
        let (targets, report) = (HashMap::new(), Report::default());
        let started = Instant::now();
        let addresses = Addresses::new(&self.protocol)?;
        let mut player = Player { args: &self, stop, globs, addresses, targets, board, tell: started, report };
        let mut source = RecordingReader::open(&self.file)?;
        self.check_topic_map(&source)?;
        loop {
            let before = player.report.messages;
            player.pass(&mut source)?;
            // Said once: another pass finds the same.
            if let Some(problem) = source.problem().filter(|_| before == 0) {
                complain(format_args!("{}: {problem}", self.file.display()));
            }
            if stop.reason().is_some() {
                break;
            }
            // A pattern that is misspelled, for one; but of an empty recording there may be nothing.
            if player.report.messages == before {
                self.check_nothing(player.report.left_out)?;
            }
            if !self.again {
                break;
            }
            source = source.rewind()?;
        }
        let line = player.report.text(started.elapsed());
        Ok(player.board.last(&line)?)
    }

    /// Whether it is right that nothing was replayed.
    fn check_nothing(&self, left_out: u64) -> Outcome {
        let file = self.file.display();
        if left_out > 0 {
            let calls = if self.protocol.is_empty() { " (rpc and prpc are replayed only if asked for)" } else { "" };
            return Err(End::failed(format_args!(
                "{file}: nothing in it is to be replayed: topics, --protocol{calls}, --start and --end leave out all \
                 {left_out} messages (see a0 info)"
            )));
        }
        match self.again || self.patterns != [EVERYTHING] {
            true => Err(End::failed(format_args!("{file}: nothing in it is to be replayed"))),
            false => Ok(()),
        }
    }

    /// A name that is misspelled would have the topic published under its own.
    fn check_topic_map(&self, source: &RecordingReader) -> Outcome {
        if self.topic_map.is_empty() {
            return Ok(());
        }
        let known: BTreeSet<String> = match source.topics() {
            Some(topics) => topics.map(str::to_owned).collect(),
            None => self.topics()?,
        };
        match self.topic_map.iter().find(|(from, _)| !known.contains(from)) {
            Some((from, to)) => {
                let file = self.file.display();
                Err(End::failed(format_args!(
                    "--topic-map {from}={to}: there is no topic {from} in {file} (see a0 info)"
                )))
            }
            None => Ok(()),
        }
    }

    /// The topics of a recording that does not say at its end which ones it has.
    fn topics(&self) -> Outcome<BTreeSet<String>> {
        let (mut source, mut topics) = (RecordingReader::open_without_contents(&self.file)?, BTreeSet::new());
        while let Some(item) = source.next()? {
            if let Item::Message(Recorded { channel, .. }) = item
                && !topics.contains(&channel.topic)
            {
                topics.insert(channel.topic.clone());
            }
        }
        Ok(topics)
    }

    fn open(&self, path: &Path) -> Outcome<Target> {
        let mut options = FileOptions::default();
        if let Some(size) = self.arena {
            options = options.size(size);
        }
        Ok(Target {
            writer: Writer::new(&File::open(path, &options)?),
            next_look: Instant::now() + FILE_CHECK_INTERVAL,
        })
    }
}

impl Player<'_> {
    /// Plays the recording once.
    fn pass(&mut self, source: &mut RecordingReader) -> Outcome {
        let started = Instant::now();
        let mut first = None;
        while let Some(item) = source.next()? {
            let Item::Message(message) = item else { continue };
            let since = message.time.saturating_sub(*first.get_or_insert(message.time));
            let since = Duration::from_nanos(since);
            let in_time = since >= self.args.start && self.args.end.is_none_or(|end| since <= end);
            if !in_time || !self.is_wanted(&message.channel)? {
                self.report.left_out += 1;
                continue;
            }
            let ahead = (since - self.args.start).as_secs_f64() / self.args.rate;
            let due = Duration::try_from_secs_f64(ahead).ok().and_then(|ahead| started.checked_add(ahead));
            let due = due.ok_or_else(|| End::failed(format_args!("the next message is {ahead:.0} s ahead")))?;
            self.await_due(due, source)?;
            if self.stop.reason().is_some() {
                return Ok(());
            }
            self.publish(&message, due)?;
        }
        Ok(())
    }

    /// Sleeps until it is time; tells how it goes meanwhile.
    fn await_due(&mut self, due: Instant, source: &RecordingReader) -> Outcome {
        loop {
            let now = Instant::now();
            if now >= self.tell && self.board.is_live() {
                let percent = 100 * source.position() / source.size().max(1);
                self.board.show(&[format!("{} messages, {percent} % of the file", self.report.messages)])?;
                self.tell = now + STATUS_INTERVAL;
            }
            if now >= due || self.stop.reason().is_some() {
                return Ok(());
            }
            let live = due > self.tell && self.board.is_live();
            self.stop.sleep_until(if live { self.tell } else { due });
        }
    }

    /// Whether a channel is to be replayed. Opens its topic if that is so.
    fn is_wanted(&mut self, channel: &Channel) -> Outcome<bool> {
        if let Some(known) = self.targets.get(&channel.id) {
            return Ok(known.is_some());
        }
        let target = self.target(channel)?;
        let wanted = target.is_some();
        self.targets.insert(channel.id, target);
        Ok(wanted)
    }

    fn target(&self, channel: &Channel) -> Outcome<Option<Target>> {
        let recorded = &channel.topic;
        if channel.message_encoding != ENCODING {
            complain(format_args!("{recorded}: not replayed: its messages are no AlephZero packets"));
            return Ok(None);
        }
        if !self.globs.iter().any(|glob| glob.matches(recorded.trim_start_matches('/'))) {
            return Ok(None);
        }
        let renamed = self.args.topic_map.iter().find(|(from, _)| from == recorded).map(|(_, to)| to);
        let claimed = channel.metadata.get("protocol").map_or("", String::as_str);
        match self.addresses.path(claimed, renamed.unwrap_or(recorded))? {
            Ok(path) => path.map(|path| self.args.open(&path)).transpose(),
            Err(reason) => {
                complain(format_args!("{recorded}: not replayed: {reason}"));
                Ok(None)
            }
        }
    }

    fn publish(&mut self, message: &Recorded, due: Instant) -> Outcome {
        let Ok(view) = PacketView::parse(&message.data) else {
            self.report.damaged += 1;
            return Ok(());
        };
        let packet = Packet::from(&view);
        let Some(Some(target)) = self.targets.get_mut(&message.channel.id) else { return Ok(()) };
        let mut published = target.write(&packet);
        if let Err(Error::TopicRemoved { path }) = published {
            complain(going_on(&path));
            *target = self.args.open(&path)?;
            published = target.write(&packet);
        }
        match published {
            Err(Error::Topic { cause: a0_std::TopicError::FrameTooLarge { size, max }, path }) => {
                Err(End::failed(format_args!(
                    "{}: a message of {size} bytes is recorded, but the topic takes at most {max}: remove it (a0 rm), then \
                     replay with --arena {}",
                    path.display(),
                    size.saturating_mul(4).next_power_of_two()
                )))
            }
            Err(error) => Err(error.into()),
            Ok(_) => {
                let late = Instant::now().saturating_duration_since(due);
                self.report.messages += 1;
                self.report.late += late;
                self.report.latest = self.report.latest.max(late);
                Ok(())
            }
        }
    }
}

impl Target {
    fn write(&mut self, packet: &Packet) -> Result<(), Error> {
        let (file, now) = (self.writer.file(), Instant::now());
        if now >= self.next_look {
            self.next_look = now + FILE_CHECK_INTERVAL;
            if file.is_removed()? {
                return Err(Error::TopicRemoved { path: file.path().to_owned() });
            }
        }
        self.writer.write_packet(packet).map(drop)
    }
}

impl Report {
    fn text(&self, took: Duration) -> String {
        let mean = self.late.as_secs_f64() * 1e3 / (self.messages.max(1) as f64);
        let latest = self.latest.as_secs_f64() * 1e3;
        let mut text = format!(
            "{} messages in {:.1} s; late by {mean:.3} ms on average, {latest:.3} ms at most",
            self.messages,
            took.as_secs_f64()
        );
        for (count, what) in [(self.left_out, "left out"), (self.damaged, "were no packets")] {
            if count > 0 {
                text += &format!("; {count} {what}");
            }
        }
        text
    }
}

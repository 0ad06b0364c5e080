//! Writing a recording, or several, one after the other.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mcap::records::{MessageHeader, Metadata};
use mcap::write::NoSeek;
use mcap::{Compression, McapError, WriteOptions, Writer};

use super::{Counts, ENCODING, LAYOUT, Subject, TALLY};
use crate::console::complain;
use crate::end::{End, Outcome};
use crate::quantity::human;

/// How recordings are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) compression: Option<Compression>,
    /// A file that has so many bytes is the last one of so many.
    pub(crate) split_size: Option<u64>,
    pub(crate) split_time: Option<Duration>,
    /// How long messages may wait until they are written.
    pub(crate) flush: Duration,
    /// The longest packet that is recorded.
    pub(crate) longest: usize,
}

/// What is recorded, and where.
pub(crate) struct Sink {
    base: PathBuf,
    plan: Plan,
    topics: Vec<Topic>,
    /// Where each is in `topics`.
    numbers: HashMap<Subject, usize>,
    part: Part,
    /// Files that are full.
    parts: u32,
    /// Bytes of these.
    bytes: u64,
    /// A message was too large.
    incomplete: bool,
}

struct Topic {
    subject: Subject,
    /// In the file that is written now.
    channel: Option<u16>,
    here: Counts,
    before: Counts,
    /// It was said that a message is too large.
    told: bool,
}

/// One file.
struct Part {
    path: PathBuf,
    writer: Writer<NoSeek<Counted>>,
    bytes: Rc<Cell<u64>>,
    started: Instant,
    /// When messages that wait are to be written; `None` if none waits.
    due: Option<Instant>,
    messages: u64,
    flushed: u64,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) seq: u64,
    /// Nanoseconds since the start of 1970.
    pub(crate) log_time: u64,
    pub(crate) publish_time: u64,
}

impl Sink {
    /// Creates the first file.
    pub(crate) fn create(base: &Path, plan: Plan) -> Outcome<Sink> {
        // Said now, and not when its turn comes, hours later.
        if let Some(part) = plan.splits().then(|| earlier_part(base)).flatten() {
            return Err(exists(&part));
        }
        let part = Part::create(base, &plan, 0)?;
        let (base, numbers) = (base.to_owned(), HashMap::new());
        Ok(Sink { base, plan, topics: vec![], numbers, part, parts: 0, bytes: 0, incomplete: false })
    }

    /// The number by which a topic is known here.
    pub(crate) fn topic(&mut self, subject: &Subject) -> usize {
        if let Some(known) = self.numbers.get(subject) {
            return *known;
        }
        let number = self.topics.len();
        let (here, before) = (Counts::default(), Counts::default());
        self.topics.push(Topic { subject: subject.clone(), channel: None, here, before, told: false });
        self.numbers.insert(subject.clone(), number);
        number
    }

    /// Records a packet of a topic. One that is too large is no reason not to record others; it is said once for each topic.
    pub(crate) fn write(&mut self, index: usize, stamp: Stamp, packet: &[u8]) -> Outcome {
        if packet.len() > self.plan.longest {
            self.lost(index, Counts { damaged: 1, ..Counts::default() });
            self.incomplete = true;
            let Topic { subject, told, .. } = &mut self.topics[index];
            if !std::mem::replace(told, true) {
                let (path, seq) = (subject.path.display(), stamp.seq);
                let [size, longest] = [packet.len(), self.plan.longest].map(|bytes| human(bytes as u64));
                complain(format_args!(
                    "{path}: message {seq}, of {size}, is larger than a recording takes, which is {longest}: it is not \
                     recorded; publish it in pieces, or leave the topic out"
                ));
            }
            return Ok(());
        }
        // A window that is saved all at once may be larger than a file shall be.
        if self.is_large() {
            self.begin_part()?;
        }
        let topic = &mut self.topics[index];
        let part = &mut self.part;
        let channel_id = match topic.channel {
            Some(channel) => channel,
            None => *topic.channel.insert(part.channel(&topic.subject)?),
        };
        let Stamp { seq, log_time, publish_time } = stamp;
        let header = MessageHeader { channel_id, sequence: seq as u32, log_time, publish_time };
        let written = part.writer.write_to_known_channel(&header, packet);
        part.done(written)?;
        part.messages += 1;
        part.due.get_or_insert_with(|| Instant::now() + self.plan.flush);
        topic.here.messages += 1;
        Ok(())
    }

    /// Takes note of what is not recorded.
    pub(crate) fn lost(&mut self, index: usize, counts: Counts) {
        self.topics[index].here.add(counts);
    }

    /// Writes what has waited long enough; begins another file if it is time to.
    pub(crate) fn look_after(&mut self, now: Instant) -> Outcome {
        if self.part.due.is_some_and(|due| now >= due) {
            self.part.flush()?;
        }
        let is_old = self.plan.split_time.is_some_and(|time| now.saturating_duration_since(self.part.started) >= time);
        if self.is_large() || is_old && self.part.messages > 0 {
            self.begin_part()?;
        }
        Ok(())
    }

    fn is_large(&self) -> bool {
        self.part.messages > 0 && self.plan.split_size.is_some_and(|size| self.part.bytes.get() >= size)
    }

    fn begin_part(&mut self) -> Outcome {
        self.finish_part()?;
        self.parts += 1;
        self.part = Part::create(&self.base, &self.plan, self.parts)?;
        Ok(())
    }

    /// Whether something was too large to be recorded.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Ends the recording in good order.
    pub(crate) fn finish(&mut self) -> Outcome {
        self.finish_part()
    }

    fn finish_part(&mut self) -> Outcome {
        for topic in &mut self.topics {
            let Counts { messages, missed, damaged, dropped, given_up } = topic.here;
            let fact = |key: &str, value: String| (key.to_owned(), value);
            let metadata = BTreeMap::from([
                fact("protocol", topic.subject.protocol.to_owned()),
                fact("topic", topic.subject.name.clone()),
                fact("messages", messages.to_string()),
                fact("missed", missed.to_string()),
                fact("damaged", damaged.to_string()),
                fact("dropped", dropped.to_string()),
                fact("given_up", given_up.to_string()),
            ]);
            if !topic.here.is_zero() {
                let written = self.part.writer.write_metadata(&Metadata { name: TALLY.to_owned(), metadata });
                self.part.done(written)?;
            }
            topic.channel = None;
            topic.before.add(std::mem::take(&mut topic.here));
        }
        let finished = self.part.writer.finish().map(drop);
        self.part.done(finished)?;
        self.bytes += self.part.bytes.get();
        Ok(())
    }

    /// What was recorded so far in all topics.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for topic in &self.topics {
            counts.add(topic.before);
            counts.add(topic.here);
        }
        counts
    }

    /// Topics of which there is a message.
    pub(crate) fn topics(&self) -> usize {
        self.topics.iter().filter(|topic| topic.before.messages + topic.here.messages > 0).count()
    }

    /// The file that is written now.
    pub(crate) fn path(&self) -> &Path {
        &self.part.path
    }

    /// How many files there are.
    pub(crate) fn files(&self) -> u32 {
        self.parts + 1
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Plan {
    fn splits(&self) -> bool {
        self.split_size.is_some() || self.split_time.is_some()
    }
}

impl Part {
    fn create(base: &Path, plan: &Plan, number: u32) -> Outcome<Part> {
        let path = if plan.splits() { numbered(base, number) } else { base.to_owned() };
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(&path),
            _ => End::failed(format_args!("cannot create {}: {error}", path.display())),
        })?;
        let bytes = Rc::default();
        let output = NoSeek::new(Counted { output: BufWriter::new(file), bytes: Rc::clone(&bytes) });
        // A chunk is made in memory and then written, so that what is in the file is complete but for the end.
        let options = WriteOptions::new()
            .compression(plan.compression)
            .compression_threads(0)
            .disable_seeking(true)
            .library(concat!("alephzero-rs/", env!("CARGO_PKG_VERSION")));
        let writer = options.create(output).map_err(|error| cannot_write(&path, error))?;
        let mut part = Part { path, writer, bytes, started: Instant::now(), due: None, messages: 0, flushed: 0 };
        if let Err(end) = part.flush() {
            // Of no use to anybody, and in the way of the next attempt. Nothing can be done where this fails.
            let _ = std::fs::remove_file(&part.path);
            return Err(end);
        }
        Ok(part)
    }

    fn channel(&mut self, topic: &Subject) -> Outcome<u16> {
        let fact = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let path = topic.path.to_string_lossy();
        let mut metadata = BTreeMap::from([fact("protocol", topic.protocol), fact("path", &path)]);
        metadata.extend(topic.rule.as_ref().map(|rule| fact("rule", rule)));
        let schema = self.writer.add_schema(ENCODING, "text/plain", LAYOUT.as_bytes());
        let channel = schema.and_then(|schema| self.writer.add_channel(schema, &topic.name, ENCODING, &metadata));
        self.done(channel)
    }

    fn flush(&mut self) -> Outcome {
        let flushed = self.writer.flush();
        self.done(flushed)?;
        self.due = None;
        self.flushed = self.messages;
        Ok(())
    }

    fn done<T>(&self, result: Result<T, McapError>) -> Outcome<T> {
        result.map_err(|error| {
            let End::Failed(reason) = cannot_write(&self.path, error) else { return End::Told };
            match self.flushed {
                0 => End::Failed(reason),
                n => End::failed(format_args!(
                    "{reason}; the first {n} messages in it can be replayed, perhaps some more"
                )),
            }
        })
    }
}

fn cannot_write(path: &Path, error: McapError) -> End {
    let path = path.display();
    match error {
        McapError::Io(error) if error.kind() == ErrorKind::StorageFull => {
            End::failed(format_args!("cannot write {path}: {error}: make room, or record elsewhere"))
        }
        McapError::Io(error) => End::failed(format_args!("cannot write {path}: {error}")),
        error => End::failed(format_args!("cannot write {path}: {error}")),
    }
}

fn exists(path: &Path) -> End {
    End::failed(format_args!("{} exists already; choose another name, or remove it", path.display()))
}

/// A file, the first of several, whose name this recording would use, perhaps not before long.
fn earlier_part(base: &Path) -> Option<PathBuf> {
    let dir = base.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parts = std::fs::read_dir(dir).ok()?.flatten().map(|entry| base.with_file_name(entry.file_name()));
    parts.filter(|path| is_part(path, base)).min()
}

fn is_part(path: &Path, base: &Path) -> bool {
    let stem = if base.extension().is_some() { path.file_stem().map(Path::new) } else { Some(path) };
    let number = stem.and_then(Path::extension).and_then(OsStr::to_str).and_then(|number| number.parse().ok());
    number.is_some_and(|number| numbered(base, number) == path)
}

/// `run.mcap` is `run.0000.mcap`, `run.0001.mcap`, ….
fn numbered(base: &Path, number: u32) -> PathBuf {
    let mut name = base.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number:04}"));
    if let Some(extension) = base.extension() {
        name.push(".");
        name.push(extension);
    }
    base.with_file_name(name)
}

/// A file that says how much was written to it.
struct Counted {
    output: BufWriter<File>,
    bytes: Rc<Cell<u64>>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.bytes.set(self.bytes.get() + written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large() {
        let dir = tempfile::tempdir().unwrap();
        let (compression, flush) = (None, Duration::ZERO);
        let plan = Plan { compression, split_size: None, split_time: None, flush, longest: 100 };
        let mut sink = Sink::create(&dir.path().join("x"), plan).unwrap();
        let subject = Subject { protocol: "pubsub", name: "t".into(), path: "t".into(), rule: None };
        let index = sink.topic(&subject);
        for (length, incomplete, counts) in [(100, false, [1, 0]), (101, true, [1, 1]), (9, true, [2, 1])] {
            let stamp = Stamp { seq: 1, log_time: 1, publish_time: 1 };
            sink.write(index, stamp, &vec![0; length]).unwrap();
            let Counts { messages, damaged, .. } = sink.counts();
            assert_eq!((sink.is_incomplete(), [messages, damaged]), (incomplete, counts));
        }
    }

    #[test]
    fn names_of_parts() {
        let name = |base: &str, number| numbered(Path::new(base), number).to_string_lossy().into_owned();
        assert_eq!(
            [name("/x/run.mcap", 0), name("run", 12), name("a.b.mcap", 12345)],
            ["/x/run.0000.mcap", "run.0012", "a.b.12345.mcap"]
        );
        let is = |path: &str, base: &str| is_part(Path::new(path), Path::new(base));
        assert!(is("/x/run.0000.mcap", "/x/run.mcap") && is("run.0012", "run") && is("a.b.12345.mcap", "a.b.mcap"));
        for other in
            ["run.mcap", "run.1.mcap", "run.00000.mcap", "ran.0000.mcap", "run.0000.lz4", "run.0000", "run.x.mcap"]
        {
            assert!(!is(other, "run.mcap"), "{other}");
        }
    }
}

//! Writing a recording, or several, one after the other.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mcap::records::{MessageHeader, Metadata};
use mcap::write::NoSeek;
use mcap::{Compression, McapError, WriteOptions, Writer};

use super::split::{self, Split};
use super::{Counts, ENCODING, LAYOUT, Subject, TALLY};
use crate::console::complain;
use crate::end::{End, Outcome};
use crate::quantity::human;

/// How recordings are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterOptions {
    pub(crate) compression: Option<Compression>,
    /// When a new file is started.
    pub(crate) split: Split,
    /// How long messages may wait until they are written.
    pub(crate) flush: Duration,
    /// The longest packet that is recorded.
    pub(crate) longest: usize,
}

/// What is recorded, and where.
pub(crate) struct RecordingWriter {
    base: PathBuf,
    options: WriterOptions,
    topics: Vec<RecordedTopic>,
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

struct RecordedTopic {
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
pub(crate) struct MessageStamp {
    pub(crate) seq: u64,
    /// Nanoseconds since the start of 1970.
    pub(crate) log_time: u64,
    pub(crate) publish_time: u64,
}

impl RecordingWriter {
    /// Creates the first file.
    pub(crate) fn create(base: &Path, options: WriterOptions) -> Outcome<RecordingWriter> {
        // Said now, and not when its turn comes, hours later.
        if let Some(part) = options.split.earlier_part(base) {
            return Err(split::exists(&part));
        }
        let part = Part::create(base, &options, 0)?;
        let (base, numbers) = (base.to_owned(), HashMap::new());
        Ok(RecordingWriter { base, options, topics: vec![], numbers, part, parts: 0, bytes: 0, incomplete: false })
    }

    /// The number by which a topic is known here.
    pub(crate) fn topic(&mut self, subject: &Subject) -> usize {
        if let Some(known) = self.numbers.get(subject) {
            return *known;
        }
        let number = self.topics.len();
        let (here, before) = (Counts::default(), Counts::default());
        self.topics.push(RecordedTopic { subject: subject.clone(), channel: None, here, before, told: false });
        self.numbers.insert(subject.clone(), number);
        number
    }

    /// Records a packet of a topic. One that is too large is no reason not to record others; it is said once for each topic.
    pub(crate) fn write(&mut self, index: usize, stamp: MessageStamp, packet: &[u8]) -> Outcome {
        if packet.len() > self.options.longest {
            self.lost(index, Counts { damaged: 1, ..Counts::default() });
            self.incomplete = true;
            let RecordedTopic { subject, told, .. } = &mut self.topics[index];
            if !std::mem::replace(told, true) {
                let (path, seq) = (subject.path.display(), stamp.seq);
                let [size, longest] = [packet.len(), self.options.longest].map(|bytes| human(bytes as u64));
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
        let MessageStamp { seq, log_time, publish_time } = stamp;
        let header = MessageHeader { channel_id, sequence: seq as u32, log_time, publish_time };
        let written = part.writer.write_to_known_channel(&header, packet);
        part.done(written)?;
        part.messages += 1;
        part.due.get_or_insert_with(|| Instant::now() + self.options.flush);
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
        let age = now.saturating_duration_since(self.part.started);
        if self.is_large() || self.part.messages > 0 && self.options.split.is_old(age) {
            self.begin_part()?;
        }
        Ok(())
    }

    fn is_large(&self) -> bool {
        self.part.messages > 0 && self.options.split.is_large(self.part.bytes.get())
    }

    fn begin_part(&mut self) -> Outcome {
        self.finish_part()?;
        self.parts += 1;
        self.part = Part::create(&self.base, &self.options, self.parts)?;
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

impl Part {
    fn create(base: &Path, options: &WriterOptions, number: u32) -> Outcome<Part> {
        let path = options.split.path(base, number);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => split::exists(&path),
            _ => End::failed(format_args!("cannot create {}: {error}", path.display())),
        })?;
        let bytes = Rc::default();
        let output = NoSeek::new(Counted { output: BufWriter::new(file), bytes: Rc::clone(&bytes) });
        // A chunk is made in memory and then written, so that what is in the file is complete but for the end.
        let options = WriteOptions::new()
            .compression(options.compression)
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
        let options = WriterOptions { compression, split: Split::default(), flush, longest: 100 };
        let mut sink = RecordingWriter::create(&dir.path().join("x"), options).unwrap();
        let subject = Subject { protocol: "pubsub", name: "t".into(), path: "t".into(), rule: None };
        let index = sink.topic(&subject);
        for (length, incomplete, counts) in [(100, false, [1, 0]), (101, true, [1, 1]), (9, true, [2, 1])] {
            let stamp = MessageStamp { seq: 1, log_time: 1, publish_time: 1 };
            sink.write(index, stamp, &vec![0; length]).unwrap();
            let Counts { messages, damaged, .. } = sink.counts();
            assert_eq!((sink.is_incomplete(), [messages, damaged]), (incomplete, counts));
        }
    }
}

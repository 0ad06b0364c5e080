//! Reading a recording, whatever is left of it.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mcap::records::{Channel, Metadata, Record, op};
use mcap::sans_io::linear_reader::{LinearReadEvent, LinearReader, LinearReaderOptions};
use mcap::{McapError, parse_record};

use super::chunk::{Chunk, MESSAGE_HEADER};
use super::{LONGEST, TALLY, summary};
use crate::end::{End, Outcome};
use crate::quantity::human;
use crate::regular;

/// A chunk that is not longer is held in memory, so that its messages come in the order of their times. All recorders make
/// chunks that are much shorter, but for single messages that are longer.
const HELD: u64 = 16 << 20;

/// Memory for less is asked for without a look at the file.
const LARGE: usize = 1 << 20;

/// All that is remembered of what a recording says about its topics.
const MOST_TOLD: u64 = 32 << 20;

/// A recording that is read from its start to its end.
pub(crate) struct RecordingReader {
    path: PathBuf,
    file: BufReader<File>,
    size: u64,
    /// Bytes that were not read yet. What comes to the file from now on does not count.
    left: u64,
    reader: LinearReader,
    index: Index,
    queue: VecDeque<Item>,
    /// A chunk that is too long to be held.
    running: Option<Chunk<'static>>,
    /// Whether the contents of messages are of interest.
    contents: bool,
    ended: bool,
    complete: bool,
}

/// What is known from earlier records.
#[derive(Default)]
struct Index {
    channels: HashMap<u16, Rc<Channel>>,
    /// Channels as the end of the file has them, for messages whose own record of it is damaged.
    known_at_end: HashMap<u16, Rc<Channel>>,
    /// The latest time of each channel.
    times: HashMap<u16, u64>,
    /// Bytes of the records about topics.
    told: u64,
    problem: Option<String>,
    problems: u64,
}

/// Something in a recording.
pub(crate) enum Item {
    Message(Recorded),
    Metadata(Metadata),
}

/// A message.
pub(crate) struct Recorded {
    pub(crate) channel: Rc<Channel>,
    pub(crate) sequence: u32,
    /// Nanoseconds since the start of 1970; never earlier than that of the message before in the same channel.
    pub(crate) time: u64,
    /// Bytes of the packet.
    pub(crate) size: u64,
    /// The packet, unless the contents are of no interest.
    pub(crate) data: Vec<u8>,
}

impl RecordingReader {
    pub(crate) fn open(path: &Path) -> Outcome<RecordingReader> {
        RecordingReader::new(path, regular::open(path)?, true)
    }

    /// For those who only want to know what there is.
    pub(crate) fn open_without_contents(path: &Path) -> Outcome<RecordingReader> {
        RecordingReader::new(path, regular::open(path)?, false)
    }

    /// The same from its start.
    pub(crate) fn rewind(self) -> Outcome<RecordingReader> {
        let mut file = self.file.into_inner();
        file.rewind().map_err(|error| cannot_read(&self.path, &error))?;
        RecordingReader::new(&self.path, file, self.contents)
    }

    fn new(path: &Path, file: File, contents: bool) -> Outcome<RecordingReader> {
        let size = file.metadata().map_err(|error| cannot_read(path, &error))?.len();
        let options = options().with_emit_chunks(true).with_validate_data_section_crc(true);
        let index = Index { known_at_end: summary::channels(&file, size), ..Index::default() };
        let mut source = RecordingReader {
            path: path.to_owned(),
            file: BufReader::with_capacity(64 << 10, file),
            size,
            left: size,
            reader: LinearReader::new_with_options(options),
            index,
            queue: VecDeque::new(),
            running: None,
            contents,
            ended: false,
            complete: false,
        };
        // So that what is no recording is refused before anything is done.
        source.fill()?;
        Ok(source)
    }

    /// The next thing in it. Damaged parts are passed over; see [`RecordingReader::problem`].
    pub(crate) fn next(&mut self) -> Outcome<Option<Item>> {
        self.fill()?;
        Ok(self.queue.pop_front())
    }

    /// The topics that are in it; `None` if it does not say, since it was not finished.
    pub(crate) fn topics(&self) -> Option<impl Iterator<Item = &str>> {
        let known = &self.index.known_at_end;
        (!known.is_empty()).then(|| known.values().map(|channel| channel.topic.as_str()))
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that were read.
    pub(crate) fn position(&self) -> u64 {
        self.size - self.left
    }

    /// Whether the file ends as one does that was finished.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// What is wrong with what was read so far.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self.index.problem.as_ref()?;
        let more = match self.index.problems {
            1 => String::new(),
            problems => format!("; and {} more problems", problems - 1),
        };
        Some(format!("{problem}{more}"))
    }

    fn fill(&mut self) -> Outcome {
        while self.queue.is_empty() && (self.running.is_some() || !self.ended) {
            if let Some(chunk) = &mut self.running {
                match self.index.next(chunk) {
                    Ok(Some(item)) => self.queue.extend(item),
                    ended => {
                        self.running = None;
                        ended.map_or_else(|error| self.index.note_chunk(&error), drop);
                    }
                }
                continue;
            }
            match self.reader.next_event() {
                None => (self.ended, self.complete) = (true, true),
                Some(Ok(LinearReadEvent::ReadRequest(need))) => self.read(need)?,
                Some(Ok(LinearReadEvent::Record { opcode: op::CHUNK, data })) => {
                    match self.index.chunk(data, self.contents) {
                        Ok(Content::Held(items)) => self.queue.extend(items),
                        Ok(Content::Running(chunk)) => self.running = Some(chunk),
                        Err(error) => self.index.note_chunk(&error),
                    }
                }
                Some(Ok(LinearReadEvent::Record { opcode, data })) => {
                    let len = data.len() as u64;
                    match self.index.record(opcode, len, if is_of_interest(opcode) { data.to_vec() } else { vec![] }) {
                        Ok(item) => self.queue.extend(item),
                        Err(error) => self.index.note(format!("a damaged record: {}", reason(&error))),
                    }
                }
                Some(Err(McapError::BadMagic)) if self.size - self.left <= 8 => return Err(self.is_none()),
                Some(Err(McapError::UnexpectedEof)) if self.size < 8 => return Err(self.is_none()),
                Some(Err(McapError::UnexpectedEof)) => {
                    self.ended = true;
                    self.index.note("it has no end, as if the recorder was killed or is still running".to_owned());
                }
                Some(Err(error)) => {
                    self.ended = true;
                    self.index.note(format!("damaged at about byte {}: {}", self.size - self.left, reason(&error)));
                }
            }
        }
        Ok(())
    }

    fn is_none(&self) -> End {
        End::failed(format_args!("{}: not an MCAP file", self.path.display()))
    }

    /// Never asks for more memory than the file has bytes. Of a large piece, most must be more than a hole, which costs nothing.
    fn read(&mut self, need: usize) -> Outcome {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(need);
        let at = self.size - self.left;
        if wanted > LARGE && !regular::is_mostly_there(self.file.get_ref(), at, wanted as u64) {
            self.ended = true;
            self.index.note(format!("damaged at about byte {at}: most of the next {} is a hole", human(wanted as u64)));
            return Ok(());
        }
        let read = self.file.read(self.reader.insert(wanted));
        let read = read.map_err(|error| cannot_read(&self.path, &error))?;
        self.left -= read as u64;
        self.reader.notify_read(read);
        Ok(())
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> End {
    End::failed(format_args!("cannot read {}: {error}", path.display()))
}

fn options() -> LinearReaderOptions {
    LinearReaderOptions::default().with_record_length_limit(LONGEST)
}

/// What is in a chunk.
enum Content {
    /// In the order of time.
    Held(Vec<Item>),
    /// In the order of the file, to be read one by one. It is sound.
    Running(Chunk<'static>),
}

/// Only records of these kinds are looked into: an attachment that is cut short, for one, makes the parser panic.
fn is_of_interest(opcode: u8) -> bool {
    [op::CHANNEL, op::MESSAGE, op::METADATA].contains(&opcode)
}

impl Index {
    /// What is in a chunk; all of it or nothing.
    fn chunk(&mut self, data: &[u8], contents: bool) -> Result<Content, McapError> {
        let Record::Chunk { header, data } = parse_record(op::CHUNK, data)? else { return Ok(Content::Held(vec![])) };
        let open = |contents| Chunk::new(&header, &*data, contents);
        if header.uncompressed_size > HELD {
            let (times, told) = (self.times.clone(), self.told);
            let sound = open(false).and_then(|mut chunk| {
                while self.next(&mut chunk)?.is_some() {}
                Ok(())
            });
            (self.times, self.told) = (times, told);
            sound?;
            return Ok(Content::Running(Chunk::new(&header, Cursor::new(data.into_owned()), contents)?));
        }
        let (mut chunk, mut items) = (open(contents)?, vec![]);
        while let Some(item) = self.next(&mut chunk)? {
            items.extend(item);
        }
        items.sort_by_key(|item| match item {
            Item::Message(message) => message.time,
            Item::Metadata(_) => 0,
        });
        Ok(Content::Held(items))
    }

    /// What the next record of a chunk says, if anything; `None` at its end.
    fn next(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<Option<Item>>, McapError> {
        let mut body = vec![];
        match chunk.next(&mut body)? {
            Some((opcode, len)) => self.record(opcode, len, body).map(Some),
            None => Ok(None),
        }
    }

    /// What a record of this length says. Of a message, the content may be missing.
    fn record(&mut self, opcode: u8, len: u64, mut body: Vec<u8>) -> Result<Option<Item>, McapError> {
        if !is_of_interest(opcode) {
            return Ok(None);
        }
        let parsed = if opcode == op::MESSAGE { &body[..body.len().min(MESSAGE_HEADER)] } else { &body };
        match parse_record(opcode, parsed)? {
            Record::Channel(channel) => {
                if let Some(known) = self.channels.get(&channel.id) {
                    let same = **known == channel;
                    return if same { Ok(None) } else { Err(McapError::ConflictingChannels(channel.topic)) };
                }
                self.remember(len)?;
                self.channels.insert(channel.id, Rc::new(channel));
                Ok(None)
            }
            Record::Message { header, .. } => {
                let id = &header.channel_id;
                let channel = self.channels.get(id).or_else(|| self.known_at_end.get(id));
                let channel = channel.ok_or(McapError::UnknownChannel(header.sequence, header.channel_id))?;
                let time = self.times.entry(header.channel_id).or_default();
                *time = header.log_time.max(*time);
                body.drain(..MESSAGE_HEADER);
                let (channel, size) = (Rc::clone(channel), len - MESSAGE_HEADER as u64);
                let message = Recorded { channel, sequence: header.sequence, time: *time, size, data: body };
                Ok(Some(Item::Message(message)))
            }
            Record::Metadata(metadata) if metadata.name == TALLY => {
                self.remember(len)?;
                Ok(Some(Item::Metadata(metadata)))
            }
            _ => Ok(None),
        }
    }

    /// Counts what is remembered.
    fn remember(&mut self, len: u64) -> Result<(), McapError> {
        self.told += len;
        let most = human(MOST_TOLD);
        let much =
            || io::Error::other(format!("it says more about topics than a recorder does, which is up to {most}"));
        if self.told > MOST_TOLD { Err(McapError::Io(much())) } else { Ok(()) }
    }

    fn note_chunk(&mut self, error: &McapError) {
        self.note(format!("a damaged chunk: {}", reason(error)));
    }

    fn note(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
        self.problems += 1;
    }
}

fn reason(error: &McapError) -> String {
    match error {
        // What the parser has to say has several lines.
        McapError::Parse(_) => "it cannot be parsed".to_owned(),
        McapError::Io(error) => error.to_string(),
        McapError::ChunkTooLarge(len) | McapError::RecordTooLarge { len, .. } => {
            let (len, longest) = (human(*len), human(LONGEST as u64));
            format!("it has a piece of {len}, and a recording takes messages of up to {longest}")
        }
        error => error.to_string(),
    }
}

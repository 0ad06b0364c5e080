//! Reading a recording, whatever is left of it.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mcap::records::{Channel, ChunkHeader, Metadata, Record, op};
use mcap::sans_io::linear_reader::{LinearReadEvent, LinearReader, LinearReaderOptions};
use mcap::{McapError, parse_record};

use super::{LONGEST, summary};
use crate::end::{End, Outcome};

/// A recording that is read from its start to its end.
pub(crate) struct Source {
    path: PathBuf,
    file: BufReader<File>,
    size: u64,
    /// Bytes that were not read yet. What comes to the file from now on does not count.
    left: u64,
    reader: LinearReader,
    index: Index,
    queue: VecDeque<Item>,
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
    pub(crate) data: Vec<u8>,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Outcome<Source> {
        let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
        Source::new(path, file)
    }

    /// The same from its start.
    pub(crate) fn rewind(self) -> Outcome<Source> {
        let mut file = self.file.into_inner();
        file.rewind().map_err(|error| cannot_read(&self.path, &error))?;
        Source::new(&self.path, file)
    }

    fn new(path: &Path, file: File) -> Outcome<Source> {
        let metadata = file.metadata().map_err(|error| cannot_read(path, &error))?;
        if !metadata.is_file() && !metadata.is_dir() {
            let path = path.display();
            return Err(End::failed(format_args!(
                "{path} is a pipe or a device: write what comes to a file, and use that"
            )));
        }
        let size = metadata.len();
        let options = options().with_emit_chunks(true).with_validate_data_section_crc(true);
        let index = Index { known_at_end: summary::channels(&file, size), ..Index::default() };
        let mut source = Source {
            path: path.to_owned(),
            file: BufReader::with_capacity(64 << 10, file),
            size,
            left: size,
            reader: LinearReader::new_with_options(options),
            index,
            queue: VecDeque::new(),
            ended: false,
            complete: false,
        };
        // So that what is no recording is refused before anything is done.
        source.fill()?;
        Ok(source)
    }

    /// The next thing in it. Damaged parts are passed over; see [`Source::problem`].
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
        while self.queue.is_empty() && !self.ended {
            match self.reader.next_event() {
                None => (self.ended, self.complete) = (true, true),
                Some(Ok(LinearReadEvent::ReadRequest(need))) => self.read(need)?,
                Some(Ok(LinearReadEvent::Record { opcode: op::CHUNK, data })) => {
                    let chunk = open_chunk(data);
                    let items = chunk.and_then(|chunk| self.index.records(&chunk));
                    match items {
                        Ok(items) => self.queue.extend(items),
                        Err(error) => self.index.note(format!("a damaged chunk: {}", reason(&error))),
                    }
                }
                Some(Ok(LinearReadEvent::Record { opcode, data })) => match self.index.record(opcode, data) {
                    Ok(item) => self.queue.extend(item),
                    Err(error) => self.index.note(format!("a damaged record: {}", reason(&error))),
                },
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

    /// Never asks for more memory than the file has bytes.
    fn read(&mut self, need: usize) -> Outcome {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(need);
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

/// The record of a chunk as a file of its own.
fn open_chunk(data: &[u8]) -> Result<Vec<u8>, McapError> {
    let mut chunk = vec![op::CHUNK];
    chunk.extend((data.len() as u64).to_le_bytes());
    chunk.extend(data);
    // Says how much memory it takes, so this is looked at first.
    match parse_record(op::CHUNK, data)? {
        Record::Chunk { header: ChunkHeader { uncompressed_size, .. }, .. } if uncompressed_size > LONGEST as u64 => {
            Err(McapError::ChunkTooLarge(uncompressed_size))
        }
        _ => Ok(chunk),
    }
}

impl Index {
    /// What is in a chunk, in the order of time; all of it or nothing.
    fn records(&mut self, mut chunk: &[u8]) -> Result<Vec<Item>, McapError> {
        let options = options().with_skip_start_magic(true).with_skip_end_magic(true).with_prevalidate_chunk_crcs(true);
        let mut reader = LinearReader::new_with_options(options);
        let mut items = vec![];
        while let Some(event) = reader.next_event() {
            match event? {
                LinearReadEvent::ReadRequest(need) => {
                    let (part, rest) = chunk.split_at(need.min(chunk.len()));
                    reader.insert(part.len()).copy_from_slice(part);
                    reader.notify_read(part.len());
                    chunk = rest;
                }
                LinearReadEvent::Record { opcode, data } => items.extend(self.record(opcode, data)?),
            }
        }
        items.sort_by_key(|item| match item {
            Item::Message(message) => message.time,
            Item::Metadata(_) => 0,
        });
        Ok(items)
    }

    /// What a record says. Only those of the kinds that matter are looked into: an attachment that is cut short, for one,
    /// makes the parser panic.
    fn record(&mut self, opcode: u8, data: &[u8]) -> Result<Option<Item>, McapError> {
        if ![op::CHANNEL, op::MESSAGE, op::METADATA].contains(&opcode) {
            return Ok(None);
        }
        match parse_record(opcode, data)? {
            Record::Channel(channel) => {
                let known = self.channels.entry(channel.id).or_insert_with(|| Rc::new(channel.clone()));
                if **known != channel {
                    return Err(McapError::ConflictingChannels(channel.topic));
                }
                Ok(None)
            }
            Record::Message { header, data } => {
                let id = &header.channel_id;
                let channel = self.channels.get(id).or_else(|| self.known_at_end.get(id));
                let channel = channel.ok_or(McapError::UnknownChannel(header.sequence, header.channel_id))?;
                let time = self.times.entry(header.channel_id).or_default();
                *time = header.log_time.max(*time);
                let (channel, data) = (Rc::clone(channel), data.into_owned());
                Ok(Some(Item::Message(Recorded { channel, sequence: header.sequence, time: *time, data })))
            }
            Record::Metadata(metadata) => Ok(Some(Item::Metadata(metadata))),
            _ => Ok(None),
        }
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
        error => error.to_string(),
    }
}

//! A topic that is watched without a trace: nothing is created, locked or written.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use a0_std::{Error, FileError, Init, Message, ReaderSync};

use crate::end::{End, Outcome};
use crate::inspect::{self, Condition};

/// Between two looks whether the file is there.
const FILE_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A topic's messages for as long as there are any, in whichever file has its name.
pub(crate) struct Tap {
    path: PathBuf,
    reader: Option<ReaderSync>,
    next_look: Instant,
}

/// What there is to read.
pub(crate) enum Found<'a> {
    Message(Message<'a>),
    /// What is no message, and how many before it were lost.
    Damaged {
        missed: u64,
    },
    Nothing,
}

impl Tap {
    /// Starts there if the topic exists already, and with its first message otherwise.
    pub(crate) fn new(path: &Path, init: Init) -> Outcome<Tap> {
        let mut tap = Tap { path: path.to_owned(), reader: None, next_look: Instant::now() };
        tap.open(init)?;
        Ok(tap)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is such a topic.
    pub(crate) fn is_there(&self) -> bool {
        self.reader.is_some()
    }

    /// The next message.
    pub(crate) fn read(&mut self) -> Outcome<Found<'_>> {
        let Some(reader) = &mut self.reader else { return Ok(Found::Nothing) };
        match reader.read() {
            Ok(Some(message)) => Ok(Found::Message(message)),
            Ok(None) => Ok(Found::Nothing),
            Err(Error::TopicRemoved { .. }) => {
                self.next_look = Instant::now();
                Ok(Found::Nothing)
            }
            Err(Error::BadMessage { missed, .. }) => Ok(Found::Damaged { missed }),
            Err(Error::Topic { cause: a0_std::TopicError::Corrupt(_), .. }) => Ok(Found::Damaged { missed: 0 }),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes [`Tap::look_after`] find out the next time.
    pub(crate) fn hurry(&mut self) {
        self.next_look = Instant::now();
    }

    /// Finds out now and then whether the file came, or went. Gives whether it went.
    pub(crate) fn look_after(&mut self, now: Instant) -> Outcome<bool> {
        if now < self.next_look {
            return Ok(false);
        }
        self.next_look = now + FILE_CHECK_INTERVAL;
        let removed = match &self.reader {
            Some(reader) => reader.file().is_removed()?,
            None => false,
        };
        if removed {
            self.reader = None;
        }
        if self.reader.is_none() {
            // Of a topic that has just come, every message is new.
            self.open(Init::Oldest)?;
        }
        Ok(removed)
    }

    fn open(&mut self, init: Init) -> Outcome {
        self.reader = match inspect::open(&self.path) {
            Ok(Condition::Topic(file)) => Some(ReaderSync::new(&file, init)?),
            Ok(Condition::New { .. }) | Err(Error::File(FileError::NotFound { .. })) => None,
            Ok(Condition::Deadman(_)) => {
                return Err(End::failed(format_args!("{}: a deadman has no messages", self.path.display())));
            }
            Err(error) => return Err(End::failed(inspect::reason(&self.path, &error))),
        };
        Ok(())
    }
}

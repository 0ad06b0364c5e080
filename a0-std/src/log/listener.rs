//! Reading log messages up to a level.

use std::borrow::Cow;
use std::ops::Deref;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::file::File;
use crate::keys;
use crate::log::Level;
use crate::message::Message;
use crate::reader::feed::Feed;
use crate::reader::threaded::Reader;
use crate::reader::{Interrupter, ReaderOptions};
use crate::topic::Protocol;

/// A log message. Dereferences to [`Message`].
///
/// [`Message::missed`] counts only what nobody looked at; messages that are not serious enough are not missed.
#[derive(Clone, Copy, Debug)]
pub struct LogMessage<'a> {
    message: Message<'a>,
    level: Level,
}

impl<'a> LogMessage<'a> {
    /// How serious it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What was logged. What is no UTF-8 in it is replaced by `�`.
    pub fn text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.message.payload())
    }
}

impl<'a> Deref for LogMessage<'a> {
    type Target = Message<'a>;

    fn deref(&self) -> &Message<'a> {
        &self.message
    }
}

/// Decides what is handed out.
#[derive(Debug)]
struct Filter {
    level: Level,
    /// Lost before messages that were not handed out.
    missed: u64,
}

impl Filter {
    fn new(level: Level) -> Filter {
        Filter { level, missed: 0 }
    }

    /// The level of a message that is to be handed out.
    fn admits(&mut self, message: &Message<'_>) -> Option<Level> {
        self.missed += message.missed();
        message.header(keys::LOG_LEVEL).map(Level::from_name).filter(|level| *level <= self.level)
    }

    fn hand_out<'a>(&mut self, message: Message<'a>, level: Level) -> LogMessage<'a> {
        let missed = std::mem::take(&mut self.missed);
        LogMessage { message: Message { missed, ..message }, level }
    }
}

/// Calls back for the log messages of a topic that are serious enough, on a thread of its own, until it is dropped.
///
/// Messages without a level are passed over. The callback runs without any lock held: it may log, on any topic.
///
/// ```
/// use a0_std::{Init, Level, LogListener, Logger};
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// let logger = Logger::new("robot")?;
/// logger.dbg("details")?;
/// logger.err("no answer")?;
///
/// let (tell, told) = std::sync::mpsc::channel();
/// let listener = LogListener::new("robot", Level::Info, Init::Oldest, move |message| {
///     tell.send(format!("{}: {}", message.level(), message.text())).ok();
/// })?;
/// assert_eq!(told.recv().unwrap(), "ERR: no answer");
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "it calls back until it is dropped"]
pub struct LogListener {
    reader: Reader,
}

impl LogListener {
    /// Listens for messages of this level and more serious ones; creates the topic if it does not exist. Options: `()`
    /// for everything that is logged from now on, an [`Init`](crate::Init), an [`Iter`](crate::Iter), a pair of both,
    /// or [`ReaderOptions`].
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv),
    /// [`Error::Thread`](crate::Error::Thread), or as [`File::open`].
    pub fn new(
        topic: &str,
        level: Level,
        options: impl Into<ReaderOptions>,
        callback: impl FnMut(LogMessage<'_>) + Send + 'static,
    ) -> Result<LogListener> {
        let options = options.into();
        LogListener::from_file(&open(topic, &options)?, level, options, callback)
    }

    /// Listens to the log messages in any file.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic), [`Error::Thread`](crate::Error::Thread).
    pub fn from_file(
        file: &File,
        level: Level,
        options: impl Into<ReaderOptions>,
        mut callback: impl FnMut(LogMessage<'_>) + Send + 'static,
    ) -> Result<LogListener> {
        let mut filter = Filter::new(level);
        let reader = Reader::new(file, options, move |message| {
            if let Some(level) = filter.admits(&message) {
                callback(filter.hand_out(message, level));
            }
        })?;
        Ok(LogListener { reader })
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.reader.file()
    }

    /// Messages skipped because they were no valid packets or damaged.
    pub fn skipped(&self) -> u64 {
        self.reader.skipped()
    }

    /// Stops the thread and waits until the callback has returned for the last time; from inside the callback, it
    /// only sees to it that this was the last call. Dropping does the same.
    pub fn close(self) {}
}

/// Reads the log messages of a topic that are serious enough, when asked to.
///
/// ```
/// use a0_std::{Init, Level, LogListenerSync, Logger};
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// Logger::new("robot")?.err("no answer")?;
/// let mut listener = LogListenerSync::new("robot", Level::Info, Init::Oldest)?;
/// while let Some(message) = listener.read()? {
///     println!("{}: {}", message.level(), message.text());
/// }
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct LogListenerSync {
    feed: Feed,
    filter: Filter,
}

impl LogListenerSync {
    /// Listens; see [`LogListener::new`].
    ///
    /// # Errors
    /// As [`LogListener::new`].
    pub fn new(topic: &str, level: Level, options: impl Into<ReaderOptions>) -> Result<LogListenerSync> {
        let options = options.into();
        LogListenerSync::from_file(&open(topic, &options)?, level, options)
    }

    /// Listens to the log messages in any file.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic).
    pub fn from_file(file: &File, level: Level, options: impl Into<ReaderOptions>) -> Result<LogListenerSync> {
        Ok(LogListenerSync { feed: Feed::new(file, &options.into())?, filter: Filter::new(level) })
    }

    /// The next message, or `None` if there is none yet. Takes no lock.
    ///
    /// # Errors
    /// [`Error::BadMessage`](crate::Error::BadMessage) for a message that is no packet,
    /// [`Error::Topic`](crate::Error::Topic) for damaged content; the next call goes on behind it.
    /// [`Error::TopicRemoved`](crate::Error::TopicRemoved) as [`ReaderSync::read`](crate::ReaderSync::read).
    pub fn read(&mut self) -> Result<Option<LogMessage<'_>>> {
        while let Some(received) = self.feed.poll()? {
            if let Some(level) = self.filter.admits(&self.feed.message(&received)?) {
                return Ok(Some(self.filter.hand_out(self.feed.message(&received)?, level)));
            }
        }
        self.feed.or_removed(None::<()>)?;
        Ok(None)
    }

    /// The next message; waits for it, at most `timeout` (a `Duration`, or `None` for as long as it takes).
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout), [`Error::Interrupted`](crate::Error::Interrupted), or as
    /// [`LogListenerSync::read`].
    pub fn read_blocking(&mut self, timeout: impl Into<Option<Duration>>) -> Result<LogMessage<'_>> {
        let timeout = timeout.into();
        let started = Instant::now();
        loop {
            let left = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
            let received = match self.feed.wait(left) {
                Err(Error::Timeout { .. }) => break,
                received => received?,
            };
            if let Some(level) = self.filter.admits(&self.feed.message(&received)?) {
                return Ok(self.filter.hand_out(self.feed.message(&received)?, level));
            }
            // However many there are that are not serious enough.
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
        }
        Err(Error::Timeout { path: self.file().path().to_owned(), waited: started.elapsed() })
    }

    /// A handle for other threads that ends a blocked read.
    pub fn interrupter(&self) -> Interrupter {
        self.feed.interrupter().clone()
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.feed.file()
    }
}

fn open(topic: &str, options: &ReaderOptions) -> Result<File> {
    File::open(Protocol::Log.path(topic)?, &options.file)
}

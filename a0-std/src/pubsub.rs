//! Publishers and subscribers: readers and writers by topic name.

use std::time::Duration;

use a0_linux::FileOptions;

use crate::error::Result;
use crate::file::File;
use crate::message::Message;
use crate::packet::Packet;
use crate::reader::sync::{ReaderSync, ReaderSyncZeroCopy};
use crate::reader::threaded::{Reader, ReaderZeroCopy};
use crate::reader::view::View;
use crate::reader::{Interrupter, ReaderOptions};
use crate::topic::Protocol;
use crate::writer::Writer;
use crate::writer::loan::Loan;
use crate::writer::published::Published;

fn open(topic: &str, options: &FileOptions) -> Result<File> {
    File::open(Protocol::PubSub.path(topic)?, options)
}

/// Publishes messages on a topic. Can be shared between threads; any number of publishers may use a topic.
///
/// ```
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// let publisher = a0_std::Publisher::new("engine/temperature")?;
/// publisher.publish("25.0")?;
/// publisher.publish_with(&[("unit", "K")], "298.15")?;
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct Publisher {
    writer: Writer,
}

impl Publisher {
    /// Opens the topic, creating it with 16 MiB if it does not exist.
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv), or as [`File::open`].
    pub fn new(topic: &str) -> Result<Publisher> {
        Publisher::with_options(topic, &FileOptions::default())
    }

    /// Opens the topic; the options say how it is created if it does not exist.
    ///
    /// # Errors
    /// As [`Publisher::new`].
    pub fn with_options(topic: &str, options: &FileOptions) -> Result<Publisher> {
        Ok(Publisher { writer: Writer::new(&open(topic, options)?).with_standard_headers().that_comes_back() })
    }

    /// Publishes a payload.
    ///
    /// If the topic was removed meanwhile (`a0 rm`, or a logout with `RemoveIPC=yes`), a publisher notices within about 100 ms
    /// and goes on with the file that has the topic's name now, which it creates as it would have then: what it publishes
    /// from then on is found by everybody. What it published in between reached only those who had the old file open.
    /// With [`FileOptions::reopen`] switched off, and after 16 times, it says [`Error::TopicRemoved`](crate::Error::TopicRemoved)
    /// instead: the old files stay in memory until it is dropped.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn publish(&self, payload: impl AsRef<[u8]>) -> Result<Published> {
        self.writer.write(payload)
    }

    /// Publishes a payload with headers.
    ///
    /// # Errors
    /// As [`Writer::write_with`].
    pub fn publish_with(&self, headers: &[(&str, &str)], payload: impl AsRef<[u8]>) -> Result<Published> {
        self.writer.write_with(headers, payload)
    }

    /// Publishes a packet.
    ///
    /// # Errors
    /// As [`Writer::write_with`].
    pub fn publish_packet(&self, packet: &Packet) -> Result<Published> {
        self.writer.write_packet(packet)
    }

    /// Lends room for a payload of `len` bytes in the topic itself, to be filled in place, without a copy; see [`Loan`].
    ///
    /// Unlike [`Publisher::publish`] this holds the topic's lock until the loan is committed or dropped.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn loan(&self, len: usize) -> Result<Loan<'_>> {
        self.writer.loan(len)
    }

    /// Lends room for a payload of `len` bytes in a packet with headers.
    ///
    /// # Errors
    /// As [`Publisher::publish_with`].
    pub fn loan_with(&self, headers: &[(&str, &str)], len: usize) -> Result<Loan<'_>> {
        self.writer.loan_with(headers, len)
    }

    /// The topic's file: the one that is written to now.
    pub fn file(&self) -> &File {
        self.writer.file()
    }
}

/// Calls back for every message of a topic, on a thread of its own, until it is dropped.
///
/// The callback runs without any lock held: it may publish, on any topic, take its time, and drop the subscriber. If it panics,
/// it is called with the next message all the same.
///
/// If the topic is removed, the subscriber goes on with all of the one that takes its place, as soon as somebody creates
/// that; it does not do so itself. [`Subscriber::file`] stays the first one.
///
/// ```
/// use a0_std::{Init, Publisher, Subscriber};
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// Publisher::new("news")?.publish("hello")?;
///
/// let (tell, told) = std::sync::mpsc::channel();
/// let subscriber = Subscriber::new("news", Init::Oldest, move |message| {
///     tell.send(message.payload().to_vec()).ok();
/// })?;
/// assert_eq!(told.recv().unwrap(), b"hello");
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "it calls back until it is dropped"]
pub struct Subscriber {
    reader: Reader,
}

impl Subscriber {
    /// Subscribes; creates the topic if it does not exist. Options: an [`Init`](crate::Init), an
    /// [`Iter`](crate::Iter), a pair of both, a [`Wait`](crate::Wait), or [`ReaderOptions`].
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv), [`Error::Thread`](crate::Error::Thread), or as [`File::open`].
    pub fn new(
        topic: &str,
        options: impl Into<ReaderOptions>,
        callback: impl FnMut(Message<'_>) + Send + 'static,
    ) -> Result<Subscriber> {
        let options = options.into();
        Ok(Subscriber { reader: Reader::new(&open(topic, &options.file)?, options, callback)? })
    }

    /// Subscribes, and hears of messages that are no valid packets as well, and when the topic was removed.
    ///
    /// # Errors
    /// As [`Subscriber::new`].
    pub fn with_errors(
        topic: &str,
        options: impl Into<ReaderOptions>,
        callback: impl FnMut(Result<Message<'_>>) + Send + 'static,
    ) -> Result<Subscriber> {
        let options = options.into();
        Ok(Subscriber { reader: Reader::with_errors(&open(topic, &options.file)?, options, callback)? })
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

/// Like [`Subscriber`], but hands out messages in place, without copying them, while holding the topic's lock.
///
/// While the callback runs nobody else can publish on the topic, and publishing on it from inside the callback fails. For
/// large messages that are looked at briefly.
#[derive(Debug)]
#[must_use = "it calls back until it is dropped"]
pub struct SubscriberZeroCopy {
    reader: ReaderZeroCopy,
}

impl SubscriberZeroCopy {
    /// Subscribes; see [`Subscriber::new`].
    ///
    /// # Errors
    /// As [`Subscriber::new`].
    pub fn new(
        topic: &str,
        options: impl Into<ReaderOptions>,
        callback: impl FnMut(Message<'_>) + Send + 'static,
    ) -> Result<SubscriberZeroCopy> {
        let options = options.into();
        Ok(SubscriberZeroCopy { reader: ReaderZeroCopy::new(&open(topic, &options.file)?, options, callback)? })
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.reader.file()
    }

    /// Messages skipped because they were no valid packets or damaged.
    pub fn skipped(&self) -> u64 {
        self.reader.skipped()
    }

    /// See [`Subscriber::close`].
    pub fn close(self) {}
}

/// Reads a topic when asked to.
///
/// ```
/// use a0_std::{Publisher, SubscriberSync};
/// use std::time::Duration;
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// let mut subscriber = SubscriberSync::new("news", ())?;
/// assert!(subscriber.read()?.is_none());
///
/// Publisher::new("news")?.publish("hello")?;
/// let message = subscriber.read_blocking(Duration::from_secs(1))?;
/// assert_eq!((message.payload(), message.seq(), message.missed()), (&b"hello"[..], 1, 0));
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct SubscriberSync {
    reader: ReaderSync,
}

impl SubscriberSync {
    /// Subscribes; creates the topic if it does not exist. Options as for [`Subscriber::new`]; `()` for the default.
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv), or as [`File::open`].
    pub fn new(topic: &str, options: impl Into<ReaderOptions>) -> Result<SubscriberSync> {
        let options = options.into();
        Ok(SubscriberSync { reader: ReaderSync::new(&open(topic, &options.file)?, options)? })
    }

    /// Whether [`SubscriberSync::read`] would give a message.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic).
    pub fn can_read(&self) -> Result<bool> {
        self.reader.can_read()
    }

    /// The next message, or `None` if there is none yet. Takes no lock.
    ///
    /// # Errors
    /// [`Error::BadMessage`](crate::Error::BadMessage) for a message that is no packet, [`Error::Topic`](crate::Error::Topic) for damaged content; the next call goes
    /// on behind it. [`Error::TopicRemoved`](crate::Error::TopicRemoved) when everything is read and nothing more can come,
    /// because the file was removed: noticed after about 100 ms, or 16 reads.
    pub fn read(&mut self) -> Result<Option<Message<'_>>> {
        self.reader.read()
    }

    /// Hands the messages that are there to `each`, 16 of them at most, and gives their number; 0 if there is none yet.
    ///
    /// Faster than one [`SubscriberSync::read`] after the other where messages come in quick succession: one look at the
    /// topic serves all of them, and the publisher is disturbed once. `each` gets messages that are no packets as
    /// [`Error::BadMessage`](crate::Error::BadMessage).
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic) for damaged content; the next call goes on behind it. Nothing was handed out then.
    ///
    /// ```
    /// use a0_std::{Init, Publisher, SubscriberSync};
    /// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
    /// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
    /// let publisher = Publisher::new("ticks")?;
    /// let mut subscriber = SubscriberSync::new("ticks", Init::AwaitNew)?;
    /// for tick in 0..10u8 {
    ///     publisher.publish([tick])?;
    /// }
    /// let mut sum = 0;
    /// while subscriber.read_batch(|message| sum += message.map_or(0, |message| message.payload()[0]))? > 0 {}
    /// assert_eq!(sum, 45);
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    pub fn read_batch(&mut self, each: impl FnMut(Result<Message<'_>>)) -> Result<usize> {
        self.reader.read_batch(each)
    }

    /// Waits for messages, at most `timeout` (a `Duration`, or `None` for as long as it takes), and hands those that are there
    /// to `each`, 16 of them at most; gives how many, at least one.
    ///
    /// For streams: unless its [`Wait`](crate::Wait) is to sleep at once, a reader that has taken everything does not look for
    /// a microsecond, so that the next call finds several, and the publisher has the topic to itself meanwhile. That
    /// lets nearly twice as many messages through. A message that comes later is not delayed.
    ///
    /// # Errors
    /// As [`SubscriberSync::read_blocking`], for the first message only: `each` gets those that are no packets.
    ///
    /// ```
    /// use a0_std::{Error, Init, Publisher, SubscriberSync};
    /// use std::time::Duration;
    /// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
    /// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
    /// let publisher = Publisher::new("ticks")?;
    /// let mut subscriber = SubscriberSync::new("ticks", Init::AwaitNew)?;
    /// for tick in 0..10u8 {
    ///     publisher.publish([tick])?;
    /// }
    /// let mut sum = 0;
    /// let idle = loop {
    ///     let add = |message: a0_std::Result<a0_std::Message>| sum += message.map_or(0, |message| message.payload()[0]);
    ///     match subscriber.read_batch_blocking(Duration::from_millis(1), add) {
    ///         Ok(_) => {}
    ///         Err(error) => break error,
    ///     }
    /// };
    /// assert!(matches!(idle, Error::Timeout { .. }) && sum == 45);
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    pub fn read_batch_blocking(
        &mut self,
        timeout: impl Into<Option<Duration>>,
        each: impl FnMut(Result<Message<'_>>),
    ) -> Result<usize> {
        self.reader.read_batch_blocking(timeout, each)
    }

    /// The next message; waits for it, at most `timeout` (a `Duration`, or `None` for as long as it takes).
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout), [`Error::Interrupted`](crate::Error::Interrupted),
    /// [`Error::TopicRemoved`](crate::Error::TopicRemoved) when nothing more can come, because the file was removed (noticed
    /// after about 100 ms without messages), or as [`SubscriberSync::read`].
    pub fn read_blocking(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Message<'_>> {
        self.reader.read_blocking(timeout)
    }

    /// Looks at the next message where it lies, without copying it and without the lock; `None` if there is none yet.
    ///
    /// For large messages of which little is needed, or of which something is computed. Nothing that `look` learns of the
    /// payload counts unless this gives `Ok`: a publisher may overwrite the message meanwhile, and then what `look` returns
    /// is dropped. `look` is called at most once; it may do anything, take its time, and publish, but what it does to
    /// others than its result should not depend on the payload.
    ///
    /// ```
    /// use a0_std::{Error, Init, Publisher, SubscriberSync};
    /// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
    /// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
    /// let camera = Publisher::new("camera")?;
    /// camera.publish(vec![7; 640 * 480])?;
    ///
    /// let mut subscriber = SubscriberSync::new("camera", Init::Oldest)?;
    /// let pixel = loop {
    ///     match subscriber.read_in_place(|view| view.array::<1>(640 * 240 + 320)) {
    ///         Ok(Some(pixel)) => break pixel,
    ///         Ok(None) => panic!("one message is there"),
    ///         // Overtaken: on to the next one.
    ///         Err(Error::Overwritten { .. }) => {}
    ///         Err(other) => return Err(other),
    ///     }
    /// };
    /// assert_eq!(pixel, Some([7]));
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Overwritten`](crate::Error::Overwritten) if the message was overwritten while `look` looked, or as
    /// [`SubscriberSync::read`].
    pub fn read_in_place<R>(&mut self, look: impl FnOnce(View<'_>) -> R) -> Result<Option<R>> {
        self.reader.read_in_place(look)
    }

    /// Waits for the next message, at most `timeout` (a `Duration`, or `None` for as long as it takes), and looks at it as
    /// [`SubscriberSync::read_in_place`] does.
    ///
    /// # Errors
    /// [`Error::Overwritten`](crate::Error::Overwritten), or as [`SubscriberSync::read_blocking`].
    pub fn read_in_place_blocking<R>(
        &mut self,
        timeout: impl Into<Option<Duration>>,
        look: impl FnOnce(View<'_>) -> R,
    ) -> Result<R> {
        self.reader.read_in_place_blocking(timeout, look)
    }

    /// Looks at the next message where it lies, with the topic locked: the payload is a slice; `None` if there is none yet.
    ///
    /// While `look` runs nobody can publish on the topic, and publishing on it from inside fails, so this costs all
    /// publishers the time that `look` takes. Other readers are not held up. It is for topics whose publishers keep to the
    /// protocol: whoever can write to the file can change the bytes under the reader's eyes.
    ///
    /// Nothing of the message leaves the closure but copies:
    ///
    /// ```compile_fail
    /// # let mut reader = a0_std::SubscriberSync::new("news", a0_std::Init::Oldest).unwrap();
    /// let payload: Option<&[u8]> = reader.read_locked(|message| message.payload()).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`SubscriberSync::read`], and those of locking; topics opened read-only cannot be locked.
    pub fn read_locked<R>(&mut self, look: impl FnOnce(Message<'_>) -> R) -> Result<Option<R>> {
        self.reader.read_locked(look)
    }

    /// A handle for other threads that ends a blocked read.
    pub fn interrupter(&self) -> Interrupter {
        self.reader.interrupter()
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.reader.file()
    }
}

/// Like [`SubscriberSync`], but hands out messages in place, without copying them, while holding the topic's lock.
#[derive(Debug)]
pub struct SubscriberSyncZeroCopy {
    reader: ReaderSyncZeroCopy,
}

impl SubscriberSyncZeroCopy {
    /// Subscribes; see [`SubscriberSync::new`].
    ///
    /// # Errors
    /// As [`SubscriberSync::new`].
    pub fn new(topic: &str, options: impl Into<ReaderOptions>) -> Result<SubscriberSyncZeroCopy> {
        let options = options.into();
        Ok(SubscriberSyncZeroCopy { reader: ReaderSyncZeroCopy::new(&open(topic, &options.file)?, options)? })
    }

    /// Whether [`SubscriberSyncZeroCopy::read`] would find a message.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic).
    pub fn can_read(&self) -> Result<bool> {
        self.reader.can_read()
    }

    /// Looks at the next message in place; `None` if there is none yet. The topic is locked while `look` runs.
    ///
    /// # Errors
    /// As [`SubscriberSync::read`].
    pub fn read<R>(&mut self, look: impl FnOnce(Message<'_>) -> R) -> Result<Option<R>> {
        self.reader.read(look)
    }

    /// Looks at the next message in place; waits for it, at most `timeout`.
    ///
    /// # Errors
    /// As [`SubscriberSync::read_blocking`].
    pub fn read_blocking<R>(
        &mut self,
        timeout: impl Into<Option<Duration>>,
        look: impl FnOnce(Message<'_>) -> R,
    ) -> Result<R> {
        self.reader.read_blocking(timeout, look)
    }

    /// A handle for other threads that ends a blocked read.
    pub fn interrupter(&self) -> Interrupter {
        self.reader.interrupter()
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.reader.file()
    }
}

//! Messages for event loops.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

use crate::error::{Error, Result};
use crate::file::File;
use crate::fork::Process;
use crate::message::Message;
use crate::reader::ReaderOptions;
use crate::tasks::follower::Follower;
use crate::tasks::helper::Tell;
use crate::topic::Protocol;

/// Reads the messages of a topic in an event loop: its file descriptor is readable while it is worth calling
/// [`SubscriberFd::read`]. For `poll`, `select`, epoll in either mode, `mio`, and whatever else takes a descriptor.
///
/// Read until there is nothing left: only then the descriptor stops being readable, and becomes so again with the next
/// message. Do nothing else with it. The topics of all of them in a process are waited for by one thread.
///
/// ```
/// use a0_std::{Publisher, SubscriberFd};
/// use rustix::event::{PollFd, PollFlags, poll};
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// let mut news = SubscriberFd::new("news", ())?;
/// Publisher::new("news")?.publish("hello")?;
/// let mut texts = Vec::new();
/// while texts.is_empty() {
///     poll(&mut [PollFd::new(&news, PollFlags::IN)], None)?;
///     while let Some(message) = news.read()? {
///         texts.push(message.payload().to_vec());
///     }
/// }
/// assert_eq!(texts, [b"hello"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SubscriberFd {
    follower: Follower,
    event: Arc<OwnedFd>,
    process: Process,
}

impl SubscriberFd {
    /// Subscribes, as [`Subscriber::new`](crate::Subscriber::new) does. The option [`Wait`](crate::Wait) says nothing here.
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv), as [`File::open`], or
    /// [`Error::Event`](crate::Error::Event) if the process has no file descriptor left.
    pub fn new(topic: &str, options: impl Into<ReaderOptions>) -> Result<SubscriberFd> {
        let options = options.into();
        SubscriberFd::from_file(&File::open(Protocol::PubSub.path(topic)?, &options.file)?, options)
    }

    /// The messages in any file.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic), [`Error::Event`](crate::Error::Event).
    pub fn from_file(file: &File, options: impl Into<ReaderOptions>) -> Result<SubscriberFd> {
        // Readable from the start, so that the loop begins by reading.
        let event = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|cause| Error::Event { path: file.path().to_owned(), cause: cause.into() })?;
        Ok(SubscriberFd {
            follower: Follower::new(file, &options.into())?,
            event: Arc::new(event),
            process: Process::this(),
        })
    }

    /// The next message, or `None` if there is none yet: the descriptor is not readable then until there may be one.
    ///
    /// # Errors
    /// [`Error::TopicRemoved`](crate::Error::TopicRemoved) within about two seconds if the topic was removed; then it
    /// goes on with all of the one that takes its place. [`Error::BadMessage`](crate::Error::BadMessage),
    /// [`Error::Topic`](crate::Error::Topic); the next call goes on behind it. [`Error::Forked`](crate::Error::Forked) in a
    /// child that was forked after it was made: the descriptor is the parent's, too.
    pub fn read(&mut self) -> Result<Option<Message<'_>>> {
        if !self.process.is_this() {
            return Err(Error::Forked { path: self.file().path().to_owned() });
        }
        let event = &self.event;
        let received = self.follower.next(|| {
            // Before anybody can be told. It fails if it is not readable.
            let _ = rustix::io::read(event, &mut [0; 8]);
            Tell::Event(Arc::clone(event))
        })?;
        received.map(|received| self.follower.message(&received)).transpose()
    }

    /// The file that is read now.
    pub fn file(&self) -> &File {
        self.follower.file()
    }
}

impl AsFd for SubscriberFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl AsRawFd for SubscriberFd {
    fn as_raw_fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}

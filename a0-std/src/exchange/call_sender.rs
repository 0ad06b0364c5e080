//! What all calls of a client share: the topic, the readers, and the ways a call can end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a0_core::{Cursor, Id, LockError};
use a0_linux::PerProcess;

use crate::error::{Error, Result};
use crate::exchange::dialect::Dialect;
use crate::exchange::server_watch::ServerWatch;
use crate::exchange::verdict::Verdict;
use crate::file::File;
use crate::message::Message;
use crate::packet_buf::PacketBuf;
use crate::reader::feed::Feed;
use crate::reader::wait::Wait;
use crate::writer::Writer;

/// How long the lock is waited for to give advice: that nobody waits for a call any more.
const ADVICE_LOCK_TIMEOUT: Duration = Duration::from_millis(10);

/// An answer, and whether it is the last one.
pub(crate) type Answer = (PacketBuf, bool);

/// What all calls of a client use.
#[derive(Debug)]
pub(crate) struct CallSender {
    pub(crate) dialect: &'static Dialect,
    writer: Writer,
    pub(crate) server_watch: ServerWatch,
    wait: Wait,
    /// Readers that no call uses right now: there have never been more than calls at the same time.
    #[expect(clippy::vec_box, reason = "they go in and out with each call, and are large")]
    feeds: PerProcess<Mutex<Vec<Box<Feed>>>>,
}

impl CallSender {
    pub(crate) fn new(dialect: &'static Dialect, topic: &str, file: &File, wait: Wait) -> CallSender {
        let writer = Writer::new(file).with_standard_headers();
        CallSender { dialect, writer, server_watch: ServerWatch::new(dialect, topic), wait, feeds: PerProcess::new() }
    }

    pub(crate) fn file(&self) -> &File {
        self.writer.file()
    }

    /// A reader, placed anywhere.
    pub(crate) fn feed(&self) -> Result<Box<Feed>> {
        let pooled = self.feeds().pop();
        pooled.map_or_else(|| self.new_feed().map(Box::new), Ok)
    }

    pub(crate) fn new_feed(&self) -> Result<Feed> {
        Feed::new(self.file(), &self.wait.into())
    }

    /// Keeps a reader for the next call.
    pub(crate) fn give_back(&self, feed: Box<Feed>) {
        self.feeds().push(feed);
    }

    #[expect(clippy::vec_box, reason = "as where it is kept")]
    fn feeds(&self) -> MutexGuard<'_, Vec<Box<Feed>>> {
        self.feeds.get().lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a call, waiting for the lock no longer than that; `first` as in [`Dialect::write_open`].
    pub(crate) fn open(
        &self,
        lock_timeout: Duration,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
        first: impl FnOnce(Cursor),
    ) -> Result<()> {
        self.dialect.write_open(&self.writer, lock_timeout, id, headers, payload, first)
    }

    /// The same for a call that is to end within `limit`.
    pub(crate) fn open_within(
        &self,
        limit: Option<Duration>,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
        first: impl FnOnce(Cursor),
    ) -> Result<()> {
        let lock_timeout = self.file().lock_timeout();
        let at_most = limit.map_or(lock_timeout, |limit| limit.min(lock_timeout));
        match self.open(at_most, id, headers, payload, first) {
            Err(error) if is_locked(&error) && at_most < lock_timeout => Err(self.no_answer(at_most)),
            opened => opened,
        }
    }

    /// Cancels a call, whoever has sent it.
    pub(crate) fn write_cancel(&self, call: &Id) -> Result<()> {
        self.dialect.write_cancel(&self.writer, self.file().lock_timeout(), call)
    }

    /// Tells the server that nobody waits for a call any more. This is advice: if it cannot be given, the server works in vain.
    pub(crate) fn advise(&self, call: &Id) -> Result<()> {
        self.dialect.write_cancel(&self.writer, ADVICE_LOCK_TIMEOUT, call)
    }

    /// Passes over damage: what it hides counts as missed.
    pub(crate) fn tolerate(&self, error: Error) -> Result<()> {
        match error {
            Error::Topic { cause: a0_core::Error::Corrupt(_), .. } => Ok(()),
            other => Err(other),
        }
    }

    #[cold]
    pub(crate) fn timed_out(&self, seq: u64, waited: Duration) -> Error {
        match self.file().state() {
            Ok(state) if state.seq_low > seq => self.request_lost(),
            _ => self.no_answer(waited),
        }
    }

    #[cold]
    pub(crate) fn no_answer(&self, waited: Duration) -> Error {
        Error::Timeout { path: self.file().path().to_owned(), waited }
    }

    #[cold]
    pub(crate) fn topic_removed(&self) -> Error {
        Error::TopicRemoved { path: self.file().path().to_owned() }
    }

    #[cold]
    pub(crate) fn server_gone(&self) -> Error {
        Error::ServerGone { path: self.file().path().to_owned() }
    }

    /// Returns what the user gets to hear of a verdict on a message; `None` if the call waits on.
    pub(crate) fn outcome(&self, verdict: Verdict<'_>, message: Option<&Message<'_>>) -> Option<Result<Answer>> {
        match verdict {
            Verdict::None => None,
            Verdict::Answered { last } => message.map(|message| Ok((message.packet().into(), last))),
            Verdict::Failed { reason } => Some(Err(self.remote(reason))),
            Verdict::Cancelled => Some(Err(self.cancelled())),
            Verdict::RequestLost => Some(Err(self.request_lost())),
            Verdict::ReplyLost => Some(Err(self.reply_lost())),
        }
    }

    #[cold]
    pub(crate) fn request_lost(&self) -> Error {
        Error::RequestLost { path: self.file().path().to_owned() }
    }

    #[cold]
    pub(crate) fn reply_lost(&self) -> Error {
        Error::ReplyLost { path: self.file().path().to_owned() }
    }

    #[cold]
    fn cancelled(&self) -> Error {
        Error::Cancelled { path: self.file().path().to_owned() }
    }

    #[cold]
    fn remote(&self, reason: &str) -> Error {
        Error::Remote { path: self.file().path().to_owned(), reason: reason.to_owned() }
    }
}

/// Whether somebody else kept the lock for too long.
pub(crate) fn is_locked(error: &Error) -> bool {
    matches!(error, Error::Topic { cause: a0_core::Error::Lock(LockError::TimedOut { .. }), .. })
}

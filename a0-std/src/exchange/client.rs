//! Sending calls.

#[cfg(feature = "async")]
use std::sync::Weak;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a0_core::{Cursor, Id, LockError};
use a0_linux::{FileOptions, PerProcess};

use crate::error::{Error, Result};
use crate::exchange::dialect::Dialect;
use crate::exchange::pending_calls::{Callback, PendingCalls};
use crate::exchange::server_watch::ServerWatch;
use crate::file::File;
use crate::fork::Own;
use crate::reader::feed::Feed;
use crate::reader::reader_thread::ReaderThread;
use crate::reader::wait::Wait;
use crate::writer::Writer;

/// Options of a client. A [`Wait`], a reference to [`FileOptions`], or `()` convert into it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ClientOptions {
    /// How it waits for answers: in the calling thread, or in the one that calls back, which sleeps while there is nothing to
    /// wait for.
    pub wait: Wait,
    /// How the topic's file is opened, and created if it does not exist.
    pub file: FileOptions,
}

impl ClientOptions {
    /// Sets [`ClientOptions::wait`].
    #[must_use]
    pub fn wait(self, wait: Wait) -> Self {
        ClientOptions { wait, ..self }
    }

    /// Sets [`ClientOptions::file`].
    #[must_use]
    pub fn file(self, file: FileOptions) -> Self {
        ClientOptions { file, ..self }
    }
}

impl From<()> for ClientOptions {
    fn from((): ()) -> Self {
        ClientOptions::default()
    }
}

impl From<Wait> for ClientOptions {
    fn from(wait: Wait) -> Self {
        ClientOptions { wait, ..Default::default() }
    }
}

impl From<&FileOptions> for ClientOptions {
    fn from(file: &FileOptions) -> Self {
        ClientOptions { file: file.clone(), ..Default::default() }
    }
}

/// How long the lock is waited for to give advice: that nobody waits for a call any more.
const ADVICE_LOCK_TIMEOUT: Duration = Duration::from_millis(10);

/// Sends calls; those with a callback are waited for by a thread, which is started for the first of them.
#[derive(Debug)]
pub(crate) struct Client {
    shared: Arc<CallSender>,
    callbacks: Own<Callbacks>,
}

/// Calls with a callback. A forked child has not got their thread.
#[derive(Debug)]
struct Callbacks {
    pending_calls: Arc<PendingCalls>,
    thread: Mutex<Option<ReaderThread>>,
}

/// What all calls of a client use.
#[derive(Debug)]
pub(crate) struct CallSender {
    pub(crate) dialect: &'static Dialect,
    pub(crate) writer: Writer,
    pub(crate) server_watch: ServerWatch,
    wait: Wait,
    /// Readers that no call uses right now: there have never been more than calls at the same time.
    #[expect(clippy::vec_box, reason = "they go in and out with each call, and are large")]
    feeds: PerProcess<Mutex<Vec<Box<Feed>>>>,
}

impl Client {
    pub(crate) fn new(dialect: &'static Dialect, topic: &str, options: &ClientOptions) -> Result<Client> {
        let file = File::open(dialect.protocol.path(topic)?, &options.file)?;
        let writer = Writer::new(&file).with_standard_headers();
        let server_watch = ServerWatch::new(dialect, topic);
        let shared =
            Arc::new(CallSender { dialect, writer, server_watch, wait: options.wait, feeds: PerProcess::new() });
        let pending_calls = Arc::new(PendingCalls::new(Arc::clone(&shared)));
        Ok(Client { callbacks: Own::new(Callbacks { pending_calls, thread: Mutex::default() }), shared })
    }

    pub(crate) fn shared(&self) -> &CallSender {
        &self.shared
    }

    /// Sends a call whose answers go to a callback.
    pub(crate) fn send(
        &self,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
        timeout: Option<Duration>,
        callback: Callback,
    ) -> Result<()> {
        self.callbacks()?.pending_calls.send(id, headers, payload, timeout, callback)
    }

    /// The same for those who must not wait for the lock: what cannot be sent at once is sent by the client's thread.
    #[cfg(feature = "async")]
    pub(crate) fn send_soon(
        &self,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
        timeout: Option<Duration>,
        callback: Callback,
    ) -> Result<()> {
        self.callbacks()?.pending_calls.send_soon(id, headers, payload, timeout, callback)
    }

    /// Those with a callback, and their thread.
    fn callbacks(&self) -> Result<&Callbacks> {
        let forked = || Error::Forked { path: self.shared.file().path().to_owned() };
        let callbacks = self.callbacks.get().ok_or_else(forked)?;
        callbacks.start(&self.shared)?;
        Ok(callbacks)
    }

    /// Forgets a call and tells everybody else.
    pub(crate) fn cancel(&self, call: &Id) -> Result<()> {
        match self.callbacks.get() {
            Some(callbacks) => callbacks.pending_calls.cancel(call),
            None => self.shared.write_cancel(call),
        }
    }

    /// What waits for the answers of calls with a callback; in a forked child, nobody does.
    #[cfg(feature = "async")]
    pub(crate) fn pending_calls(&self) -> Weak<PendingCalls> {
        self.callbacks.get().map_or(Weak::new(), |callbacks| Arc::downgrade(&callbacks.pending_calls))
    }
}

impl Callbacks {
    fn start(&self, shared: &CallSender) -> Result<()> {
        let mut thread = self.thread();
        if thread.is_none() {
            let feed = shared.new_feed()?;
            let pending_calls = Arc::clone(&self.pending_calls);
            *thread = Some(ReaderThread::start("a0-client", feed, move |feed| pending_calls.run(feed))?);
        }
        Ok(())
    }

    fn thread(&self) -> MutexGuard<'_, Option<ReaderThread>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        let thread = self.thread().take();
        if let Some(thread) = thread {
            thread.interrupt();
            self.pending_calls.wake();
        }
    }
}

impl CallSender {
    pub(crate) fn file(&self) -> &File {
        self.writer.file()
    }

    /// A reader, placed anywhere.
    pub(crate) fn feed(&self) -> Result<Box<Feed>> {
        let pooled = self.feeds().pop();
        pooled.map_or_else(|| self.new_feed().map(Box::new), Ok)
    }

    fn new_feed(&self) -> Result<Feed> {
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
        let lock_timeout = limit.map_or(lock_timeout, |limit| limit.min(lock_timeout));
        match self.open(lock_timeout, id, headers, payload, first) {
            Err(error) if is_locked(&error) && lock_timeout < lock_timeout => Err(self.no_answer(lock_timeout)),
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

    #[cold]
    pub(crate) fn request_lost(&self) -> Error {
        Error::RequestLost { path: self.file().path().to_owned() }
    }

    #[cold]
    pub(crate) fn reply_lost(&self) -> Error {
        Error::ReplyLost { path: self.file().path().to_owned() }
    }

    #[cold]
    pub(crate) fn cancelled(&self) -> Error {
        Error::Cancelled { path: self.file().path().to_owned() }
    }

    #[cold]
    pub(crate) fn remote(&self, reason: &str) -> Error {
        Error::Remote { path: self.file().path().to_owned(), reason: reason.to_owned() }
    }
}

/// Whether somebody else kept the lock for too long.
pub(crate) fn is_locked(error: &Error) -> bool {
    matches!(error, Error::Topic { cause: a0_core::Error::Lock(LockError::TimedOut { .. }), .. })
}

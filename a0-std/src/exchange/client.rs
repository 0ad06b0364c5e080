//! Sending calls.

#[cfg(feature = "async")]
use std::sync::Weak;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a0_core::Id;
use a0_linux::FileOptions;

use crate::error::{Error, Result};
use crate::exchange::call_sender::CallSender;
use crate::exchange::dialect::Dialect;
use crate::exchange::pending_calls::{Callback, PendingCalls};
use crate::file::File;
use crate::fork::Own;
use crate::reader::reader_thread::ReaderThread;
use crate::reader::wait::Wait;

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

impl Client {
    pub(crate) fn new(dialect: &'static Dialect, topic: &str, options: &ClientOptions) -> Result<Client> {
        let file = File::open(dialect.protocol.path(topic)?, &options.file)?;
        let shared = Arc::new(CallSender::new(dialect, topic, &file, options.wait));
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

//! A thread that reads, and ends when its owner is dropped.

use std::thread::{self, JoinHandle};

use crate::error::{Error, Result};
use crate::file::File;
use crate::reader::Interrupter;
use crate::reader::feed::Feed;

/// The thread behind a reader; ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    file: File,
    interrupter: Interrupter,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Runs a loop that ends soon after the feed's interrupter was used.
    pub(crate) fn start(name: &str, feed: Feed, run: impl FnOnce(Feed) + Send + 'static) -> Result<Worker> {
        let (file, interrupter) = (feed.file().clone(), feed.interrupter().clone());
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(feed))
            .map_err(|source| Error::Thread { path: file.path().to_owned(), source })?;
        Ok(Worker { file, interrupter, thread: Some(thread) })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Tells the thread to end, without waiting for it.
    pub(crate) fn interrupt(&self) {
        self.interrupter.interrupt();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.interrupt();
        // Dropped from inside its own callback, the thread ends by itself when the callback returns.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

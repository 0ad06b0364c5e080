//! A thread that reads, and ends when its owner is dropped.

use std::thread::{self, JoinHandle};

use crate::error::{Error, Result};
use crate::file::File;
use crate::fork::{self, Own};
use crate::reader::Interrupter;
use crate::reader::feed::Feed;

/// The thread behind a reader; ends when this is dropped, but in a forked child.
#[derive(Debug)]
pub(crate) struct ReaderThread {
    file: File,
    interrupter: Interrupter,
    thread: Own<JoinHandle<()>>,
}

impl ReaderThread {
    /// Runs a loop that ends soon after the feed's interrupter was used.
    pub(crate) fn start(name: &str, feed: Feed, run: impl FnOnce(Feed) + Send + 'static) -> Result<ReaderThread> {
        let (file, interrupter) = (feed.file().clone(), feed.interrupter().clone());
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(feed))
            .map_err(|cause| Error::Thread { path: file.path().to_owned(), cause })?;
        Ok(ReaderThread { file, interrupter, thread: Own::new(thread) })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Tells the thread to end, without waiting for it.
    pub(crate) fn interrupt(&self) {
        self.interrupter.interrupt();
    }
}

impl Drop for ReaderThread {
    fn drop(&mut self) {
        // Nothing is to be done in a forked child, which has no such thread.
        if let Some(thread) = self.thread.take() {
            self.interrupt();
            fork::join(thread);
        }
    }
}

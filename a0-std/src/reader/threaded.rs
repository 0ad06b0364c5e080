//! Readers that own a thread and call back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use a0_core::LockError;
use a0_linux::Mode;

use crate::callback;
use crate::error::{Error, Result};
use crate::file::File;
use crate::message::Message;
use crate::reader::ReaderOptions;
use crate::reader::feed::Feed;
use crate::reader::reader_thread::ReaderThread;

/// Calls back for every packet of a file, without holding any lock. See [`Subscriber`](crate::Subscriber), which is
/// the same by topic name.
#[derive(Debug)]
#[must_use = "it calls back until it is dropped"]
pub struct Reader {
    thread: Counting,
}

impl Reader {
    /// Starts a thread that reads this file.
    ///
    /// # Errors
    /// [`Error::Topic`], [`Error::Thread`].
    pub fn new(
        file: &File,
        options: impl Into<ReaderOptions>,
        mut callback: impl FnMut(Message<'_>) + Send + 'static,
    ) -> Result<Reader> {
        Reader::with_errors(file, options, move |message| {
            if let Ok(message) = message {
                callback(message);
            }
        })
    }

    /// Starts a thread that reads this file and reports messages that are no packets as well.
    ///
    /// # Errors
    /// [`Error::Topic`], [`Error::Thread`].
    pub fn with_errors(
        file: &File,
        options: impl Into<ReaderOptions>,
        callback: impl FnMut(Result<Message<'_>>) + Send + 'static,
    ) -> Result<Reader> {
        let thread = Counting::start(file, &options.into(), callback, |feed, callback| {
            let copied = feed.wait_with(None, Feed::poll_ahead)?;
            feed.message(&copied).map(|message| callback(Ok(message)))
        })?;
        Ok(Reader { thread })
    }

    /// The file.
    pub fn file(&self) -> &File {
        self.thread.thread.file()
    }

    /// Messages skipped because they were no valid packets or damaged.
    pub fn skipped(&self) -> u64 {
        self.thread.skipped.load(Ordering::Relaxed)
    }
}

/// Like [`Reader`], but hands out messages in place while holding the lock. See
/// [`SubscriberZeroCopy`](crate::SubscriberZeroCopy), which is the same by topic name.
#[derive(Debug)]
#[must_use = "it calls back until it is dropped"]
pub struct ReaderZeroCopy {
    thread: Counting,
}

impl ReaderZeroCopy {
    /// Starts a thread that reads this file.
    ///
    /// # Errors
    /// [`Error::Topic`], also if the file was opened read-only and so cannot be locked; [`Error::Thread`].
    pub fn new(
        file: &File,
        options: impl Into<ReaderOptions>,
        mut callback: impl FnMut(Message<'_>) + Send + 'static,
    ) -> Result<ReaderZeroCopy> {
        if file.mode() == Mode::ReadOnly {
            return Err(file.error(LockError::ReadOnly.into()));
        }
        let callback = move |message: Result<Message<'_>>| {
            if let Ok(message) = message {
                callback(message);
            }
        };
        let thread = Counting::start(file, &options.into(), callback, |feed, callback| {
            feed.wait_with(None, |feed| feed.poll_in_place(|message| callback(Ok(message))))
        })?;
        Ok(ReaderZeroCopy { thread })
    }

    /// The file.
    pub fn file(&self) -> &File {
        self.thread.thread.file()
    }

    /// Messages skipped because they were no valid packets or damaged.
    pub fn skipped(&self) -> u64 {
        self.thread.skipped.load(Ordering::Relaxed)
    }
}

/// A thread that counts what it skips.
#[derive(Debug)]
struct Counting {
    thread: ReaderThread,
    skipped: Arc<AtomicU64>,
}

/// Waits for a message and calls back.
type Step = fn(&mut Feed, &mut dyn FnMut(Result<Message<'_>>)) -> Result<()>;

impl Counting {
    fn start(
        file: &File,
        options: &ReaderOptions,
        mut callback: impl FnMut(Result<Message<'_>>) + Send + 'static,
        step: Step,
    ) -> Result<Counting> {
        if file.mode() == Mode::Exclusive {
            // Said at once, and not by a thread that never hears of anything in time.
            return Err(file.error(LockError::CannotSleep.into()));
        }
        // Placed before this returns: what is published from then on is not missed.
        let feed = Feed::new(file, options)?;
        let skipped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&skipped);
        let mut callback = move |message: Result<Message<'_>>| callback::call(|| callback(message));
        let thread = ReaderThread::start("a0-reader", feed, move |mut feed| {
            feed.start_threaded();
            let mut removed = false;
            while !feed.interrupter().is_interrupted() {
                match step(&mut feed, &mut callback) {
                    // From somebody who had not noticed, if the removal was told before; then it is told again behind that.
                    Ok(()) => removed = false,
                    Err(Error::Interrupted { .. }) => break,
                    Err(error @ Error::TopicRemoved { .. }) => {
                        if !removed {
                            removed = true;
                            callback(Err(error));
                        }
                        match feed.move_on() {
                            Ok(moved) => removed = !moved,
                            Err(error) => callback(Err(error)),
                        }
                    }
                    Err(error) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        feed.pause_after(&error);
                        callback(Err(error));
                    }
                }
            }
        })?;
        Ok(Counting { thread, skipped })
    }
}

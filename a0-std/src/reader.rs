//! What all readers share: where to start, how to go on, how to wait.

mod batch;
pub(crate) mod copies;
pub(crate) mod copy_buffer;
pub(crate) mod feed;
mod in_place;
mod place;
pub(crate) mod reader_thread;
mod removal_check;
pub(crate) mod sync;
pub(crate) mod threaded;
pub(crate) mod view;
pub(crate) mod wait;
mod waiter;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use a0_linux::FileOptions;
use rustix::thread::futex;
use rustix::time::Timespec;

use crate::file::File;
use crate::fork::Process;
use crate::reader::wait::Wait;

/// Where a reader starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Init {
    /// With the first message that comes after the reader was made.
    #[default]
    AwaitNew,
    /// With the message that is the newest when the reader is made.
    MostRecent,
    /// With the oldest message that is still there.
    Oldest,
}

/// How a reader goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Iter {
    /// With the next message. A reader that was overtaken goes on with the oldest one left and says how many it missed.
    #[default]
    Next,
    /// With the newest message, passing over those in between.
    Newest,
}

/// Options of a reader. An [`Init`], an [`Iter`], a pair of both, a [`Wait`], a reference to [`FileOptions`], or `()`
/// convert into it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReaderOptions {
    /// Where it starts.
    pub init: Init,
    /// How it goes on.
    pub iter: Iter,
    /// How it waits for a message that is not there yet.
    pub wait: Wait,
    /// How the topic's file is opened, and created if it does not exist. Readers made from a [`File`] ignore it.
    pub file: FileOptions,
}

impl ReaderOptions {
    /// Sets [`ReaderOptions::init`].
    #[must_use]
    pub fn init(self, init: Init) -> Self {
        ReaderOptions { init, ..self }
    }

    /// Sets [`ReaderOptions::iter`].
    #[must_use]
    pub fn iter(self, iter: Iter) -> Self {
        ReaderOptions { iter, ..self }
    }

    /// Sets [`ReaderOptions::wait`].
    #[must_use]
    pub fn wait(self, wait: Wait) -> Self {
        ReaderOptions { wait, ..self }
    }

    /// Sets [`ReaderOptions::file`].
    #[must_use]
    pub fn file(self, file: FileOptions) -> Self {
        ReaderOptions { file, ..self }
    }
}

impl From<()> for ReaderOptions {
    fn from((): ()) -> Self {
        ReaderOptions::default()
    }
}

impl From<Init> for ReaderOptions {
    fn from(init: Init) -> Self {
        ReaderOptions { init, ..Default::default() }
    }
}

impl From<Iter> for ReaderOptions {
    fn from(iter: Iter) -> Self {
        ReaderOptions { iter, ..Default::default() }
    }
}

impl From<Wait> for ReaderOptions {
    fn from(wait: Wait) -> Self {
        ReaderOptions { wait, ..Default::default() }
    }
}

impl From<&FileOptions> for ReaderOptions {
    fn from(file: &FileOptions) -> Self {
        ReaderOptions { file: file.clone(), ..Default::default() }
    }
}

impl From<(Init, Iter)> for ReaderOptions {
    fn from((init, iter): (Init, Iter)) -> Self {
        ReaderOptions { init, iter, ..Default::default() }
    }
}

/// Ends a blocked read from another thread, for good: every later blocking read ends at once, too.
#[derive(Clone, Debug)]
pub struct Interrupter {
    sleeper: Sleeper,
    stop: Arc<Stop>,
}

/// Where whoever is to be woken sleeps.
#[derive(Clone, Debug)]
enum Sleeper {
    /// On a topic.
    Topic(File),
    /// On file descriptors, one of which is this event.
    Event(Arc<OwnedFd>, Process),
}

/// Not 0 when it is to end. Readers that cannot sleep on the topic itself, because they may not write to it, sleep on this.
type Stop = AtomicU32;

impl Interrupter {
    fn new(file: &File) -> Interrupter {
        Interrupter { sleeper: Sleeper::Topic(file.clone()), stop: Arc::default() }
    }

    /// For whoever waits until this event becomes readable.
    pub(crate) fn of_event(event: &Arc<OwnedFd>) -> Interrupter {
        Interrupter { sleeper: Sleeper::Event(Arc::clone(event), Process::this()), stop: Arc::default() }
    }

    /// The same for a reader that goes on with another file.
    fn moved_to(&self, file: &File) -> Interrupter {
        Interrupter { sleeper: Sleeper::Topic(file.clone()), stop: Arc::clone(&self.stop) }
    }

    /// Ends the reader's blocked read, now or as soon as it begins one.
    pub fn interrupt(&self) {
        // The flag first: whoever is about to sleep either finds it or is woken.
        self.stop.store(1, Ordering::SeqCst);
        match &self.sleeper {
            Sleeper::Topic(file) => file.transport().wake_all(),
            // In a forked child it would end the wait of the parent.
            Sleeper::Event(event, process) if process.is_this() => {
                // Never read, so it stays readable for good; it fails if it has been written to 2^64 times.
                let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
            }
            Sleeper::Event(..) => {}
        }
        // Can only fail for an address that is not mapped.
        let _ = futex::wake(&self.stop, futex::Flags::PRIVATE, i32::MAX as u32);
    }

    /// Whether [`Interrupter::interrupt`] was called.
    pub fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::SeqCst) != 0
    }

    /// Waits without using the topic.
    fn pause(&self, at_most: Duration) {
        let at_most = Timespec {
            tv_sec: at_most.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: at_most.subsec_nanos().into(),
        };
        // Ends for many reasons; whoever calls it looks again.
        let _ = futex::wait(&self.stop, futex::Flags::PRIVATE, 0, Some(&at_most));
    }
}

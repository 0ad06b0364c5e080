//! Finding topics and files as they come and go.

mod event;
mod path_filter;
mod tree;
mod watcher;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use crate::callback;
use crate::error::{Error, Result};
use crate::fork::{self, Own, Process};
use crate::reader::Interrupter;
use crate::topic::Protocol;
pub use event::{DiscoveredTopic, DiscoveryEvent};
use path_filter::PathFilter;
use tree::Tree;
use watcher::Watcher;

/// Calls back for every file or topic that is there, comes, or goes, on a thread of its own, until it is dropped.
///
/// For every path the events are [`Found`](DiscoveryEvent::Found), [`Removed`](DiscoveryEvent::Removed), `Found`, … in
/// turn, starting with `Found`, and they end with what is true, however fast others create, rename and remove files or
/// whole directories. A file that was removed and created again is removed and found again. What is undone before anybody
/// could look goes unreported.
///
/// Found are regular files, and links that lead to one. Files that are still being made (`.alephzero_mkstemp.…`) are not.
/// Only directories that can hold something wanted are watched; none of them has to exist yet. Links to directories are
/// followed only where the pattern, the template or `A0_ROOT` names them: below there, they could lead in circles.
///
/// Where the system refuses to watch a directory (`/proc/sys/fs/inotify` sets how many a user may watch), the
/// discovery looks into it four times a second instead; nothing else changes.
///
/// ```
/// use a0_std::{Discovery, DiscoveryEvent, Protocol, Publisher};
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let _discovery = Discovery::topics(Protocol::PubSub, "cam/**", move |event| {
///     if let DiscoveryEvent::Found(topic) = event {
///         let _ = sender.send(topic.name);
///     }
/// })?;
/// let _camera = Publisher::new("cam/front/left")?;
/// assert_eq!(receiver.recv().unwrap(), "cam/front/left");
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "it calls back until it is dropped"]
pub struct Discovery {
    interrupter: Interrupter,
    thread: Own<JoinHandle<()>>,
}

impl Discovery {
    /// Discovers files whose absolute path matches a pattern, as for [`PathGlob`](crate::PathGlob); a relative pattern
    /// is below [`env::root`](crate::env::root).
    ///
    /// # Errors
    /// As [`DiscoverySync::new`].
    pub fn new(
        pattern: impl AsRef<Path>,
        callback: impl FnMut(DiscoveryEvent<PathBuf>) + Send + 'static,
    ) -> Result<Discovery> {
        Discovery::start(DiscoverySync::new(pattern)?, callback)
    }

    /// Discovers topics of one or more protocols whose names match a pattern, as for
    /// [`DiscoverySync::topics`].
    ///
    /// # Errors
    /// As [`DiscoverySync::topics`].
    pub fn topics(
        protocols: impl AsRef<[Protocol]>,
        pattern: &str,
        callback: impl FnMut(DiscoveryEvent<DiscoveredTopic>) + Send + 'static,
    ) -> Result<Discovery> {
        Discovery::start(DiscoverySync::topics(protocols, pattern)?, callback)
    }

    fn start<T: 'static>(
        mut sync: DiscoverySync<T>,
        mut callback: impl FnMut(DiscoveryEvent<T>) + Send + 'static,
    ) -> Result<Discovery> {
        let (interrupter, pattern) = (sync.interrupter(), sync.pattern.clone());
        let run = move || {
            while let Ok(event) = sync.read_blocking(None) {
                callback::call(|| callback(event));
                if sync.interrupter.is_interrupted() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("a0-discovery".to_owned())
            .spawn(run)
            .map_err(|cause| Error::Discovery { pattern, cause })?;
        Ok(Discovery { interrupter, thread: Own::new(thread) })
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        // Nothing is to be done in a forked child, which has no such thread.
        if let Some(thread) = self.thread.take() {
            self.interrupter.interrupt();
            fork::join(thread);
        }
    }
}

/// Like [`Discovery`], but gives events when asked to.
///
/// ```
/// use a0_std::{DiscoveryEvent, DiscoverySync, Protocol, Publisher};
/// use std::time::Duration;
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// let _news = Publisher::new("news")?;
/// let mut discovery = DiscoverySync::topics(Protocol::ALL, "**")?;
/// while let Some(event) = discovery.read() {
///     println!("there already: {event:?}");
/// }
/// # let _weather = Publisher::new("weather")?;
/// match discovery.read_blocking(Duration::from_secs(5))? {
///     DiscoveryEvent::Found(topic) => println!("{} of {}", topic.name, topic.protocol.name()),
///     DiscoveryEvent::Removed(topic) => println!("{} is gone", topic.name),
/// }
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct DiscoverySync<T = PathBuf> {
    tree: Tree,
    /// What the file with this path is to the user.
    target: fn(&PathFilter, PathBuf) -> Option<T>,
    pattern: PathBuf,
    wake: Arc<OwnedFd>,
    interrupter: Interrupter,
    process: Process,
}

impl DiscoverySync<PathBuf> {
    /// Discovers files whose absolute path matches a pattern, as for [`PathGlob`](crate::PathGlob); a relative pattern
    /// is below [`env::root`](crate::env::root).
    ///
    /// # Errors
    /// [`Error::BadPattern`] for an empty pattern or one with a component `..`; [`Error::BadEnv`];
    /// [`Error::Discovery`] if the system is out of file descriptors or threads.
    pub fn new(pattern: impl AsRef<Path>) -> Result<DiscoverySync<PathBuf>> {
        let pattern = pattern.as_ref();
        DiscoverySync::start(PathFilter::files(pattern)?, pattern, Watcher::new(), |_, path| Some(path))
    }
}

impl DiscoverySync<DiscoveredTopic> {
    /// Discovers topics of one or more protocols: `Protocol::PubSub`, `[Protocol::Rpc, Protocol::Prpc]`,
    /// `Protocol::ALL`. The pattern is compared with the topic's name by the rules of [`PathGlob`](crate::PathGlob):
    /// `cam/*` are the topics directly below `cam`, `cam/**` those at any depth, `**` is every topic.
    ///
    /// Where a file could be a topic of several of the protocols, because their templates are alike, it is one of that
    /// with the longest template, and of the first of equal ones.
    ///
    /// # Errors
    /// As [`DiscoverySync::new`]; [`Error::BadPattern`] also for a pattern that starts with `/`.
    pub fn topics(protocols: impl AsRef<[Protocol]>, pattern: &str) -> Result<DiscoverySync<DiscoveredTopic>> {
        let wanted = PathFilter::topics(protocols.as_ref(), pattern)?;
        DiscoverySync::start(wanted, Path::new(pattern), Watcher::new(), |wanted, path| {
            wanted.topic(&path).map(|(protocol, name)| DiscoveredTopic { protocol, name, path })
        })
    }
}

impl<T> DiscoverySync<T> {
    fn start(
        wanted: PathFilter,
        pattern: &Path,
        watcher: Watcher,
        target: fn(&PathFilter, PathBuf) -> Option<T>,
    ) -> Result<DiscoverySync<T>> {
        let pattern = pattern.to_owned();
        let wake = match eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) {
            Ok(wake) => Arc::new(wake),
            Err(errno) => return Err(Error::Discovery { pattern, cause: errno.into() }),
        };
        let interrupter = Interrupter::of_event(&wake);
        Ok(DiscoverySync {
            tree: Tree::new(wanted, watcher),
            target,
            pattern,
            wake,
            interrupter,
            process: Process::this(),
        })
    }

    /// The next event, or `None` if nothing has happened since the last one. The first calls give all that is there.
    pub fn read(&mut self) -> Option<DiscoveryEvent<T>> {
        loop {
            let event = self.tree.next()?;
            let target = |path| (self.target)(self.tree.wanted(), path);
            let event = match event {
                DiscoveryEvent::Found(path) => target(path).map(DiscoveryEvent::Found),
                DiscoveryEvent::Removed(path) => target(path).map(DiscoveryEvent::Removed),
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// The next event; waits for it, at most `timeout` (a `Duration`, or `None` for as long as it takes).
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Interrupted`]; [`Error::Forked`] in a child that was forked after it was made, as what
    /// wakes it is the parent's.
    pub fn read_blocking(&mut self, timeout: impl Into<Option<Duration>>) -> Result<DiscoveryEvent<T>> {
        if !self.process.is_this() {
            return Err(Error::Forked { path: self.pattern.clone() });
        }
        let (timeout, started) = (timeout.into(), Instant::now());
        loop {
            if let Some(event) = self.read() {
                return Ok(event);
            }
            if self.interrupter.is_interrupted() {
                return Err(Error::Interrupted { path: self.pattern.clone() });
            }
            let left = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
            if left == Some(Duration::ZERO) {
                return Err(Error::Timeout { path: self.pattern.clone(), waited: started.elapsed() });
            }
            self.tree.wait(&self.wake, left);
        }
    }

    /// A handle for other threads that ends a blocked read.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// How many directories the system refuses to watch or to list, so that they are looked at four times a second.
    pub fn unwatched(&self) -> usize {
        self.tree.unwatched()
    }
}

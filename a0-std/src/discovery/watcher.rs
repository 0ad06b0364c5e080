//! Telling which entries of which directories have changed: inotify.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::fork::Process;

/// Bytes of events that are taken at once.
const BUFFER: usize = 64 << 10;

/// What may have happened. A notice never says what is there now: whoever gets it looks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Something has happened to this entry of a directory, or to this directory.
    Changed(PathBuf),
    /// More has happened than the kernel could remember.
    Overflow,
}

/// Watches directories.
pub(super) struct Watcher {
    /// `None` where the system gives no more.
    inotify: Option<OwnedFd>,
    watches: HashMap<PathBuf, i32>,
    /// A directory that can be reached by several paths has one watch.
    paths: HashMap<i32, Vec<PathBuf>>,
    buffer: Box<[MaybeUninit<u8>]>,
    process: Process,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("inotify", &self.inotify).field("watches", &self.watches).finish()
    }
}

impl Watcher {
    pub(super) fn new() -> Watcher {
        Watcher::over(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok())
    }

    pub(super) fn over(inotify: Option<OwnedFd>) -> Watcher {
        let buffer = vec![MaybeUninit::uninit(); BUFFER].into_boxed_slice();
        Watcher { inotify, watches: HashMap::new(), paths: HashMap::new(), buffer, process: Process::this() }
    }

    /// Watches the directory that this path leads to now, if that is not the one that is watched under it already.
    pub(super) fn watch(&mut self, dir: &Path, follow: bool) -> Result<(), Errno> {
        let Some(inotify) = &self.inotify else { return Err(Errno::MFILE) };
        let mut flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        if !follow {
            flags |= WatchFlags::DONT_FOLLOW;
        }
        let watch = inotify::add_watch(inotify, dir, flags)?;
        if self.watches.get(dir) != Some(&watch) {
            self.unwatch(dir);
            self.watches.insert(dir.to_owned(), watch);
            self.paths.entry(watch).or_default().push(dir.to_owned());
        }
        Ok(())
    }

    /// Watches a directory no longer under this path.
    pub(super) fn unwatch(&mut self, dir: &Path) {
        let Some(watch) = self.watches.remove(dir) else { return };
        let Some(paths) = self.paths.get_mut(&watch) else { return };
        paths.retain(|path| path != dir);
        if paths.is_empty() {
            self.paths.remove(&watch);
            if let Some(inotify) = &self.inotify {
                // It fails where the directory is gone, and the watch with it.
                let _ = inotify::remove_watch(inotify, watch);
            }
        }
    }

    /// Takes some of the notices that have come; none if there are none.
    pub(super) fn take(&mut self) -> Vec<Notice> {
        let mut notices = vec![];
        if !self.process.is_this() {
            // What a forked child took would be missing to its parent, as both have the same queue.
            self.process = Process::this();
            return self.give_up();
        }
        let Some(inotify) = &self.inotify else { return notices };
        let (mut gone, mut broken) = (vec![], false);
        let mut reader = Reader::new(inotify, &mut self.buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let events = event.events();
                    if events.contains(ReadFlags::QUEUE_OVERFLOW) {
                        notices.push(Notice::Overflow);
                    }
                    for dir in self.paths.get(&event.wd()).into_iter().flatten() {
                        notices.push(Notice::Changed(match event.file_name() {
                            Some(name) => dir.join(OsStr::from_bytes(name.to_bytes())),
                            None => dir.clone(),
                        }));
                    }
                    if events.contains(ReadFlags::IGNORED) {
                        gone.push(event.wd());
                    }
                }
                Err(Errno::INTR) => {}
                Err(errno) => {
                    broken = errno != Errno::AGAIN;
                    break;
                }
            }
            if reader.is_buffer_empty() {
                break;
            }
        }
        for watch in gone {
            for dir in self.paths.remove(&watch).unwrap_or_default() {
                self.watches.remove(&dir);
            }
        }
        if broken {
            notices.extend(self.give_up());
        }
        notices
    }

    /// Nothing will come any more: everything has to be looked at, now and then from now on.
    fn give_up(&mut self) -> Vec<Notice> {
        (self.inotify, self.watches, self.paths) = (None, HashMap::new(), HashMap::new());
        vec![Notice::Overflow]
    }

    /// Waits for notices, for `wake` to become readable, or so long.
    pub(super) fn wait(&self, wake: &OwnedFd, at_most: Option<Duration>) {
        let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
        if let Some(inotify) = &self.inotify {
            fds.push(PollFd::new(inotify, PollFlags::IN));
        }
        // A time too long to be said is as good as none. Errors, such as signals, only wake too early.
        let at_most = at_most.and_then(|at_most| Timespec::try_from(at_most).ok());
        let _ = poll(&mut fds, at_most.as_ref());
    }
}

//! What is there, kept up to date by looking again wherever something has happened.
//!
//! Only looks decide. A notice says where to look, so it may come late, twice, or in any order; and whatever changes after
//! a look sends another notice, since a directory is watched before it is looked at.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, Metadata};
use std::io;
use std::ops::Bound;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;

use crate::discovery::event::DiscoveryEvent;
use crate::discovery::path_filter::PathFilter;
use crate::discovery::watcher::{Notice, Watcher};

/// Between two looks at what cannot be watched.
const RESCAN_INTERVAL: Duration = Duration::from_millis(250);

/// How often notices are taken before the caller gets its turn, even if none of them has led to an event: others may
/// write to a directory on the way all the time.
const NOTICE_BUDGET: u32 = 16;

/// The files that are wanted, and the directories that they can be in.
#[derive(Debug)]
pub(super) struct Tree {
    wanted: PathFilter,
    watcher: Watcher,
    directories: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Identity>,
    /// What cannot be watched or looked at.
    unwatched: BTreeSet<PathBuf>,
    /// `None` before the first look.
    looked: Option<Instant>,
    events: VecDeque<DiscoveryEvent<PathBuf>>,
}

/// Tells a file from another one that comes to stand in its place. The time of birth is for filesystems that use the
/// number of a removed file again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

/// What a look has found.
#[derive(Debug)]
enum Found {
    File(Identity),
    Directory,
    /// Nothing that matters.
    Nothing,
    /// A link on the way to what is wanted that leads nowhere. Where it should lead to is not watched.
    Dangling,
    /// The system does not let us look.
    Unknown,
}

impl Tree {
    pub(super) fn new(wanted: PathFilter, watcher: Watcher) -> Tree {
        Tree {
            wanted,
            watcher,
            directories: BTreeSet::new(),
            files: BTreeMap::new(),
            unwatched: BTreeSet::new(),
            looked: None,
            events: VecDeque::new(),
        }
    }

    pub(super) fn wanted(&self) -> &PathFilter {
        &self.wanted
    }

    pub(super) fn unwatched(&self) -> usize {
        self.unwatched.len()
    }

    /// The next event; `None` if nothing has happened.
    pub(super) fn next(&mut self) -> Option<DiscoveryEvent<PathBuf>> {
        for _ in 0..NOTICE_BUDGET {
            if !self.events.is_empty() || !self.catch_up() {
                break;
            }
        }
        self.events.pop_front()
    }

    /// Waits until there may be an event, `wake` becomes readable, or so long.
    pub(super) fn wait(&self, wake: &OwnedFd, at_most: Option<Duration>) {
        let poll = (!self.unwatched.is_empty()).then(|| self.next_poll());
        self.watcher.wait(wake, at_most.into_iter().chain(poll).min());
    }

    fn next_poll(&self) -> Duration {
        self.looked.map_or(Duration::ZERO, |looked| RESCAN_INTERVAL.saturating_sub(looked.elapsed()))
    }

    /// Looks wherever something may have happened. Whether there was anything to do.
    fn catch_up(&mut self) -> bool {
        if self.looked.is_none() {
            self.looked = Some(Instant::now());
            self.look_at("/".into());
            return true;
        }
        if !self.unwatched.is_empty() && self.next_poll().is_zero() {
            self.look_at_unwatched();
            self.looked = Some(Instant::now());
            return true;
        }
        let notices = self.watcher.take();
        let any = !notices.is_empty();
        for notice in notices {
            match notice {
                Notice::Changed(path) => self.look_at(path),
                Notice::Overflow => self.look_at("/".into()),
            }
        }
        any
    }

    fn look_at_unwatched(&mut self) {
        let mut done: Option<PathBuf> = None;
        for path in self.unwatched.clone() {
            // Looking at a directory is looking at everything below it.
            if done.as_ref().is_none_or(|done| !path.starts_with(done)) {
                self.look_at(path.clone());
                done = Some(path);
            }
        }
    }

    /// Makes what is known about this path, and everything below it, what is true now.
    fn look_at(&mut self, path: PathBuf) {
        let mut pending = vec![path];
        while let Some(path) = pending.pop() {
            self.unwatched.remove(&path);
            match self.look(&path) {
                Found::File(identity) => {
                    self.forget_directory(&path);
                    self.note_file(path, identity);
                }
                Found::Directory => {
                    self.forget_file(&path);
                    self.enter(path, &mut pending);
                }
                Found::Nothing => self.forget(&path),
                Found::Dangling => {
                    self.forget(&path);
                    self.unwatched.insert(path);
                }
                // What cannot be looked at counts as unchanged.
                Found::Unknown => {
                    self.unwatched.insert(path);
                }
            }
        }
    }

    /// What there is under a path.
    fn look(&self, path: &Path) -> Found {
        let (file, below) = (self.wanted.file(path), self.wanted.below(path));
        if !file && !below {
            return Found::Nothing;
        }
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_absence(&error) => return Found::Nothing,
            Err(_) => return Found::Unknown,
        };
        // On the way to what is wanted somebody has said which links to take. Below, links can lead in circles.
        let (link, follow) = (metadata.is_symlink(), self.wanted.is_on_the_way(path));
        let end = if link { fs::metadata(path).ok() } else { Some(metadata.clone()) };
        match end {
            Some(end) if end.is_file() && file => Found::File(Identity::of(&metadata)),
            Some(end) if end.is_dir() && below && (!link || follow) => Found::Directory,
            None if follow => Found::Dangling,
            _ => Found::Nothing,
        }
    }

    /// Watches a directory, and then puts what is in it on the list of what is to be looked at.
    fn enter(&mut self, dir: PathBuf, pending: &mut Vec<PathBuf>) {
        // What has vanished by now is told by a notice about the directory above.
        match self.watcher.watch(&dir, self.wanted.is_on_the_way(&dir)) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(_) => {
                self.unwatched.insert(dir.clone());
            }
        }
        let mut entries = BTreeSet::new();
        match self.wanted.only(&dir) {
            Some(names) => entries.extend(names.into_iter().map(|name| dir.join(name))),
            None => match list(&dir, &mut entries) {
                Ok(()) => {}
                Err(error) if is_absence(&error) => {}
                Err(_) => {
                    self.unwatched.insert(dir.clone());
                }
            },
        }
        let known = below(&self.directories, &dir).chain(below_in_map(&self.files, &dir));
        entries.extend(known.filter(|path| path.parent() == Some(&dir)).cloned());
        pending.extend(entries.into_iter().rev());
        self.directories.insert(dir);
    }

    fn note_file(&mut self, path: PathBuf, identity: Identity) {
        match self.files.insert(path.clone(), identity) {
            Some(known) if known == identity => return,
            Some(_) => self.events.push_back(DiscoveryEvent::Removed(path.clone())),
            None => {}
        }
        self.events.push_back(DiscoveryEvent::Found(path));
    }

    fn forget(&mut self, path: &Path) {
        self.forget_file(path);
        self.forget_directory(path);
    }

    fn forget_file(&mut self, path: &Path) {
        if self.files.remove(path).is_some() {
            self.events.push_back(DiscoveryEvent::Removed(path.to_owned()));
        }
    }

    /// Forgets a directory and everything in it.
    fn forget_directory(&mut self, dir: &Path) {
        if !self.directories.contains(dir) {
            return;
        }
        for directory in below(&self.directories, dir).cloned().collect::<Vec<_>>() {
            self.watcher.unwatch(&directory);
            self.directories.remove(&directory);
        }
        for path in below(&self.unwatched, dir).cloned().collect::<Vec<_>>() {
            self.unwatched.remove(&path);
        }
        for file in below_in_map(&self.files, dir).cloned().collect::<Vec<_>>() {
            self.forget_file(&file);
        }
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity { device: metadata.dev(), inode: metadata.ino(), born: metadata.created().ok() }
    }
}

/// Whether a look has failed because there is nothing.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Adds the paths of a directory's entries.
fn list(dir: &Path, entries: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        entries.insert(entry?.path());
    }
    Ok(())
}

/// A path and all below it.
fn below<'a>(paths: &'a BTreeSet<PathBuf>, dir: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
    paths.range::<Path, _>((Bound::Included(dir), Bound::Unbounded)).take_while(move |path| path.starts_with(dir))
}

/// A path and all below it.
fn below_in_map<'a, T>(paths: &'a BTreeMap<PathBuf, T>, dir: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
    let range = paths.range::<Path, _>((Bound::Included(dir), Bound::Unbounded)).map(|(path, _)| path);
    range.take_while(move |path| path.starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where nothing can be watched, everything is found all the same.
    #[test]
    fn without_watches() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let wanted = PathFilter::files(&dir.path().join("in/**")).unwrap();
        let mut tree = Tree::new(wanted, Watcher::over(None));
        let (inner, path) = (dir.path().join("in/ner"), dir.path().join("in/ner/x"));
        let never = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
        let mut next = || {
            let deadline = Instant::now() + Duration::from_secs(60);
            loop {
                if let Some(event) = tree.next() {
                    return event;
                }
                assert!(Instant::now() < deadline);
                tree.wait(&never, Some(Duration::from_secs(60)));
            }
        };
        fs::create_dir_all(&inner).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(next(), DiscoveryEvent::Found(path.clone()));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(next(), DiscoveryEvent::Removed(path.clone()));
        assert_eq!(next(), DiscoveryEvent::Found(path.clone()));
        fs::remove_dir_all(&inner).unwrap();
        assert_eq!(next(), DiscoveryEvent::Removed(path));
        assert!(tree.unwatched() > 0);
    }
}

//! Discovery of files and topics: what is announced, once each, whatever others do meanwhile.

mod churn;
mod topics;
mod trees;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use a0_std::{DiscoveryEvent, DiscoverySync, Error};
use tempfile::TempDir;

/// No wait takes longer, or else the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A moment in which nothing must happen.
const QUIET: Duration = Duration::from_millis(50);

fn dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

fn create(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
    path.to_owned()
}

fn discover(dir: impl AsRef<Path>, pattern: &str) -> DiscoverySync {
    DiscoverySync::new(dir.as_ref().join(pattern)).unwrap()
}

fn found(path: impl AsRef<Path>) -> DiscoveryEvent {
    DiscoveryEvent::Found(path.as_ref().to_owned())
}

fn removed(path: impl AsRef<Path>) -> DiscoveryEvent {
    DiscoveryEvent::Removed(path.as_ref().to_owned())
}

/// Exactly these events come next, in any order, and no others.
fn expect(discovery: &mut DiscoverySync, events: impl IntoIterator<Item = DiscoveryEvent>) {
    let mut expected: Vec<_> = events.into_iter().collect();
    while !expected.is_empty() {
        let event = discovery.read_blocking(PATIENCE).unwrap();
        let at = expected.iter().position(|expected| *expected == event);
        expected.swap_remove(at.unwrap_or_else(|| panic!("unexpected {event:?}, instead of {expected:?}")));
    }
    quiet(discovery);
}

fn quiet(discovery: &mut DiscoverySync) {
    match discovery.read_blocking(QUIET) {
        Err(Error::Timeout { .. }) => {}
        other => panic!("unexpected {other:?}"),
    }
}

/// What a series of events adds up to; each path's are found and removed in turn.
#[derive(Default)]
struct Ledger {
    there: BTreeSet<PathBuf>,
    removals: u32,
}

impl Ledger {
    fn note(&mut self, event: DiscoveryEvent) {
        match event {
            DiscoveryEvent::Found(path) => assert!(self.there.insert(path.clone()), "{path:?} found twice"),
            DiscoveryEvent::Removed(path) => {
                assert!(self.there.remove(&path), "{path:?} removed, but never found");
                self.removals += 1;
            }
        }
    }

    /// Takes events until the wanted set is there and nothing more comes.
    fn settle(&mut self, discovery: &mut DiscoverySync, wanted: &BTreeSet<PathBuf>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match discovery.read_blocking(QUIET) {
                Ok(event) => self.note(event),
                Err(Error::Timeout { .. }) if self.there == *wanted => return,
                Err(Error::Timeout { .. }) => {
                    let missing: Vec<_> = wanted.difference(&self.there).collect();
                    let extra: Vec<_> = self.there.difference(wanted).collect();
                    assert!(Instant::now() < deadline, "missing {missing:?}, announced by mistake {extra:?}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// The files below a directory, found in the simplest way.
fn truth(dir: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => files.append(&mut truth(&entry.path())),
            kind if kind.is_file() => {
                files.insert(entry.path());
            }
            _ => {}
        }
    }
    files
}

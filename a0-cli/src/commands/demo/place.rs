//! Where the demo takes place: a directory of its own, and two cores if there are two.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use a0_core::{RawMem, Transport};
use a0_linux::{Mapping, RobustLock, TopicFile};
use a0_std::{Error, File, FileOptions};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::end::{End, Outcome};

/// Bytes of the topics that do not have to be large.
const SMALL: u64 = 64 << 10;
/// Bytes of the topics that messages stream through. Docker gives 64 MiB to all topics together.
const LARGE: u64 = 8 << 20;

/// The directory and the cores.
#[derive(Debug)]
pub(super) struct Place {
    dir: TempDir,
    /// None if there is only one.
    cores: Option<[usize; 2]>,
}

impl Place {
    pub(super) fn new() -> Outcome<Place> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let dir = tempfile::Builder::new().prefix("a0-demo-").tempdir_in(&parent).map_err(End::failed)?;
        Ok(Place { dir, cores: two_cores() })
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The cores of this process and of the other one.
    pub(super) fn cores(&self) -> Option<[usize; 2]> {
        self.cores
    }

    /// Stays on the first core. Where that is refused, the figures are what they are.
    pub(super) fn pin_first(&self) {
        if let Some([first, _]) = self.cores {
            pin(first);
        }
    }

    pub(super) fn file(&self, name: &str) -> Outcome<File> {
        small(self.dir(), name)
    }

    pub(super) fn large(&self, name: &str) -> Outcome<File> {
        large(self.dir(), name)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = if cfg!(debug_assertions) { "; a debug build, which is slow" } else { "" };
        match self.cores {
            Some([first, second]) => write!(f, "two processes, on cores {first} and {second}{build}"),
            None => write!(f, "two processes on one core, so that every round trip switches between them{build}"),
        }
    }
}

/// Path of a file of the demo.
pub(super) fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.pubsub.a0"))
}

pub(super) fn small(dir: &Path, name: &str) -> Outcome<File> {
    Ok(File::open(path(dir, name), &FileOptions::default().size(SMALL))?)
}

pub(super) fn large(dir: &Path, name: &str) -> Outcome<File> {
    Ok(File::open(path(dir, name), &FileOptions::default().size(LARGE))?)
}

/// The topic in a file, without what `a0-std` adds to its messages.
pub(super) fn bare(file: &File) -> Outcome<Transport<RawMem<Mapping>, RobustLock>> {
    let (_, mem) = TopicFile::open(file.path(), &FileOptions::default()).map_err(Error::from)?;
    let topic = Transport::open(mem, RobustLock);
    Ok(topic.map_err(|cause| Error::Topic { path: file.path().to_owned(), cause })?)
}

/// Keeps this thread on one core.
pub(super) fn pin(core: usize) {
    let mut cores = CpuSet::new();
    if cores.set(core).is_ok() {
        // A wish only.
        let _ = sched_setaffinity(Pid::from_raw(0), &cores);
    }
}

fn two_cores() -> Option<[usize; 2]> {
    // Less than the affinity says where processor time is limited.
    if available_parallelism().is_ok_and(|cores| cores.get() == 1) {
        return None;
    }
    let allowed = sched_getaffinity(Pid::from_raw(0)).ok()?;
    let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
    Some([cores.next()?, cores.next()?])
}

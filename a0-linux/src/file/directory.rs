//! The directories that a topic file lies in.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat, lstat, openat, stat};
use rustix::io::{Errno, retry_on_intr};

use crate::file::error::FileError;
use crate::file::way::{Obstacle, Way, is_removed};

/// How long a creator waits for another one. A topic takes milliseconds to create; this is for a creator that was
/// stopped in the middle, and a foreign lock on the directory.
const PATIENCE: Duration = Duration::from_secs(1);

/// The directory of a file.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Opens `dir`, and creates what is missing of it; `None` if somebody removes it again meanwhile.
pub(super) fn create(dir: &Path, mode: u32) -> Result<Option<OwnedFd>, FileError> {
    Way::to(dir).and_then(|way| way.directory(Some(mode))).map_err(|obstacle| match obstacle {
        Obstacle::Known(error) => error,
        Obstacle::Refused(at, errno) => FileError::os(&at, "look at", errno),
    })
}

/// Whether it is a symbolic link, and not what one leads to.
pub(super) fn is_link(path: &Path) -> bool {
    lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// A creator's turn in a directory.
///
/// Without it several programs that start at once would each reserve the same topic's space, and could find too little
/// of it where there is enough for one. Nothing else depends on it, so whoever cannot have it goes ahead.
pub(super) struct Turn {
    dir: Option<OwnedFd>,
}

impl Turn {
    /// Waits for it.
    pub(super) fn take(dir: &OwnedFd) -> Turn {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(dir) = retry_on_intr(|| openat(dir, ".", flags, Mode::empty())) else {
            return Turn { dir: None };
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Turn { dir: Some(dir) },
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => sleep(Duration::from_millis(1)),
                Err(_) => return Turn { dir: None },
            }
        }
    }

    /// Whether the directory is still there, under this path; `false` if that is not known.
    pub(super) fn is_in(&self, path: &Path) -> bool {
        let (Some(Ok(ours)), Ok(there)) = (self.dir.as_ref().map(fstat), stat(path)) else { return false };
        !is_removed(&ours) && (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            // Said aloud, because closing is not enough where another thread has forked meanwhile. Closing does the
            // rest if it fails.
            let _ = flock(dir, FlockOperation::Unlock);
        }
    }
}

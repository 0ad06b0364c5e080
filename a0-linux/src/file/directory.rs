//! The directories that a topic file lies in.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, lstat, stat};
use rustix::io::{Errno, retry_on_intr};

use crate::file::error::FileError;

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

/// Creates what is missing of `dir`; `false` if somebody removes it again meanwhile.
pub(super) fn create(dir: &Path, mode: u32) -> Result<bool, FileError> {
    let mut prefix = PathBuf::new();
    for part in dir.components() {
        prefix.push(part);
        if is_directory(&prefix)? == Some(true) {
            continue;
        }
        match make(&prefix, Mode::from_raw_mode(mode)) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // Somebody else was faster, or something else is there.
            Err(Errno::EXIST) => match is_directory(&prefix)? {
                Some(true) => {}
                None if !is_link(&prefix) => return Ok(false),
                _ => return Err(FileError::NotADirectory { path: prefix }),
            },
            Err(errno) => return Err(FileError::os(&prefix, "create directory", errno)),
        }
    }
    Ok(true)
}

/// Makes one directory; `false` if the one that it is to be in is gone, even if there is another one by now.
fn make(path: &Path, mode: Mode) -> Result<bool, Errno> {
    match rustix::fs::mkdir(path, mode) {
        Err(Errno::NOENT) => {}
        made => return made.map(|()| true),
    }
    // Directories of /proc are there, and say so, too.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = match rustix::fs::open(parent(path), flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(false),
        dir => dir?,
    };
    match rustix::fs::mkdirat(&dir, path.file_name().unwrap_or_default(), mode) {
        Err(Errno::NOENT) if is_removed(&fstat(&dir)?) => Ok(false),
        made => made.map(|()| true),
    }
}

/// Whether this directory was, or is being, removed: for a moment it still has its name, but takes no files any more.
fn is_removed(dir: &Stat) -> bool {
    dir.st_nlink == 0
}

/// Whether it is a symbolic link, and not what one leads to.
pub(super) fn is_link(path: &Path) -> bool {
    lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// The error for a path that leads through something that is no directory.
pub(super) fn obstacle(path: &Path) -> FileError {
    let mut prefix = PathBuf::new();
    for part in parent(path).components() {
        prefix.push(part);
        if let Ok(Some(false)) = is_directory(&prefix) {
            return FileError::NotADirectory { path: prefix };
        }
    }
    // It has gone meanwhile, or the path has a slash at its end.
    FileError::NotADirectory { path: path.into() }
}

/// Whether it is a directory; `None` if there is nothing.
fn is_directory(path: &Path) -> Result<Option<bool>, FileError> {
    match stat(path) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::NOTDIR) => Err(obstacle(path)),
        Err(errno) => Err(FileError::os(path, "look at", errno)),
    }
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
    pub(super) fn take(dir: &Path) -> Turn {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(dir) = retry_on_intr(|| rustix::fs::open(dir, flags, Mode::empty())) else {
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

//! Removing topics.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::file::error::FileError;
use crate::file::way::{Obstacle, Way};

/// Removes a file; `false` if there was none.
///
/// Programs that have it open keep using it, and find out by [`crate::TopicFile::is_removed`]; those that open it from
/// now on create a new one.
///
/// # Errors
/// [`FileError::NotAFile`] for a directory, [`FileError::PermissionDenied`], [`FileError::Os`].
pub fn remove(path: &Path) -> Result<bool, FileError> {
    let found = Way::to(path).and_then(Way::last).map_err(|obstacle| match obstacle {
        Obstacle::Known(error) => error,
        Obstacle::Refused(at, errno) => FileError::os(&at, "look at", errno),
    })?;
    let Some((dir, name)) = found else { return Ok(false) };
    match rustix::fs::unlinkat(dir, &name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        // INVAL: for "." and "..".
        Err(Errno::ISDIR | Errno::INVAL) => Err(FileError::NotAFile { path: path.into(), what: "a directory" }),
        Err(errno) => Err(FileError::os(path, "remove", errno)),
    }
}

/// Removes a directory and everything in it; `false` if there was none. Symbolic links are removed, not followed.
///
/// # Errors
/// [`FileError::NotADirectory`], [`FileError::PermissionDenied`], [`FileError::Os`]. Part of the content may be gone
/// then.
pub fn remove_all(dir: &Path) -> Result<bool, FileError> {
    match fs::remove_dir_all(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(FileError::NotADirectory { path: dir.into() })
        }
        Err(error) => Err(FileError::os(dir, "remove", error)),
    }
}

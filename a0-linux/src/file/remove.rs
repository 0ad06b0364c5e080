//! Removing topics.

use std::fs;
use std::io;
use std::path::Path;

use crate::file::error::FileError;

/// Removes a file; `false` if there was none.
///
/// Programs that have it open keep using it, and find out by [`crate::TopicFile::is_removed`]; those that open it from
/// now on create a new one.
///
/// # Errors
/// [`FileError::NotAFile`] for a directory, [`FileError::PermissionDenied`], [`FileError::Os`].
pub fn remove(path: &Path) -> Result<bool, FileError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            Err(FileError::NotAFile { path: path.into(), what: "a directory" })
        }
        Err(error) => Err(FileError::os(path, "remove", error)),
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

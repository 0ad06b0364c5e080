//! The environment variables that AlephZero programs share. They are read at every use.

use std::env::{VarError, var};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where topics live unless `A0_ROOT` says otherwise.
pub const DEFAULT_ROOT: &str = "/dev/shm/alephzero";

/// A variable's value; set to nothing counts as set.
pub(crate) fn lookup(variable: &'static str) -> Result<Option<String>> {
    match var(variable) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Error::BadEnv { variable, reason: "it is not UTF-8" }),
    }
}

/// The directory of all topics: `A0_ROOT`, or `/dev/shm/alephzero`.
///
/// # Errors
/// [`Error::BadEnv`] if `A0_ROOT` is not an absolute path.
pub fn root() -> Result<PathBuf> {
    let variable = "A0_ROOT";
    let root = lookup(variable)?.unwrap_or_else(|| DEFAULT_ROOT.to_owned());
    if !root.starts_with('/') {
        return Err(Error::BadEnv { variable, reason: "it must be an absolute path, such as /dev/shm/alephzero" });
    }
    Ok(root.into())
}

/// `A0_TOPIC`: the name that a program was given for itself. The library itself makes no use of it.
///
/// # Errors
/// [`Error::BadEnv`] if it is not UTF-8.
pub fn topic() -> Result<Option<String>> {
    lookup("A0_TOPIC")
}

/// An absolute path as it is, any other below [`root`].
///
/// # Errors
/// As [`root`].
pub fn resolve(path: impl AsRef<Path>) -> Result<PathBuf> {
    let path = path.as_ref();
    if path.is_absolute() { Ok(path.to_owned()) } else { Ok(root()?.join(path)) }
}

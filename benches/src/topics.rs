//! Topics in shared memory that vanish with the benchmark.

use std::path::Path;

use a0_core::{RawMem, Transport};
use a0_linux::{FileOptions, Mapping, RobustLock, TopicFile};
use tempfile::TempDir;

use crate::Result;

/// A topic without packets, as other processes share it.
pub type RawTopic = Transport<RawMem<Mapping>, RobustLock>;

/// The arena that AlephZero programs create by default.
pub const DEFAULT_ARENA: u64 = 16 << 20;

/// A directory in shared memory, removed with everything in it when this is dropped.
///
/// # Errors
/// If there is no `/dev/shm`, or it is full.
pub fn directory() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("a0-benches-").tempdir_in("/dev/shm")?)
}

/// Memory shared through this file.
///
/// # Errors
/// As [`TopicFile::open`].
pub fn memory(path: &Path, size: u64) -> Result<RawMem<Mapping>> {
    Ok(TopicFile::open(path, &FileOptions::default().size(size))?.1)
}

/// The topic in this file.
///
/// # Errors
/// As [`TopicFile::open`] and [`Transport::open`].
pub fn raw(path: &Path, arena: u64) -> Result<RawTopic> {
    Ok(Transport::open(memory(path, arena)?, RobustLock)?)
}

//! Topics in shared memory that vanish with the benchmark.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use a0_core::{RawMem, Transport};
use a0_linux::{FileOptions, Mapping, RobustLock, TopicFile};
use tempfile::TempDir;

use crate::Result;

/// A topic without packets, as other processes share it.
pub type RawTopic = Transport<RawMem<Mapping>, RobustLock>;

/// The arena that AlephZero programs create by default.
pub const DEFAULT_ARENA: u64 = 16 << 20;

static PLACE: OnceLock<PathBuf> = OnceLock::new();

/// Makes [`directory`] give directories in this one, if nobody has asked for any yet.
pub fn place_in(dir: PathBuf) {
    // Too late is as documented.
    let _ = PLACE.set(dir);
}

/// A directory in shared memory, removed with everything in it when this is dropped.
///
/// # Errors
/// If there is no `/dev/shm`, or it is full.
pub fn directory() -> Result<TempDir> {
    let place = PLACE.get_or_init(|| "/dev/shm".into());
    // Who is killed leaves its directory behind; its process id tells.
    let prefix = format!("a0-benches-{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir_in(place)?)
}

/// Removes what programs that were killed have left of [`directory`].
///
/// # Errors
/// If the place cannot be read.
pub fn sweep() -> Result<()> {
    for entry in std::fs::read_dir(PLACE.get_or_init(|| "/dev/shm".into()))? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix("a0-benches-")) else { continue };
        let Some((process, _)) = rest.split_once('-') else { continue };
        if process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists() {
            // Others may sweep as well.
            let _ = std::fs::remove_dir_all(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
        }
    }
    Ok(())
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

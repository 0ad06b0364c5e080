//! Where things are.

use std::path::{Path, PathBuf};

use a0_std::Protocol;

/// A topic's file.
pub(crate) fn file(dir: &Path, topic: &str, protocol: Protocol) -> PathBuf {
    dir.join(format!("{topic}.{}.a0", protocol.name()))
}

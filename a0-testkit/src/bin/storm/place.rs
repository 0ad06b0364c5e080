//! Where things are.

use std::io;
use std::path::{Path, PathBuf};

use a0_std::Protocol;

/// A topic's file.
pub(crate) fn file(dir: &Path, topic: &str, protocol: Protocol) -> PathBuf {
    dir.join(format!("{topic}.{}.a0", protocol.name()))
}

/// All files of a topic.
pub(crate) fn files(dir: &Path, topic: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths = vec![];
    for entry in dir.read_dir()? {
        let name = entry?.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(topic)?.strip_suffix(".a0"));
        if rest.is_some_and(|rest| rest.starts_with('.')) {
            paths.push(dir.join(name));
        }
    }
    Ok(paths)
}

//! Recordings that consist of several files: when a new one is started, and what they are called.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::end::End;

/// When a recording starts a new file. Never, by default: then there is one, with the name as it was given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Split {
    /// Start a new file once the current one has reached this many bytes.
    pub(crate) size: Option<u64>,
    /// Start a new file once the current one is this old.
    pub(crate) time: Option<Duration>,
}

impl Split {
    fn is_asked_for(self) -> bool {
        self.size.is_some() || self.time.is_some()
    }

    pub(super) fn is_large(self, bytes: u64) -> bool {
        self.size.is_some_and(|size| bytes >= size)
    }

    pub(super) fn is_old(self, age: Duration) -> bool {
        self.time.is_some_and(|time| age >= time)
    }

    /// Returns the path of a file of this recording, counted from 0.
    pub(super) fn path(self, base: &Path, number: u32) -> PathBuf {
        if self.is_asked_for() { numbered(base, number) } else { base.to_owned() }
    }

    /// Returns a file, the first of several, whose name this recording would use, perhaps not before long.
    pub(super) fn earlier_part(self, base: &Path) -> Option<PathBuf> {
        if !self.is_asked_for() {
            return None;
        }
        let dir = base.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let parts = std::fs::read_dir(dir).ok()?.flatten().map(|entry| base.with_file_name(entry.file_name()));
        parts.filter(|path| is_part(path, base)).min()
    }
}

pub(super) fn exists(path: &Path) -> End {
    End::failed(format_args!("{} exists already; choose another name, or remove it", path.display()))
}

fn is_part(path: &Path, base: &Path) -> bool {
    let stem = if base.extension().is_some() { path.file_stem().map(Path::new) } else { Some(path) };
    let number = stem.and_then(Path::extension).and_then(OsStr::to_str).and_then(|number| number.parse().ok());
    number.is_some_and(|number| numbered(base, number) == path)
}

/// `run.mcap` is `run.0000.mcap`, `run.0001.mcap`, ….
fn numbered(base: &Path, number: u32) -> PathBuf {
    let mut name = base.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number:04}"));
    if let Some(extension) = base.extension() {
        name.push(".");
        name.push(extension);
    }
    base.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts() {
        let name = |base: &str, number| numbered(Path::new(base), number).to_string_lossy().into_owned();
        assert_eq!(
            [name("/x/run.mcap", 0), name("run", 12), name("a.b.mcap", 12345)],
            ["/x/run.0000.mcap", "run.0012", "a.b.12345.mcap"]
        );
        let is = |path: &str, base: &str| is_part(Path::new(path), Path::new(base));
        assert!(is("/x/run.0000.mcap", "/x/run.mcap") && is("run.0012", "run") && is("a.b.12345.mcap", "a.b.mcap"));
        for other in
            ["run.mcap", "run.1.mcap", "run.00000.mcap", "ran.0000.mcap", "run.0000.lz4", "run.0000", "run.x.mcap"]
        {
            assert!(!is(other, "run.mcap"), "{other}");
        }
    }
}

//! Target a discovery looks for, and where it can be.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::glob::{Pattern, resolve};
use crate::templates::Templates;
use crate::topic::Protocol;

/// Target a discovery looks for. Paths are absolute, without `.`, `..` and double slashes.
#[derive(Debug)]
pub(super) struct PathFilter {
    what: Target,
    /// The directories that everything which is wanted is in or below.
    bases: Vec<PathBuf>,
}

#[derive(Debug)]
enum Target {
    Files(Pattern),
    Topics(Templates, Pattern),
}

impl PathFilter {
    pub(super) fn files(pattern: &Path) -> Result<PathFilter> {
        let path = tidy(&resolve(pattern)?)?;
        let pattern = Pattern::of_path(&path);
        let base = Path::new("/").join(OsStr::from_bytes(&pattern.base().join(&b'/')));
        Ok(PathFilter { what: Target::Files(pattern), bases: vec![base] })
    }

    pub(super) fn topics(protocols: &[Protocol], pattern: &str) -> Result<PathFilter> {
        let bad = |reason| Err(Error::BadPattern { pattern: pattern.into(), reason });
        if pattern.is_empty() {
            return bad("it is empty; '**' matches every topic");
        }
        if pattern.starts_with('/') {
            return bad("it starts with '/'; topic names are relative to A0_ROOT");
        }
        let pattern = tidy(Path::new(pattern))?;
        let pattern = Pattern::new(pattern.as_os_str().as_bytes());
        let mut templates = Templates::new(protocols)?;
        let mut bases = vec![];
        for before in templates.befores() {
            *before = tidy(Path::new(&*before))?.to_string_lossy().into_owned();
            // Target stands behind the last slash is the start of a name, and says nothing about directories.
            let (base, name) = before.rsplit_once('/').unwrap_or_default();
            let known = if name.is_empty() { pattern.base().join(&b'/') } else { vec![] };
            bases.push(Path::new("/").join(base).join(OsStr::from_bytes(&known)));
        }
        Ok(PathFilter { what: Target::Topics(templates, pattern), bases })
    }

    /// Whether a file with this path is wanted.
    pub(super) fn file(&self, path: &Path) -> bool {
        if a0_linux::is_temporary(path) {
            return false;
        }
        match &self.what {
            Target::Files(pattern) => pattern.matches_path(path),
            Target::Topics(..) => self.topic(path).is_some(),
        }
    }

    /// The topic of a file; `None` if it is not wanted.
    pub(super) fn topic(&self, path: &Path) -> Option<(Protocol, String)> {
        match &self.what {
            Target::Files(_) => None,
            Target::Topics(templates, pattern) => {
                templates.topic(path).filter(|(_, topic)| pattern.matches(topic.as_bytes()))
            }
        }
    }

    /// Whether something wanted can be in this directory or below it.
    pub(super) fn below(&self, dir: &Path) -> bool {
        let possible = match &self.what {
            Target::Files(pattern) => pattern.matches_below_path(dir),
            Target::Topics(templates, pattern) => templates.can_lie_below(dir, pattern),
        };
        possible || self.is_on_the_way(dir)
    }

    /// Whether a base is this directory or below it. Only there links to directories are followed.
    pub(super) fn is_on_the_way(&self, dir: &Path) -> bool {
        self.bases.iter().any(|base| base.starts_with(dir))
    }

    /// The only entries of a directory that matter, where they are known in advance. Nobody needs to be allowed to list
    /// such a directory.
    pub(super) fn only(&self, dir: &Path) -> Option<Vec<OsString>> {
        if self.bases.iter().any(|base| dir.starts_with(base)) {
            return None;
        }
        let next = |base: &PathBuf| Some(base.strip_prefix(dir).ok()?.components().next()?.as_os_str().to_owned());
        Some(self.bases.iter().filter_map(next).collect())
    }
}

/// A path without `.` and double slashes. A slash at the end stays: it makes a pattern one of directories, which nothing
/// matches.
fn tidy(path: &Path) -> Result<PathBuf> {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                let reason = "it leads through '..'; write where that is instead";
                return Err(Error::BadPattern { pattern: path.to_owned(), reason });
            }
            Component::CurDir => {}
            other => tidy.push(other),
        }
    }
    if path.as_os_str().as_bytes().ends_with(b"/") {
        tidy.push("");
    }
    Ok(tidy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_that_can_match_are_entered() {
        let wanted = PathFilter::files(Path::new("/r/a*/**/b/*.a0")).unwrap();
        for (dir, below) in
            [("/", true), ("/r", true), ("/x", false), ("/r/a1", true), ("/r/b", false), ("/r/a/x/y", true)]
        {
            assert_eq!(wanted.below(Path::new(dir)), below, "{dir}");
        }
        let wanted = PathFilter::files(Path::new("/r/x/*.a0")).unwrap();
        assert!(!wanted.below(Path::new("/r/x/y")) && !wanted.below(Path::new("/r/y")));
        assert_eq!(wanted.only(Path::new("/")), Some(vec!["r".into()]));
        assert_eq!(wanted.only(Path::new("/r")), Some(vec!["x".into()]));
        assert_eq!(wanted.only(Path::new("/r/x")), None);
    }

    #[test]
    fn paths_are_tidied() {
        let tidied = |path: &str| tidy(Path::new(path)).unwrap().into_os_string().into_string().unwrap();
        assert_eq!(tidied("/dev//shm/./a0/"), "/dev/shm/a0/");
        assert_eq!(tidied("./a"), "a");
        assert!(tidy(Path::new("/a/../b")).unwrap_err().to_string().contains(".."));
    }
}

//! Patterns of paths.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::env;
use crate::error::{Error, Result};

/// A pattern of absolute paths.
///
/// A pattern is compared component by component. In a component, `*` stands for any bytes, also for none and for a
/// leading dot, but never for a `/`. A component that is exactly `**` stands for any number of directories, also for
/// none; at the end of a pattern it stands for everything below, however deep. Nothing else is special.
///
/// | pattern | matches | does not match |
/// |---|---|---|
/// | `/s/*/f.a0` | `/s/a/f.a0` | `/s/f.a0`, `/s/a/b/f.a0` |
/// | `/s/**/*.a0` | `/s/f.a0`, `/s/a/b/f.a0` | `/s/f.b0` |
/// | `/s/**/b/*.a0` | `/s/a/b/f.a0` | `/s/a/f.a0` |
/// | `/a/**x/b` | `/a/12x/b` | `/a/1/2x/b` |
/// | `/s/**` | `/s/f`, `/s/a/f` | `/s` |
///
/// In AlephZero 0.3 a `**` at the end is the same as `*`; all other patterns mean the same there.
///
/// ```
/// # unsafe { std::env::remove_var("A0_ROOT") };
/// let cameras = a0_std::PathGlob::new("cam/**/*.pubsub.a0")?;
/// assert!(cameras.matches("/dev/shm/alephzero/cam/front/left.pubsub.a0"));
/// assert!(cameras.matches("cam/rear.pubsub.a0"));
/// assert!(!cameras.matches("/elsewhere/cam/rear.pubsub.a0"));
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PathGlob {
    path: PathBuf,
    pattern: Pattern,
    /// What relative paths are below; there is none if `A0_ROOT` is no absolute path.
    root: Option<PathBuf>,
}

impl PathGlob {
    /// A pattern; a relative one is below [`env::root`], as it is now.
    ///
    /// # Errors
    /// [`Error::BadPattern`] for an empty pattern; [`Error::BadEnv`].
    pub fn new(pattern: impl AsRef<Path>) -> Result<PathGlob> {
        let path = resolve(pattern.as_ref())?;
        Ok(PathGlob { pattern: Pattern::of_path(&path), path, root: env::root().ok() })
    }

    /// Whether the pattern matches this path. A relative one is below the root that was in force when the pattern was
    /// made.
    pub fn matches(&self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        match &self.root {
            _ if path.is_absolute() => self.pattern.matches(relative(path)),
            Some(root) => self.pattern.matches(relative(&root.join(path))),
            None => false,
        }
    }

    /// The pattern as an absolute path.
    pub fn as_path(&self) -> &Path {
        &self.path
    }
}

/// A pattern as an absolute path.
pub(crate) fn resolve(pattern: &Path) -> Result<PathBuf> {
    if pattern.as_os_str().is_empty() {
        return Err(Error::BadPattern { pattern: pattern.into(), reason: "it is empty; '**' matches everything" });
    }
    env::resolve(pattern)
}

/// An absolute path's bytes without the slash that all of them start with.
fn relative(path: &Path) -> &[u8] {
    let bytes = path.as_os_str().as_bytes();
    bytes.strip_prefix(b"/").unwrap_or(bytes)
}

/// A pattern of anything that slashes divide into components.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// One component that is exactly this.
    Verbatim(Vec<u8>),
    /// One component that is like this.
    Wildcard(Vec<u8>),
    /// Any number of components; never the last step.
    Recursive,
}

impl Pattern {
    /// The pattern without the slash at its start, if it has one.
    pub(crate) fn new(pattern: &[u8]) -> Pattern {
        let step = |component: &[u8]| match component {
            b"**" => Step::Recursive,
            _ if component.contains(&b'*') => Step::Wildcard(component.into()),
            _ => Step::Verbatim(component.into()),
        };
        let mut steps: Vec<_> = pattern.split(|byte| *byte == b'/').map(step).collect();
        if steps.last() == Some(&Step::Recursive) {
            steps.push(Step::Wildcard(b"*".into()));
        }
        Pattern { steps }
    }

    /// The pattern of an absolute path.
    pub(crate) fn of_path(path: &Path) -> Pattern {
        Pattern::new(relative(path))
    }

    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.positions(text)[self.steps.len()]
    }

    pub(crate) fn matches_path(&self, path: &Path) -> bool {
        self.matches(relative(path))
    }

    /// Whether something that starts with these components, and has at least one more, could match.
    pub(crate) fn matches_below(&self, text: &[u8]) -> bool {
        self.positions(text)[..self.steps.len()].contains(&true)
    }

    pub(crate) fn matches_below_path(&self, dir: &Path) -> bool {
        let bytes = relative(dir);
        if bytes.is_empty() { true } else { self.matches_below(bytes) }
    }

    /// The directory that everything which matches is in or below, as far as it is known in advance.
    pub(crate) fn base(&self) -> Vec<&[u8]> {
        let directories = &self.steps[..self.steps.len() - 1];
        let verbatim = directories.iter().map_while(|step| match step {
            Step::Verbatim(name) => Some(name.as_slice()),
            _ => None,
        });
        verbatim.collect()
    }

    /// Which numbers of steps can have been taken after all components. Follows all of them at the same time, so that
    /// no pattern makes it take longer than steps times components.
    fn positions(&self, text: &[u8]) -> Vec<bool> {
        let mut now = vec![false; self.steps.len() + 1];
        now[0] = true;
        self.pass_recursive(&mut now);
        for component in text.split(|byte| *byte == b'/') {
            let mut next = vec![false; self.steps.len() + 1];
            for (at, step) in self.steps.iter().enumerate().filter(|(at, _)| now[*at]) {
                match step {
                    Step::Recursive => next[at] = true,
                    Step::Verbatim(name) => next[at + 1] |= name == component,
                    Step::Wildcard(pattern) => next[at + 1] |= is_like(component, pattern),
                }
            }
            self.pass_recursive(&mut next);
            now = next;
        }
        now
    }

    /// A recursive step may stand for nothing.
    fn pass_recursive(&self, positions: &mut [bool]) {
        for (at, _) in self.steps.iter().enumerate().filter(|(_, step)| **step == Step::Recursive) {
            positions[at + 1] |= positions[at];
        }
    }
}

/// Whether a name is like a pattern with stars. When the rest does not fit, only the last star has to stand for more,
/// so it takes no longer than one length times the other.
fn is_like(name: &[u8], pattern: &[u8]) -> bool {
    let (mut n, mut p) = (0, 0);
    let mut star = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            (n, p) = (n + 1, p + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (n, p) = (taken + 1, at + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(path: &str) -> String {
        let kind = |step: &Step| match step {
            Step::Verbatim(_) => 'v',
            Step::Wildcard(_) => 'w',
            Step::Recursive => 'r',
        };
        Pattern::of_path(Path::new(path)).steps.iter().map(kind).collect()
    }

    #[test]
    fn components() {
        assert_eq!(steps("/dev/shm/**/abc*def/*.a0"), "vvrww");
        assert_eq!(steps("/dev/shm/"), "vvv");
        assert_eq!(steps("/dev/**x/***/**"), "vwwrw");
        assert_eq!(Pattern::of_path(Path::new("/dev/shm/")).steps[2], Step::Verbatim(vec![]));
    }

    #[test]
    fn base() {
        let base = |path: &str| {
            let pattern = Pattern::of_path(Path::new(path));
            String::from_utf8(pattern.base().join(&b'/')).unwrap()
        };
        assert_eq!(base("/a/b/*.a0"), "a/b");
        assert_eq!(base("/a/*/b/c"), "a");
        assert_eq!(base("/a/b/c"), "a/b");
        assert_eq!(base("/**"), "");
    }

    #[test]
    fn hostile_patterns_end() {
        let path = format!("/{}", "a/".repeat(2000));
        let pattern = Pattern::of_path(Path::new(&format!("/{}b", "**/*/".repeat(200))));
        assert!(!pattern.matches_path(Path::new(&path)));
        let pattern = Pattern::of_path(Path::new(&format!("/{}b", "*a".repeat(1000))));
        assert!(!pattern.matches_path(Path::new(&format!("/{}", "a".repeat(4000)))));
    }

    /// The rules, word by word, trying everything.
    fn naive(pattern: &[&str], text: &[&str]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ["**"] => !text.is_empty(),
            ["**", rest @ ..] => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            [first, rest @ ..] => !text.is_empty() && naive_like(first, text[0]) && naive(rest, &text[1..]),
        }
    }

    fn naive_like(pattern: &str, name: &str) -> bool {
        match pattern.strip_prefix('*') {
            Some(rest) => (0..=name.len()).any(|taken| naive_like(rest, &name[taken..])),
            None if pattern.is_empty() => name.is_empty(),
            None => name.starts_with(&pattern[..1]) && naive_like(&pattern[1..], &name[1..]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn as_the_rules_say(pattern in "([ab*]{0,3}|\\*\\*)(/([ab*]{0,3}|\\*\\*)){0,4}", text in "[ab]{0,3}(/[ab]{0,3}){0,4}") {
            let naive = naive(&pattern.split('/').collect::<Vec<_>>(), &text.split('/').collect::<Vec<_>>());
            prop_assert_eq!(Pattern::new(pattern.as_bytes()).matches(text.as_bytes()), naive);
        }

        /// Directories are passed over only if nothing in them could match.
        #[test]
        fn every_directory_of_a_match_is_entered(pattern in "([ab*]{0,2}|\\*\\*)(/([ab*]{0,2}|\\*\\*)){0,4}", text in "[ab]{1,2}(/[ab]{1,2}){0,4}") {
            let compiled = Pattern::new(pattern.as_bytes());
            if compiled.matches(text.as_bytes()) {
                for (slash, _) in text.match_indices('/') {
                    prop_assert!(compiled.matches_below(&text.as_bytes()[..slash]));
                }
            }
        }
    }
}

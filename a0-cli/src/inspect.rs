//! Looking at a topic file without changing it.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use a0_core::State;
use a0_core::layout::MAGIC;
use a0_std::{Deadman, Error, File, FileError, FileOptions, Mode};

/// A file and what can be said about it.
#[derive(Debug)]
pub(crate) enum Condition {
    /// A topic; so far.
    Topic(Box<File>),
    /// No messages, but a deadman.
    Deadman(Box<Deadman>),
    /// A file that no program has opened for writing yet.
    New {
        /// Bytes of the file.
        size: u64,
    },
}

/// Opens a file for reading only. Never creates or changes it.
pub(crate) fn open(path: &Path) -> Result<Condition, Error> {
    let options = FileOptions::default().access(Mode::ReadOnly);
    match File::open(path, &options) {
        Ok(file) => Ok(Condition::Topic(Box::new(file))),
        Err(Error::Topic { cause: a0_std::TopicError::Uninitialized, .. }) if !is_version_0_2(path) => {
            Ok(Condition::New { size: std::fs::metadata(path).map_or(0, |metadata| metadata.len()) })
        }
        // What is too small for a topic may be a deadman, unless it is what is left of a topic.
        Err(error @ Error::File(FileError::TooSmall { .. })) => match Deadman::open(path, options) {
            Ok(deadman) if !starts_with(path, MAGIC) => Ok(Condition::Deadman(Box::new(deadman))),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// AlephZero 0.2 wrote files that start like this. Opening one for writing converts it.
fn is_version_0_2(path: &Path) -> bool {
    starts_with(path, [1, 1])
}

fn starts_with<const N: usize>(path: &Path, bytes: [u8; N]) -> bool {
    let mut start = [0; N];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == bytes
}

/// Says more than the library does where the file is of version 0.2.
pub(crate) fn reason(path: &Path, error: &Error) -> String {
    match error {
        Error::Topic { cause: a0_std::TopicError::Uninitialized, .. } => format!(
            "{}: a topic of AlephZero 0.2; the first program that opens it for writing converts it",
            path.display()
        ),
        error => error.to_string(),
    }
}

/// What a topic's lock word says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockWord(pub(crate) u32);

impl LockWord {
    /// Thread id of the owner, in the PID namespace of those who lock.
    pub(crate) fn owner(self) -> Option<u32> {
        let owner = self.0 & 0x3FFF_FFFF;
        (owner != 0).then_some(owner)
    }
}

/// Whether a number stands for this process's PID namespace for certain.
pub(crate) fn is_our_namespace(namespace: u32) -> bool {
    namespace != 0 && !is_foreign_namespace(namespace) && Path::new("/proc/self/ns/pid").exists()
}

/// Whether a number stands for a PID namespace that is not this process's, as far as the system tells.
pub(crate) fn is_foreign_namespace(namespace: u32) -> bool {
    let ours = std::fs::metadata("/proc/self/ns/pid").map(|metadata| metadata.ino());
    namespace != 0 && ours.is_ok_and(|ours| ours != u64::from(namespace))
}

/// The numbers of its messages, `first-last`.
pub(crate) fn range(state: &State) -> String {
    if state.is_empty() { "-".to_owned() } else { format!("{}-{}", state.seq_low, state.seq_high) }
}

/// The problems of a topic in one line, or its state.
pub(crate) fn check(file: &File) -> Result<State, String> {
    let mut first = None;
    let verified = file.verify(|problem| {
        first.get_or_insert(problem);
    });
    match (verified, first) {
        (Err(error), _) => Err(error.to_string()),
        (Ok(verified), None) => Ok(verified.state),
        (Ok(verified), Some(problem)) if verified.problems == 1 => Err(problem.to_string()),
        (Ok(verified), Some(problem)) => Err(format!("{problem}; and {} more", verified.problems - 1)),
    }
}

//! One look at a topic: what its header says, and nothing that depends on how many messages there are.

use std::path::Path;

use a0_core::State;
use a0_std::File;

use crate::commands::deadman::{self, process};
use crate::inspect::{self, Condition, is_foreign_namespace};

/// What was seen.
#[derive(Debug)]
pub(super) enum Look {
    Messages(Messages),
    Deadman(deadman::Look),
    /// A file that nobody has written to yet.
    New,
    /// A file that cannot be what its name says, or that this user may not read, and why.
    Damaged(String),
}

/// The header of a topic at some moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Messages {
    pub(super) state: State,
    /// Bytes of the newest message, with id and headers.
    pub(super) latest: Option<u64>,
    /// Bytes that messages can take up.
    pub(super) arena: u64,
    pub(super) owner: Option<Owner>,
    /// Whether somebody has gone to sleep until there is a message.
    pub(super) sleepers: bool,
}

/// Who had the lock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owner {
    pub(super) thread: u32,
    /// The process with that thread, and its name; `None` if it cannot be seen from here.
    pub(super) process: Option<(u32, String)>,
}

impl Look {
    /// Opens the file for reading only, looks, and closes it: thousands of topics need no more than one file at a time,
    /// and no mapping that somebody could truncate meanwhile.
    pub(super) fn at(path: &Path) -> Look {
        match inspect::open(path) {
            Ok(Condition::Topic(file)) => Messages::of(&file).map_or_else(Look::Damaged, Look::Messages),
            Ok(Condition::Deadman(deadman)) => {
                deadman::Look::at(&deadman).map_or_else(|error| Look::Damaged(error.to_string()), Look::Deadman)
            }
            Ok(Condition::New { .. }) => Look::New,
            Err(error) => Look::Damaged(inspect::reason(path, &error)),
        }
    }

    pub(super) fn messages(&self) -> Option<&Messages> {
        match self {
            Look::Messages(messages) => Some(messages),
            _ => None,
        }
    }
}

impl Messages {
    fn of(file: &File) -> Result<Messages, String> {
        let header = file.header();
        let state = file.state().map_err(|error| error.to_string())?;
        let arena = file.arena_size().min(file.size());
        state.check(arena).map_err(|damage| format!("{}: {damage}", file.path().display()))?;
        let foreign = || header.pid_namespace.is_some_and(is_foreign_namespace);
        let owner = |thread| Owner { thread, process: if foreign() { None } else { process(thread) } };
        Ok(Messages {
            state,
            // Gone again, if that fails.
            latest: file.newest_size().ok().flatten(),
            arena,
            owner: header.lock_owner.map(owner),
            sleepers: header.has_sleepers,
        })
    }
}

//! What a deadman looks like, in words and in JSON.

use std::fmt::{self, Display};
use std::fs;

use a0_std::{Deadman, DeadmanLayout, DeadmanState, Error};
use serde_json::{Map, Value, json};

use crate::console::Escaped;

/// A deadman at some moment, and its owner.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) state: DeadmanState,
    pub(crate) layout: DeadmanLayout,
    /// The process with the owner's thread and its name. `None` if there is no such thread, as far as this user may
    /// know, or it is one of another PID namespace.
    pub(crate) process: Option<(u32, String)>,
}

impl Look {
    pub(crate) fn at(deadman: &Deadman) -> Result<Look, Error> {
        let state = deadman.state()?;
        let here = state.owner.filter(|_| state.other_namespace.is_none());
        let process = here.and_then(process);
        Ok(Look { state, layout: deadman.layout(), process })
    }

    /// Whether the one that has it exists, as far as that can be seen from here.
    pub(crate) fn is_sound(&self) -> bool {
        self.state.owner.is_none() || self.process.is_some() || self.state.other_namespace.is_some()
    }

    /// Adds the facts, by name.
    pub(crate) fn describe(&self, facts: &mut Map<String, Value>) {
        let mut fact = |key: &str, value: Value| facts.insert(key.to_owned(), value);
        fact("size", json!(self.layout.size()));
        fact("taken", json!(self.state.taken));
        fact("owner", json!(self.state.owner));
        fact("pid", json!(self.process.as_ref().map(|(pid, _)| pid)));
        fact("program", json!(self.process.as_ref().map(|(_, name)| name)));
        fact("other_namespace", json!(self.state.other_namespace));
        fact("owner_died", json!(self.state.owner_died));
        fact("token", json!(self.state.token));
    }
}

impl Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.state.owner, &self.process) {
            (Some(_), Some((pid, name))) => write!(f, "taken by process {pid} ({})", Escaped(name)),
            (Some(owner), None) => match self.state.other_namespace {
                Some(other) => write!(f, "taken by thread {owner} of PID namespace {other}"),
                None => write!(f, "taken by thread {owner}, which does not exist here"),
            },
            _ if self.state.owner_died => write!(f, "free, the last owner died"),
            _ if self.state.token == 0 => write!(f, "free, never taken"),
            _ => write!(f, "free"),
        }
    }
}

/// The process that a thread belongs to, and its name.
pub(crate) fn process(thread: u32) -> Option<(u32, String)> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let pid = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()?;
    // Of the process: the thread may have a name of its own.
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some((pid, name.trim_end().to_owned()))
}

//! The client's side of liveness: whether the server that was there when a call was sent still is.
//!
//! A server of this library holds a deadman beside its topic. A client never creates it: other servers have none, and
//! then only timeouts count.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::deadman::Deadman;
use crate::exchange::dialect::Dialect;

/// Between two looks while a call waits.
pub(crate) const PATROL: Duration = Duration::from_millis(10);

/// How long a server that takes another one's place has for calls that it may know, too.
const GRACE: Duration = Duration::from_millis(50);

/// Between two searches for a deadman that is not there.
const SEARCH: Duration = Duration::from_millis(50);

/// Finds the servers of a topic.
#[derive(Debug)]
pub(crate) struct Liveness {
    name: String,
    deadman: OnceLock<Deadman>,
    next_search: Mutex<Instant>,
}

/// The server that a call depends on.
#[derive(Debug)]
pub(crate) struct Noted {
    /// Its token; that of the last one before, if none has been `present` yet; `None` if that was not to be known.
    token: Option<u64>,
    present: bool,
    /// Since when another one is seen in its place.
    replaced: Option<Instant>,
}

impl Liveness {
    pub(crate) fn new(dialect: &Dialect, topic: &str) -> Liveness {
        let next_search = Mutex::new(Instant::now());
        Liveness { name: dialect.deadman(topic), deadman: OnceLock::new(), next_search }
    }

    /// Who is there now. No system call, unless there is no deadman yet.
    pub(crate) fn note(&self) -> Noted {
        let seen = self.look();
        Noted { token: seen.map(|(token, _)| token), present: seen.is_some_and(|(_, present)| present), replaced: None }
    }

    /// How many servers there have been, and whether the last one is still there. `None` while that cannot be known:
    /// somebody is just coming or going, or the deadman is searched for again later.
    fn look(&self) -> Option<(u64, bool)> {
        match self.deadman.get() {
            Some(deadman) => deadman.count(),
            None => self.search()?.map_or(Some((0, false)), Deadman::count),
        }
    }

    /// The deadman, if there is one; the outer `None` if that cannot be known.
    #[cold]
    fn search(&self) -> Option<Option<&Deadman>> {
        // Whoever searches does so for all, but nobody may take a deadman that is just being found for none.
        let mut next = self.next_search.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.deadman.get() {
            return Some(Some(found));
        }
        let now = Instant::now();
        if now < *next {
            return None;
        }
        *next = now + SEARCH;
        let found = Deadman::open_existing(&self.name).ok()?;
        Some(found.map(|found| self.deadman.get_or_init(|| found)))
    }
}

impl Noted {
    /// Whether the call can no longer be answered by the server that was there first. What is in the topic must be read
    /// after this was asked: the server may have answered with its last breath.
    pub(crate) fn is_gone(&mut self, liveness: &Liveness, now: Instant) -> bool {
        // Who is just coming or going is not the one that was there.
        let Some((token, present)) = liveness.look() else { return self.present };
        if !self.present {
            match self.token {
                Some(before) if token == before => return false,
                // The first one since then, which may have taken the call. It need not be the one that is there now: it may
                // have gone between two looks.
                Some(before) => self.token = Some(before.wrapping_add(1)),
                None if present => self.token = Some(token),
                None => return token > 0,
            }
            self.present = true;
        }
        if !present || self.token == Some(token) {
            return !present;
        }
        now.saturating_duration_since(*self.replaced.get_or_insert(now)) >= GRACE
    }
}

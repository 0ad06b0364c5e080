//! The client's side of liveness: whether the server that was there when a call was sent still is.
//!
//! A server of this library holds a deadman beside its topic. A client never creates it: other servers have none, and
//! then only timeouts count.

use std::sync::{Mutex, OnceLock};
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
#[derive(Debug, Default)]
pub(crate) struct Noted {
    token: Option<u64>,
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
        Noted { token: self.token(), replaced: None }
    }

    fn token(&self) -> Option<u64> {
        let deadman = self.deadman.get().or_else(|| self.search())?;
        deadman.state().ok().filter(|state| state.taken).map(|state| state.token)
    }

    #[cold]
    fn search(&self) -> Option<&Deadman> {
        // Whoever is searching already does so for all.
        let mut next = self.next_search.try_lock().ok()?;
        let now = Instant::now();
        if now < *next {
            return None;
        }
        *next = now + SEARCH;
        // One that cannot be opened is as good as none.
        let found = Deadman::open_existing(&self.name).ok().flatten()?;
        Some(self.deadman.get_or_init(|| found))
    }
}

impl Noted {
    /// Whether the call can no longer be answered by the server that was there first. What is in the topic must be read
    /// after this was asked: the server may have answered with its last breath.
    pub(crate) fn is_gone(&mut self, liveness: &Liveness, now: Instant) -> bool {
        match (self.token, liveness.token()) {
            // It may be one that takes old requests, too.
            (None, current) => {
                self.token = current;
                false
            }
            (Some(_), None) => true,
            (Some(noted), Some(current)) if noted == current => false,
            (Some(_), Some(_)) => now.saturating_duration_since(*self.replaced.get_or_insert(now)) >= GRACE,
        }
    }
}

//! The client's side of liveness: whether the server that was there when a call was sent still is.
//!
//! A server of this library holds a deadman beside its topic. A client never creates it: other servers have none, and
//! then only timeouts count. If its file is removed, the server takes it in a new one before it lets go of the old one, so
//! whoever finds the old one free looks into the new one.
//!
//! Another server may have the call, too, and takes the deadman when the first one is gone. So a call is over when the server
//! that it depends on is gone *and* nobody who may have it has left a [mark](crate::exchange::server_marks) with the topic.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use a0_linux::PerProcess;

use crate::deadman::Deadman;
use crate::exchange::dialect::Dialect;
use crate::exchange::server_marks::SentCall;

/// Between two looks while a call waits.
pub(crate) const LIVENESS_CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// How long a server that stands by has for taking the place of one that is gone. Where nobody does, although somebody has left a
/// mark, that is a forked child.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two searches for a deadman that is not there.
const SEARCH_INTERVAL: Duration = Duration::from_millis(50);

/// Finds the servers of a topic.
#[derive(Debug)]
pub(crate) struct ServerWatch {
    name: String,
    /// A forked child searches for itself.
    search: PerProcess<Mutex<Search>>,
}

#[derive(Debug, Default)]
struct Search {
    found: Option<Arc<Deadman>>,
    /// When to search again.
    next: Option<Instant>,
}

/// The server that a call depends on.
#[derive(Debug)]
pub(crate) struct WatchedServer {
    /// Where it was seen, if there was a deadman.
    deadman: Option<Arc<Deadman>>,
    seen: Seen,
    /// Since when nobody is seen in its place.
    alone: Option<Instant>,
}

/// What the client knows of that server. A token counts how often the deadman was taken.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// Nothing: the deadman was just changing hands, or could not be searched for.
    Unknown,
    /// There was none yet. The last one before had this token; 0 if there never was one.
    Absent { last_token: u64 },
    /// It holds, or held, the deadman with this token.
    Present { token: u64 },
}

/// What became of the server that a call depends on.
enum Fate {
    /// It is there, as far as one can tell, or none has come yet.
    There,
    /// Another one is in its place, or just coming or going.
    Replaced,
    /// Nobody is in its place.
    Left,
}

/// What there is to know of the servers of a topic.
enum Sight {
    /// How many there have been in this file, and whether the last one is still there; of no file, none.
    Known { deadman: Option<Arc<Deadman>>, token: u64, present: bool },
    /// Somebody is just coming or going.
    Between,
    /// The deadman is searched for again later.
    Unknown,
}

impl ServerWatch {
    pub(crate) fn new(dialect: &Dialect, topic: &str) -> ServerWatch {
        ServerWatch { name: dialect.deadman(topic), search: PerProcess::new() }
    }

    /// Who is there now. No system call, unless there is no server.
    pub(crate) fn current(&self) -> WatchedServer {
        let (deadman, seen) = match self.look() {
            Sight::Known { deadman, token, present: true } => (deadman, Seen::Present { token }),
            Sight::Known { deadman, token, present: false } => (deadman, Seen::Absent { last_token: token }),
            Sight::Between | Sight::Unknown => (None, Seen::Unknown),
        };
        WatchedServer { deadman, seen, alone: None }
    }

    fn look(&self) -> Sight {
        // Whoever searches does so for all, but nobody may take a deadman that is just being found for none.
        let mut search = self.search.get().lock().unwrap_or_else(PoisonError::into_inner);
        if search.found.as_ref().is_some_and(|found| found.is_left()) {
            *search = Search::default();
        }
        if search.found.is_none() {
            let now = Instant::now();
            if search.next.is_some_and(|next| now < next) {
                return Sight::Unknown;
            }
            search.next = Some(now + SEARCH_INTERVAL);
            match Deadman::open_existing(&self.name) {
                Ok(Some(found)) => search.found = Some(Arc::new(found)),
                Ok(None) => return Sight::Known { deadman: None, token: 0, present: false },
                Err(_) => return Sight::Unknown,
            }
        }
        Sight::of(search.found.clone())
    }
}

impl Sight {
    fn of(deadman: Option<Arc<Deadman>>) -> Sight {
        match deadman.as_ref().map_or(Some((0, false)), |deadman| deadman.count()) {
            Some((token, present)) => Sight::Known { deadman, token, present },
            None => Sight::Between,
        }
    }
}

impl WatchedServer {
    /// Whether no server is left that may answer the call, although there was one. What is in the topic must be read after this
    /// was asked: the server may have answered with its last breath.
    pub(crate) fn is_gone(&mut self, server_watch: &ServerWatch, call: &SentCall<'_>, now: Instant) -> bool {
        let late = match self.fate(server_watch) {
            Fate::There => {
                self.alone = None;
                return false;
            }
            Fate::Replaced => {
                self.alone = None;
                false
            }
            Fate::Left => now.saturating_duration_since(*self.alone.get_or_insert(now)) >= TAKEOVER_TIMEOUT,
        };
        !call.may_be_with_others() && (late || !call.is_known())
    }

    fn fate(&mut self, server_watch: &ServerWatch) -> Fate {
        let present_or_left = |present| if present { Fate::There } else { Fate::Left };
        let was_present = matches!(self.seen, Seen::Present { .. });
        let sight = match &self.deadman {
            // A server that has died there has not gone elsewhere.
            Some(deadman) if !deadman.is_left() || (was_present && deadman.has_died()) => {
                Sight::of(self.deadman.clone())
            }
            _ => server_watch.look(),
        };
        let (deadman, token, present) = match sight {
            Sight::Known { deadman, token, present } => (deadman, token, present),
            // Not the one that was there.
            Sight::Between if was_present => return Fate::Replaced,
            Sight::Between | Sight::Unknown => return Fate::There,
        };
        let moved = match (&self.deadman, &deadman) {
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            _ => false,
        };
        self.deadman = deadman;
        if moved {
            if was_present {
                // In the new file it has another token.
                self.seen = Seen::Present { token };
                return present_or_left(present);
            }
            // None was there before; of those that have been here, the first may have taken the call.
            self.seen = Seen::Absent { last_token: 0 };
        }
        let ours = match self.seen {
            Seen::Present { token } => token,
            Seen::Absent { last_token } if token == last_token => return Fate::There,
            // The first one since then, which may have taken the call. It need not be the one that is there now: it may
            // have gone between two looks.
            Seen::Absent { last_token } => last_token.wrapping_add(1),
            Seen::Unknown if present => token,
            Seen::Unknown if token == 0 => return Fate::There,
            Seen::Unknown => return Fate::Left,
        };
        self.seen = Seen::Present { token: ours };
        if present && ours != token { Fate::Replaced } else { present_or_left(present) }
    }
}

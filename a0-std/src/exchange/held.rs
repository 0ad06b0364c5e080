//! The server's side of liveness: it holds a deadman beside its topic.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::deadman::Deadman;
use crate::error::{Error, Result};
use crate::exchange::dialect::Dialect;

/// Held from before the server reads until it, and every call that it has handed out, is gone. A second server on the topic
/// stands by and takes over.
#[derive(Debug)]
pub(crate) struct Held {
    deadman: Arc<Deadman>,
    /// The thread that waits for the other server to go.
    stand_by: Option<JoinHandle<()>>,
}

impl Held {
    pub(crate) fn new(dialect: &Dialect, topic: &str) -> Result<Held> {
        let deadman = Arc::new(Deadman::new(&dialect.deadman(topic))?);
        let stand_by = match deadman.try_take()? {
            Some(_) => None,
            None => {
                let waiting = Arc::clone(&deadman);
                // It ends when it has it, or is interrupted.
                let wait = move || drop(waiting.take(None));
                let thread = thread::Builder::new().name("a0-stand-by".to_owned()).spawn(wait);
                Some(thread.map_err(|source| Error::Thread { path: deadman.path().to_owned(), source })?)
            }
        };
        Ok(Held { deadman, stand_by })
    }

    /// Whether this server is the one that clients watch.
    pub(crate) fn is_first(&self) -> bool {
        self.deadman.state().is_ok_and(|state| state.is_owner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(stand_by) = self.stand_by.take() {
            // It was handed requests, too. If the other server has just gone, clients must see that this one does, even if
            // its turn has not come yet.
            let _ = self.deadman.try_take();
            self.deadman.interrupter().interrupt();
            // Dropping the handle releases what it has taken, so the thread's must be gone.
            let _ = stand_by.join();
        }
    }
}

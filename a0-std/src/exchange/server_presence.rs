//! The server's side of liveness: it holds a deadman beside its topic.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use a0_linux::FileOptions;

use crate::deadman::Deadman;
use crate::error::{Error, Result};
use crate::exchange::dialect::Dialect;
use crate::fork::Own;

/// When a server that could not go on standing by tries again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// ServerPresence from before the server reads until it, and every call that it has handed out, is gone. A second server on the topic
/// stands by and takes over.
#[derive(Debug)]
pub(crate) struct ServerPresence {
    deadman: Arc<Deadman>,
    /// The thread that waits for the other server to go.
    stand_by: Own<Option<JoinHandle<()>>>,
}

impl ServerPresence {
    /// `topic_file` says who may use the topic, and so who may see its server and stand by.
    pub(crate) fn new(dialect: &Dialect, topic: &str, topic_file: &FileOptions) -> Result<ServerPresence> {
        let file = FileOptions::default().mode(topic_file.mode).dir_mode(topic_file.dir_mode);
        let deadman = Arc::new(Deadman::with_options(&dialect.deadman(topic), file)?);
        let stand_by = match deadman.try_take()? {
            Some(_) => None,
            None => {
                let (waiting, interrupter) = (Arc::clone(&deadman), deadman.interrupter());
                // It ends when it has it, or is interrupted. What fails, such as opening a file that takes the place of a
                // removed one, may not fail later.
                let wait = move || {
                    while waiting.take(None).is_err() && !interrupter.is_interrupted() {
                        thread::park_timeout(RETRY_PAUSE);
                    }
                };
                let thread = thread::Builder::new().name("a0-stand-by".to_owned()).spawn(wait);
                Some(thread.map_err(|cause| Error::Thread { path: deadman.path().to_owned(), cause })?)
            }
        };
        Ok(ServerPresence { deadman, stand_by: Own::new(stand_by) })
    }

    /// Whether this server is the one that clients watch.
    pub(crate) fn is_first(&self) -> bool {
        self.deadman.state().is_ok_and(|state| state.is_owner)
    }
}

impl Drop for ServerPresence {
    fn drop(&mut self) {
        // Nothing is to be done in a forked child, where there is no such thread.
        if let Some(stand_by) = self.stand_by.take().flatten() {
            // It was handed requests, too. If the other server has just gone, clients must see that this one does, even if
            // its turn has not come yet.
            let _ = self.deadman.try_take();
            self.deadman.interrupter().interrupt();
            stand_by.thread().unpark();
            // Dropping the handle releases what it has taken, so the thread's must be gone.
            let _ = stand_by.join();
        }
    }
}

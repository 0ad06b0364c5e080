//! The thread that has a deadman. It does nothing else, so that it lives as long as the handle and the process.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};

use a0_core::LockError;
use a0_linux::DeadmanHold;

use crate::deadman::followed_file::FollowedFile;
use crate::deadman::state::Taken;
use crate::file::FILE_CHECK_INTERVAL;

const SERVES: &str = "the thread serves as long as its handle lives";

/// The thread. Dropping this releases the deadman and ends the thread.
#[derive(Debug)]
pub(super) struct Owner {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

enum Request {
    Take(Sender<Result<Option<Taken>, LockError>>),
    Release(Sender<bool>),
    LookAfterTheFile(Sender<()>),
}

impl Owner {
    pub(super) fn start(file: &Arc<FollowedFile>) -> io::Result<Owner> {
        let (requests, queue) = channel();
        let file = Arc::clone(file);
        let thread = Builder::new().name("a0-deadman".to_owned()).spawn(move || serve(&file, &queue))?;
        Ok(Owner { requests: Some(requests), thread: Some(thread) })
    }

    /// Takes the deadman unless somebody else has it.
    pub(super) fn take(&self) -> Result<Option<Taken>, LockError> {
        self.ask(Request::Take)
    }

    /// Releases it; whether there was anything to release.
    pub(super) fn release(&self) -> bool {
        self.ask(Request::Release)
    }

    /// Has the thread take it anew if the file was removed.
    pub(super) fn look_after_the_file(&self) {
        self.ask(Request::LookAfterTheFile);
    }

    fn ask<T>(&self, request: fn(Sender<T>) -> Request) -> T {
        let (reply, answer) = channel();
        self.requests.as_ref().expect(SERVES).send(request(reply)).expect(SERVES);
        answer.recv().expect(SERVES)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(file: &FollowedFile, queue: &Receiver<Request>) {
    let mut hold = None;
    // Taken and not released, although somebody else may have it: whoever was faster in a new file.
    let mut wanted = false;
    loop {
        let request = match wanted {
            true => queue.recv_timeout(FILE_CHECK_INTERVAL),
            false => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        // An answer that nobody waits for is no loss: who asks, waits.
        match request {
            Ok(Request::Take(reply)) => {
                let taken = take(file, &mut hold);
                wanted |= matches!(taken, Ok(Some(_)));
                let _ = reply.send(taken);
            }
            Ok(Request::Release(reply)) => {
                wanted = false;
                let _ = reply.send(release(file, &mut hold));
            }
            Ok(Request::LookAfterTheFile(reply)) => {
                if wanted {
                    look_after_the_file(file, &mut hold);
                }
                let _ = reply.send(());
            }
            Err(RecvTimeoutError::Timeout) => look_after_the_file(file, &mut hold),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    release(file, &mut hold);
}

fn take(file: &FollowedFile, hold: &mut Option<DeadmanHold>) -> Result<Option<Taken>, LockError> {
    if let Some(hold) = hold.as_ref().filter(|hold| hold.is_intact()) {
        return Ok(Some(Taken { token: hold.token(), previous_owner_died: false }));
    }
    release(file, hold);
    *hold = file.file().try_take()?;
    Ok(hold.as_ref().map(|hold| {
        file.set_holder(hold.thread());
        Taken { token: hold.token(), previous_owner_died: hold.previous_owner_died() }
    }))
}

/// Takes it in the file that has the name now, if that is another one.
fn look_after_the_file(followed: &FollowedFile, hold: &mut Option<DeadmanHold>) {
    // What cannot be opened now may be by the next look.
    let _ = followed.follow();
    let file = followed.file();
    if hold.as_ref().is_some_and(|hold| hold.is_of(&file)) {
        return;
    }
    // Before the old one is let go: whoever watches that one finds it here.
    let taken = file.try_take().ok().flatten();
    followed.set_holder(taken.as_ref().map_or(0, DeadmanHold::thread));
    *hold = taken;
}

fn release(file: &FollowedFile, hold: &mut Option<DeadmanHold>) -> bool {
    file.set_holder(0);
    hold.take().is_some_and(|hold| hold.is_intact())
}

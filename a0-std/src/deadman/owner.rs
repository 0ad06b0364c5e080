//! The thread that has a deadman. It does nothing else, so that it lives as long as the handle and the process.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use a0_core::LockError;
use a0_linux::DeadmanHold;

use crate::deadman::{Shared, Taken};

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
}

impl Owner {
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Owner> {
        let (requests, queue) = channel();
        let shared = Arc::clone(shared);
        let thread = Builder::new().name("a0-deadman".to_owned()).spawn(move || serve(&shared, &queue))?;
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

fn serve(shared: &Shared, queue: &Receiver<Request>) {
    let mut hold = None;
    // An answer that nobody waits for is no loss: who asks, waits.
    for request in queue {
        match request {
            Request::Take(reply) => drop(reply.send(take(shared, &mut hold))),
            Request::Release(reply) => drop(reply.send(release(shared, &mut hold))),
        }
    }
    release(shared, &mut hold);
}

fn take(shared: &Shared, hold: &mut Option<DeadmanHold>) -> Result<Option<Taken>, LockError> {
    if let Some(hold) = hold.as_ref().filter(|hold| hold.is_intact()) {
        return Ok(Some(Taken { token: hold.token(), previous_owner_died: false }));
    }
    release(shared, hold);
    *hold = shared.file.try_take()?;
    Ok(hold.as_ref().map(|hold| {
        shared.set_holder(hold.thread());
        Taken { token: hold.token(), previous_owner_died: hold.previous_owner_died() }
    }))
}

fn release(shared: &Shared, hold: &mut Option<DeadmanHold>) -> bool {
    shared.set_holder(0);
    hold.take().is_some_and(|hold| hold.is_intact())
}

//! What a forked child must leave alone: it has only the thread that has forked, and whatever the others had locked stays
//! locked there for ever.

use std::mem;
use std::thread::{self, JoinHandle};

use a0_linux::fork_count;

/// Which process something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// This one.
    pub(crate) fn this() -> Process {
        Process(fork_count())
    }

    pub(crate) fn is_this(self) -> bool {
        self == Process::this()
    }
}

/// Belongs to the process that has made it. A child that was forked from that one can neither reach nor drop it.
#[derive(Debug)]
pub(crate) struct Own<T> {
    process: Process,
    value: Option<T>,
}

impl<T> Own<T> {
    pub(crate) fn new(value: T) -> Own<T> {
        Own { process: Process::this(), value: Some(value) }
    }

    /// `None` in a forked child.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.process.is_this())
    }

    /// `None` in a forked child, and when it was taken before.
    pub(crate) fn take(&mut self) -> Option<T> {
        let value = self.value.take();
        if self.process.is_this() {
            return value;
        }
        mem::forget(value);
        None
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Waits until a thread of this process has ended, unless it is the calling one: dropped from inside its own callback, it
/// ends by itself when the callback returns.
pub(crate) fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() {
        // If it has panicked, that was reported.
        let _ = thread.join();
    }
}

//! Hands the answers of a call from the client's thread to a task.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::Result;
use crate::exchange::waiting::Answer;

/// The task's end.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: Arc<Mutex<Inner>>,
}

/// The thread's end; dropped, nothing more will come.
#[derive(Debug)]
pub(crate) struct Sender {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    answers: VecDeque<Result<Answer>>,
    closed: bool,
    waker: Option<Waker>,
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mailbox {
    pub(crate) fn sender(&self) -> Sender {
        Sender { inner: Arc::clone(&self.inner) }
    }

    /// The next answer; `None` if nothing more will come.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Answer>>> {
        let mut inner = lock(&self.inner);
        if let Some(answer) = inner.answers.pop_front() {
            return Poll::Ready(Some(answer));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        let before = inner.waker.replace(context.waker().clone());
        drop(inner);
        // Wakers run foreign code when they are dropped, too.
        drop(before);
        Poll::Pending
    }

    /// Wakes nobody any more.
    pub(crate) fn leave(&self) {
        let waker = lock(&self.inner).waker.take();
        drop(waker);
    }
}

impl Sender {
    pub(crate) fn send(&self, answer: Result<Answer>) {
        self.change(|inner| inner.answers.push_back(answer));
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = lock(&self.inner);
        change(&mut inner);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.change(|inner| inner.closed = true);
    }
}

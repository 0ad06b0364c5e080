//! Hands the answers of a call from the client's thread to a task.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::Result;
use crate::exchange::call_sender::Answer;

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
    /// Bytes of those.
    size: u64,
    /// Too many were not taken: no more are kept.
    full: bool,
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
            inner.size -= size(&answer);
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
        self.send_at_most(u64::MAX, answer, |_| {});
    }

    /// Keeps no more than so many bytes. Of the answer for which there is no room, `lost` makes what the task gets in its
    /// place, behind the others; then the rest is dropped. Gives whether that is not so.
    pub(crate) fn send_at_most(
        &self,
        limit: u64,
        mut answer: Result<Answer>,
        lost: impl FnOnce(&mut Result<Answer>),
    ) -> bool {
        let mut fits = true;
        self.change(|inner| {
            if inner.full {
                fits = false;
                return;
            }
            fits = inner.size.saturating_add(size(&answer)) <= limit;
            if !fits {
                inner.full = true;
                lost(&mut answer);
            }
            inner.size += size(&answer);
            inner.answers.push_back(answer);
        });
        fits
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

/// Bytes that an answer takes, about.
fn size(answer: &Result<Answer>) -> u64 {
    size_of::<Result<Answer>>() as u64 + answer.as_ref().map_or(0, |(packet, _)| packet.size() as u64)
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.change(|inner| inner.closed = true);
    }
}

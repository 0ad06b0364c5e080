//! Calls as futures and streams.

use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::Duration;

use a0_core::Id;
use futures_core::{FusedStream, Stream};

use crate::error::{Error, Result};
use crate::exchange::call_sender::Answer;
use crate::exchange::client::Client;
use crate::exchange::pending_calls::PendingCalls;
use crate::file::File;
use crate::fork::Own;
use crate::id::random_id;
use crate::packet_buf::PacketBuf;
use crate::prpc::client::{Progress, PrpcClient};
use crate::rpc::client::RpcClient;
use crate::tasks::mailbox::Mailbox;

/// The reply to a request, as a future. Dropped before it is there, it cancels the request.
///
/// It may outlive the client, but gets [`Error::Cancelled`] then.
#[derive(Debug)]
#[must_use = "dropped, it cancels the request"]
pub struct ReplyFuture {
    pending: Pending,
}

/// The answers of a connection, as a stream that ends behind the last one, or behind an error. Dropped before, it
/// cancels the connection.
///
/// Answers that are not taken are kept, up to as many bytes as the topic's file has. If there are more, the connection is
/// cancelled, and the stream ends with [`Error::ReplyLost`] behind those that were kept.
///
/// It may outlive the client, but gets [`Error::Cancelled`] then.
#[derive(Debug)]
#[must_use = "dropped, it cancels the connection"]
pub struct ProgressStream {
    pending: Pending,
}

/// A call that was sent, or could not be.
#[derive(Debug)]
struct Pending {
    id: Id,
    /// Gone when there is nothing left to wait for.
    call: Option<Call>,
}

#[derive(Debug)]
struct Call {
    file: File,
    /// A forked child has not got the thread that fills the mailbox.
    waiting: Own<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    mailbox: Mailbox,
    /// Not kept alive: what waits for answers ends with the client.
    pending_calls: Weak<PendingCalls>,
}

impl RpcClient {
    /// Sends a request; the reply, or what [`RpcClient::call`] fails with, comes as a future, whatever runtime polls it. It is
    /// sent at once, not when the future is polled for the first time. `timeout` needs no timer of a runtime; that it is up
    /// is noticed within 10 ms.
    ///
    /// One thread of the client waits for all of its calls; the first of them starts it.
    ///
    /// ```
    /// use a0_std::{RpcClient, RpcServer};
    /// use std::time::Duration;
    /// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
    /// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
    /// let server = RpcServer::new("echo", |request| drop(request.reply(request.payload())), |_| {})?;
    /// let client = RpcClient::new("echo")?;
    /// let reply = smol::block_on(client.call_async("hello", Duration::from_secs(10)))?;
    /// assert_eq!(reply.payload(), b"hello");
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    pub fn call_async(&self, payload: impl AsRef<[u8]>, timeout: impl Into<Option<Duration>>) -> ReplyFuture {
        self.call_async_with(&[], payload, timeout)
    }

    /// Sends a request with headers; the reply comes as a future.
    pub fn call_async_with(
        &self,
        headers: &[(&str, &str)],
        payload: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> ReplyFuture {
        ReplyFuture { pending: Pending::send(&self.client, headers, payload.as_ref(), timeout.into()) }
    }
}

impl PrpcClient {
    /// Opens a connection; its answers, or what [`PrpcClient::stream`] fails with, come as a stream, whatever runtime polls
    /// it. Each is waited for at most `timeout`. As [`RpcClient::call_async`] otherwise.
    ///
    /// ```
    /// use a0_std::{PrpcClient, PrpcServer};
    /// use smol::stream::StreamExt;
    /// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
    /// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
    /// let server = PrpcServer::new(
    ///     "count",
    ///     |connection| (1..=3).for_each(|n| drop(connection.send(n.to_string(), n == 3))),
    ///     |_| {},
    /// )?;
    /// let client = PrpcClient::new("count")?;
    /// let answers: Vec<_> = smol::block_on(client.stream_async("", None).collect());
    /// assert_eq!(answers.len(), 3);
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    pub fn stream_async(&self, payload: impl AsRef<[u8]>, timeout: impl Into<Option<Duration>>) -> ProgressStream {
        self.stream_async_with(&[], payload, timeout)
    }

    /// Opens a connection with headers; its answers come as a stream.
    pub fn stream_async_with(
        &self,
        headers: &[(&str, &str)],
        payload: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> ProgressStream {
        ProgressStream { pending: Pending::send(&self.client, headers, payload.as_ref(), timeout.into()) }
    }
}

impl ReplyFuture {
    /// Id of the request, by which others can cancel it.
    pub fn id(&self) -> &Id {
        &self.pending.id
    }
}

impl ProgressStream {
    /// Id of the connection, by which others can cancel it.
    pub fn id(&self) -> &Id {
        &self.pending.id
    }
}

impl Future for ReplyFuture {
    type Output = Result<PacketBuf>;

    /// # Panics
    /// If it is polled again after it was ready, as futures may.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<PacketBuf>> {
        self.get_mut().pending.poll(context).map(|result| match result {
            Some(result) => result.map(|(reply, _)| reply),
            None => panic!("a ReplyFuture was polled after it was ready"),
        })
    }
}

impl Stream for ProgressStream {
    type Item = Result<Progress>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Progress>>> {
        let answer = self.get_mut().pending.poll(context);
        answer.map(|answer| answer.map(|result| result.map(|(packet, done)| Progress { packet, done })))
    }
}

impl FusedStream for ProgressStream {
    fn is_terminated(&self) -> bool {
        self.pending.call.is_none()
    }
}

impl Pending {
    fn send(client: &Client, headers: &[(&str, &str)], payload: &[u8], timeout: Option<Duration>) -> Pending {
        let (id, mailbox) = (random_id(), Mailbox::default());
        let sender = mailbox.sender();
        let (pending_calls, file) = (client.pending_calls(), client.shared().file().clone());
        let callback = Box::new(move |answer| {
            let lost = |answer: &mut Result<Answer>| *answer = Err(Error::ReplyLost { path: file.path().to_owned() });
            let kept = sender.send_at_most(file.size(), answer, lost);
            if !kept && let Some(pending_calls) = pending_calls.upgrade() {
                pending_calls.leave(&id);
            }
        });
        if let Err(error) = client.send_soon(id, headers, payload, timeout, callback) {
            mailbox.sender().send(Err(error));
        }
        let file = client.shared().file().clone();
        let waiting = Own::new(Waiting { mailbox, pending_calls: client.pending_calls() });
        Pending { id, call: Some(Call { file, waiting }) }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Answer>>> {
        let Some(call) = &self.call else { return Poll::Ready(None) };
        let answer = match call.waiting.get() {
            Some(waiting) => match waiting.mailbox.poll(context) {
                Poll::Ready(answer) => answer,
                Poll::Pending => return Poll::Pending,
            },
            None => Some(Err(Error::Forked { path: call.file.path().to_owned() })),
        };
        // Without an answer: forgotten by the client, or with it.
        let answer = answer.unwrap_or_else(|| Err(Error::Cancelled { path: call.file.path().to_owned() }));
        if !matches!(answer, Ok((_, false))) {
            self.end();
        }
        Poll::Ready(Some(answer))
    }

    /// Nothing more will come.
    fn end(&mut self) -> Option<Waiting> {
        let waiting = self.call.take()?.waiting.take()?;
        waiting.mailbox.leave();
        Some(waiting)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(pending_calls) = self.end().and_then(|waiting| waiting.pending_calls.upgrade()) {
            pending_calls.leave(&self.id);
        }
    }
}

//! Opening connections.

use std::iter::FusedIterator;
use std::ops::Deref;
use std::time::{Duration, Instant};

use a0_core::Id;

use crate::error::Result;
use crate::exchange::blocking_call::BlockingCall;
use crate::exchange::client::{Client, ClientOptions};
use crate::exchange::dialect::PRPC;
use crate::file::File;
use crate::id::random_id;
use crate::packet_buf::PacketBuf;

/// Opens connections, each of which is answered by any number of packets. Can be shared between threads.
///
/// [`PrpcClient::stream`] iterates over the answers in the calling thread; [`PrpcClient::connect`] calls back. What can go
/// wrong is the same as with an [`RpcClient`](crate::RpcClient).
#[derive(Debug)]
pub struct PrpcClient {
    pub(crate) client: Client,
}

/// One answer of a connection. Dereferences to its packet.
#[derive(Clone, Debug)]
pub struct Progress {
    pub(crate) packet: PacketBuf,
    pub(crate) done: bool,
}

impl Progress {
    /// Whether it is the last one.
    pub fn done(&self) -> bool {
        self.done
    }

    /// The packet.
    pub fn into_packet(self) -> PacketBuf {
        self.packet
    }
}

impl Deref for Progress {
    type Target = PacketBuf;

    fn deref(&self) -> &PacketBuf {
        &self.packet
    }
}

impl PrpcClient {
    /// Opens the topic, creating it with 16 MiB if it does not exist.
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv), or as [`File::open`].
    pub fn new(topic: &str) -> Result<PrpcClient> {
        PrpcClient::with_options(topic, ())
    }

    /// Opens the topic; the options say how it is created if it does not exist, and how answers are waited for.
    ///
    /// # Errors
    /// As [`PrpcClient::new`].
    pub fn with_options(topic: &str, options: impl Into<ClientOptions>) -> Result<PrpcClient> {
        Ok(PrpcClient { client: Client::new(&PRPC, topic, &options.into())? })
    }

    /// Opens a connection and returns; its answers go to the callback, on a thread that the client starts for the
    /// first connection. The last call has a [`Progress`] that is done, or an error.
    ///
    /// The callback runs without any lock held: it may connect, cancel, and drop the client. A client that is dropped
    /// forgets its connections without calling back.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic), [`Error::Thread`](crate::Error::Thread): nothing was sent, and the
    /// callback will not run.
    pub fn connect(
        &self,
        payload: impl AsRef<[u8]>,
        callback: impl FnMut(Result<Progress>) + Send + 'static,
    ) -> Result<Id> {
        self.connect_with(&[], payload, None, callback)
    }

    /// Opens a connection with headers and returns. Each answer is waited for at most `timeout` (a `Duration`, or `None`
    /// for as long as it takes).
    ///
    /// # Errors
    /// As [`PrpcClient::connect`], and [`Error::BadPacket`](crate::Error::BadPacket) for a NUL in a header.
    pub fn connect_with(
        &self,
        headers: &[(&str, &str)],
        payload: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
        mut callback: impl FnMut(Result<Progress>) + Send + 'static,
    ) -> Result<Id> {
        let id = random_id();
        let callback = Box::new(move |result: Result<(PacketBuf, bool)>| {
            callback(result.map(|(packet, done)| Progress { packet, done }));
        });
        self.client.send(id, headers, payload.as_ref(), timeout.into(), callback)?;
        Ok(id)
    }

    /// Opens a connection and iterates over its answers; waits for each at most `timeout` (a `Duration`, or `None` for
    /// as long as it takes). The calling thread itself looks for them.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic): nothing was sent.
    pub fn stream(&self, payload: impl AsRef<[u8]>, timeout: impl Into<Option<Duration>>) -> Result<Progresses<'_>> {
        self.stream_with(&[], payload, timeout)
    }

    /// Opens a connection with headers and iterates over its answers.
    ///
    /// # Errors
    /// As [`PrpcClient::stream`], and [`Error::BadPacket`](crate::Error::BadPacket) for a NUL in a header.
    pub fn stream_with(
        &self,
        headers: &[(&str, &str)],
        payload: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Progresses<'_>> {
        let (id, timeout) = (random_id(), timeout.into());
        let waiting = BlockingCall::open(self.client.shared(), timeout, id, headers, payload.as_ref())?;
        Ok(Progresses { id, waiting: Some(waiting), timeout })
    }

    /// Cancels a connection, whoever has opened it. This is advice: the server hears of it, and may send more all the
    /// same.
    ///
    /// The callback of a connection that this client has opened will not run any more. Whoever else waits for its
    /// answers gets [`Error::Cancelled`](crate::Error::Cancelled).
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic).
    pub fn cancel(&self, id: &Id) -> Result<()> {
        self.client.cancel(id)
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.client.shared().file()
    }
}

/// The answers of a connection: ends behind the last one, or behind an error. Dropped before, it cancels the connection.
///
/// Errors are those of [`RpcClient::call`](crate::RpcClient::call).
#[derive(Debug)]
#[must_use = "dropped, it cancels the connection"]
pub struct Progresses<'c> {
    id: Id,
    /// Gone when there is nothing left to wait for.
    waiting: Option<BlockingCall<'c>>,
    timeout: Option<Duration>,
}

impl Progresses<'_> {
    /// Id of the connection, by which others can cancel it.
    pub fn id(&self) -> &Id {
        &self.id
    }
}

impl Iterator for Progresses<'_> {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Result<Progress>> {
        let result = self.waiting.as_mut()?.next(Instant::now(), self.timeout);
        if !matches!(result, Ok((_, false)))
            && let Some(waiting) = self.waiting.take()
        {
            waiting.close();
        }
        Some(result.map(|(packet, done)| Progress { packet, done }))
    }
}

impl FusedIterator for Progresses<'_> {}

impl Drop for Progresses<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.cancel();
            waiting.close();
        }
    }
}

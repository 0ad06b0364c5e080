//! Sending requests.

use std::time::{Duration, Instant};

use a0_core::Id;

use crate::error::Result;
use crate::exchange::blocking_call::BlockingCall;
use crate::exchange::client::{Client, ClientOptions};
use crate::exchange::dialect::RPC;
use crate::file::File;
use crate::id::random_id;
use crate::packet::Packet;
use crate::packet_buf::PacketBuf;

/// Sends requests. Can be shared between threads; any number of calls may be under way.
///
/// It does not matter who starts first, but a server takes only requests that come after it was made, unless it says
/// otherwise: see [`ServerStart`](crate::ServerStart). If the server that was there when a request was sent dies, and no other
/// one has the request, the call fails with [`Error::ServerGone`](crate::Error::ServerGone) within 100 ms. That holds for servers of
/// this library; where a program of AlephZero 0.3 has used the topic, only the timeout tells.
///
/// ```
/// use a0_std::{Error, RpcClient};
/// use std::time::Duration;
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// let client = RpcClient::new("nobody/serves/this")?;
/// match client.call("hello?", Duration::from_millis(10)) {
///     Ok(reply) => println!("{} bytes", reply.payload().len()),
///     Err(Error::Timeout { .. }) => println!("no reply in time"),
///     Err(other) => return Err(other),
/// }
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct RpcClient {
    pub(crate) client: Client,
}

impl RpcClient {
    /// Opens the topic, creating it with 16 MiB if it does not exist.
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv), or as [`File::open`].
    pub fn new(topic: &str) -> Result<RpcClient> {
        RpcClient::with_options(topic, ())
    }

    /// Opens the topic; the options say how it is created if it does not exist, and how answers are waited for.
    ///
    /// # Errors
    /// As [`RpcClient::new`].
    pub fn with_options(topic: &str, options: impl Into<ClientOptions>) -> Result<RpcClient> {
        Ok(RpcClient { client: Client::new(&RPC, topic, &options.into())? })
    }

    /// Sends a request and waits for the reply, at most `timeout` (a `Duration`, or `None` for as long as it takes).
    /// The calling thread itself looks for the reply. A call that ends for want of a reply is
    /// cancelled, so that the server need not go on.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout): no reply in time.
    /// [`Error::ServerGone`](crate::Error::ServerGone), [`Error::RequestLost`](crate::Error::RequestLost),
    /// [`Error::ReplyLost`](crate::Error::ReplyLost), [`Error::Cancelled`](crate::Error::Cancelled),
    /// [`Error::Remote`](crate::Error::Remote): there is none to be had.
    /// [`Error::Topic`](crate::Error::Topic): the request was not sent, for instance because it is larger than the arena.
    pub fn call(&self, payload: impl AsRef<[u8]>, timeout: impl Into<Option<Duration>>) -> Result<PacketBuf> {
        self.call_with(&[], payload, timeout)
    }

    /// Sends a request with headers and waits for the reply.
    ///
    /// # Errors
    /// As [`RpcClient::call`], and [`Error::BadPacket`](crate::Error::BadPacket) for a NUL in a header.
    pub fn call_with(
        &self,
        headers: &[(&str, &str)],
        payload: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<PacketBuf> {
        self.call_as(random_id(), headers, payload.as_ref(), timeout.into())
    }

    /// Sends a packet as a request and waits for the reply. The packet's id is that of the request, by which others
    /// can cancel it; it must be new.
    ///
    /// # Errors
    /// As [`RpcClient::call_with`].
    pub fn call_packet(&self, packet: &Packet, timeout: impl Into<Option<Duration>>) -> Result<PacketBuf> {
        let headers: Vec<_> = packet.headers().collect();
        self.call_as(*packet.id(), &headers, packet.payload(), timeout.into())
    }

    fn call_as(
        &self,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
        timeout: Option<Duration>,
    ) -> Result<PacketBuf> {
        let started = Instant::now();
        let mut waiting = BlockingCall::open(self.client.shared(), timeout, id, headers, payload)?;
        let result = waiting.next(started, timeout);
        waiting.close();
        result.map(|(reply, _)| reply)
    }

    /// Sends a request and returns; the reply, or what [`RpcClient::call`] would fail with, goes to the callback, on a
    /// thread that the client starts for the first of these calls. Without a timeout it may never come.
    ///
    /// The callback runs without any lock held: it may send, cancel, and drop the client. A client that is dropped
    /// forgets its calls without calling back.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic), [`Error::Thread`](crate::Error::Thread): nothing was sent, and the
    /// callback will not run.
    ///
    /// ```
    /// use a0_std::{RpcClient, RpcServer};
    /// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
    /// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
    /// let server = RpcServer::new("echo", |request| drop(request.reply(request.payload())), |_| {})?;
    /// let client = RpcClient::new("echo")?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let id = client.send("hello", move |reply| drop(tell.send(reply)))?;
    /// let reply = told.recv().unwrap()?;
    /// assert_eq!(reply.header("a0_req_id"), Some(id.as_str()));
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    pub fn send(
        &self,
        payload: impl AsRef<[u8]>,
        callback: impl FnOnce(Result<PacketBuf>) + Send + 'static,
    ) -> Result<Id> {
        self.send_with(&[], payload, None, callback)
    }

    /// Sends a request with headers and a timeout, and returns. That the time is up is noticed within 10 ms.
    ///
    /// # Errors
    /// As [`RpcClient::send`], and [`Error::BadPacket`](crate::Error::BadPacket) for a NUL in a header.
    pub fn send_with(
        &self,
        headers: &[(&str, &str)],
        payload: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
        callback: impl FnOnce(Result<PacketBuf>) + Send + 'static,
    ) -> Result<Id> {
        let id = random_id();
        let mut callback = Some(callback);
        let callback = Box::new(move |result: Result<(PacketBuf, bool)>| {
            if let Some(callback) = callback.take() {
                callback(result.map(|(reply, _)| reply));
            }
        });
        self.client.send(id, headers, payload.as_ref(), timeout.into(), callback)?;
        Ok(id)
    }

    /// Cancels a request, whoever has sent it. This is advice: the server hears of it, and may reply all the same.
    ///
    /// The callback of a request that this client has sent will not run. A [`RpcClient::call`] of any client that waits for the
    /// reply fails with [`Error::Cancelled`](crate::Error::Cancelled), and so does the callback of another client.
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

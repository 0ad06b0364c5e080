//! Answering requests.

use std::ops::Deref;

use a0_core::Id;

use crate::error::Result;
use crate::exchange::dialect::RPC;
use crate::exchange::server::{OpenCall, Server, ServerOptions};
use crate::file::File;
use crate::packet_buf::PacketBuf;

/// Answers the requests of a topic, on a thread of its own, until it is dropped.
///
/// A handler may answer at once, or hand the [`Request`] on and have it answered later, by any thread. A handler that
/// panics fails its request ([`Error::Remote`](crate::Error::Remote) for the client), and the server goes on.
///
/// Several servers may share a topic: each gets every request, and the client takes the first reply. Clients learn at once when
/// the last one that has their request is gone.
///
/// A server that was overtaken by its clients, because the arena is too small for what they have in flight, tells them
/// which requests it has missed ([`Error::RequestLost`](crate::Error::RequestLost)).
///
/// ```
/// use a0_std::{RpcClient, RpcServer};
/// use std::time::Duration;
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// let server = RpcServer::new(
///     "shout",
///     |request| {
///         let text = String::from_utf8_lossy(request.payload()).to_uppercase();
///         if let Err(error) = request.reply(text) {
///             eprintln!("cannot reply: {error}");
///         }
///     },
///     |id| println!("{id} was cancelled"),
/// )?;
/// let reply = RpcClient::new("shout")?.call("hello", Duration::from_secs(10))?;
/// assert_eq!(reply.payload(), b"HELLO");
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "it answers until it is dropped"]
pub struct RpcServer {
    server: Server,
}

impl RpcServer {
    /// Serves the requests that come from now on; creates the topic with 16 MiB if it does not exist.
    ///
    /// `on_cancel` hears of every cancelled request, answered or not.
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv),
    /// [`Error::Thread`](crate::Error::Thread), or as [`File::open`].
    pub fn new(
        topic: &str,
        on_request: impl FnMut(Request) + Send + 'static,
        on_cancel: impl FnMut(Id) + Send + 'static,
    ) -> Result<RpcServer> {
        RpcServer::with_options(topic, (), on_request, on_cancel)
    }

    /// Serves requests; the options say which ones come first, how the next one is waited for, and how the topic is created.
    ///
    /// # Errors
    /// As [`RpcServer::new`].
    pub fn with_options(
        topic: &str,
        options: impl Into<ServerOptions>,
        mut on_request: impl FnMut(Request) + Send + 'static,
        on_cancel: impl FnMut(Id) + Send + 'static,
    ) -> Result<RpcServer> {
        let on_open = move |opened| on_request(Request { opened });
        Ok(RpcServer { server: Server::new(&RPC, topic, &options.into(), on_open, on_cancel)? })
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.server.file()
    }

    /// Stops the thread and waits until the handler has returned for the last time; from inside the handler, it only
    /// sees to it that this was the last call. Dropping does the same. Requests that were handed on can still be
    /// answered; until they are dropped, clients take the server for alive.
    pub fn close(self) {}
}

/// A request to be answered, by any thread, at any time, also after the server was dropped. Dereferences to its packet.
///
/// A request that is dropped is not answered; the client then waits for its timeout.
#[derive(Debug)]
#[must_use = "a request that is dropped is never answered"]
pub struct Request {
    opened: OpenCall,
}

impl Request {
    /// Replies. The client takes the first reply to a request.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic); if the reply is larger than the arena, the client gets
    /// [`Error::Remote`](crate::Error::Remote).
    pub fn reply(&self, payload: impl AsRef<[u8]>) -> Result<()> {
        self.reply_with(&[], payload)
    }

    /// Replies with headers.
    ///
    /// # Errors
    /// As [`Request::reply`], and [`Error::BadPacket`](crate::Error::BadPacket) for a NUL in a header.
    pub fn reply_with(&self, headers: &[(&str, &str)], payload: impl AsRef<[u8]>) -> Result<()> {
        self.opened.answer(true, headers, payload.as_ref())
    }

    /// Says that there will be no reply: [`Error::Remote`](crate::Error::Remote) for the client, an empty reply for
    /// AlephZero 0.3 programs.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic).
    pub fn fail(&self, reason: &str) -> Result<()> {
        self.opened.fail(reason)
    }

    /// Whether the client, or anybody else, has cancelled the request by now. Looks at the topic itself, so it can be asked by
    /// a handler that keeps the server's thread busy. A cancel that was overwritten before anybody looked is not seen.
    pub fn is_cancelled(&self) -> bool {
        self.opened.is_cancelled()
    }
}

impl Deref for Request {
    type Target = PacketBuf;

    fn deref(&self) -> &PacketBuf {
        &self.opened.packet
    }
}

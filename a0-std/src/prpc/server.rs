//! Answering connections.

use std::ops::Deref;

use a0_core::Id;

use crate::error::Result;
use crate::exchange::dialect::PRPC;
use crate::exchange::server::{OpenCall, Server, ServerOptions};
use crate::file::File;
use crate::packet_buf::PacketBuf;

/// Answers connections, each with as many packets as it likes, on a thread of its own, until it is dropped.
///
/// A handler may send everything before it returns, or hand the [`Connection`] on to another thread. All else is as
/// with an [`RpcServer`](crate::RpcServer).
///
/// ```
/// use a0_std::{PrpcClient, PrpcServer};
/// use std::time::Duration;
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// let server = PrpcServer::new(
///     "count",
///     |connection| {
///         for n in 1..=3 {
///             if connection.is_cancelled() || connection.send(n.to_string(), n == 3).is_err() {
///                 return;
///             }
///         }
///     },
///     |id| println!("{id} was cancelled"),
/// )?;
/// let client = PrpcClient::new("count")?;
/// let mut counted = Vec::new();
/// for progress in client.stream("go", Duration::from_secs(10))? {
///     counted.extend_from_slice(progress?.payload());
/// }
/// assert_eq!(counted, b"123");
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "it answers until it is dropped"]
pub struct PrpcServer {
    server: Server,
}

impl PrpcServer {
    /// Serves the connections that come from now on; creates the topic with 16 MiB if it does not exist.
    ///
    /// `on_cancel` hears of every cancelled connection, complete or not.
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv),
    /// [`Error::Thread`](crate::Error::Thread), or as [`File::open`].
    pub fn new(
        topic: &str,
        on_connect: impl FnMut(Connection) + Send + 'static,
        on_cancel: impl FnMut(Id) + Send + 'static,
    ) -> Result<PrpcServer> {
        PrpcServer::with_options(topic, (), on_connect, on_cancel)
    }

    /// Serves connections; the options say which ones come first, how the next one is waited for, and how the topic is
    /// created. A connection that has got anything counts as answered.
    ///
    /// # Errors
    /// As [`PrpcServer::new`].
    pub fn with_options(
        topic: &str,
        options: impl Into<ServerOptions>,
        mut on_connect: impl FnMut(Connection) + Send + 'static,
        on_cancel: impl FnMut(Id) + Send + 'static,
    ) -> Result<PrpcServer> {
        let on_open = move |opened| on_connect(Connection { opened });
        Ok(PrpcServer { server: Server::new(&PRPC, topic, &options.into(), on_open, on_cancel)? })
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.server.file()
    }

    /// See [`RpcServer::close`](crate::RpcServer::close).
    pub fn close(self) {}
}

/// A connection to be answered, by any thread, at any time, also after the server was dropped. Dereferences to the packet that
/// opened it.
#[derive(Debug)]
pub struct Connection {
    opened: OpenCall,
}

impl Connection {
    /// Sends something; `done` if it is the last.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic); if it is larger than the arena, the client gets
    /// [`Error::Remote`](crate::Error::Remote), and the connection is over.
    pub fn send(&self, payload: impl AsRef<[u8]>, done: bool) -> Result<()> {
        self.send_with(&[], payload, done)
    }

    /// Sends something with headers.
    ///
    /// # Errors
    /// As [`Connection::send`], and [`Error::BadPacket`](crate::Error::BadPacket) for a NUL in a header.
    pub fn send_with(&self, headers: &[(&str, &str)], payload: impl AsRef<[u8]>, done: bool) -> Result<()> {
        self.opened.answer(done, headers, payload.as_ref())
    }

    /// Says that nothing more will come: [`Error::Remote`](crate::Error::Remote) for the client, an empty last packet
    /// for AlephZero 0.3 programs.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic).
    pub fn fail(&self, reason: &str) -> Result<()> {
        self.opened.fail(reason)
    }

    /// Whether the client, or anybody else, has cancelled the connection by now: then stop sending. Looks at the topic
    /// itself, so it can be asked by a handler that keeps the server's thread busy. A cancel that was overwritten
    /// before anybody looked is not seen, so ask now and then.
    pub fn is_cancelled(&self) -> bool {
        self.opened.is_cancelled()
    }
}

impl Deref for Connection {
    type Target = PacketBuf;

    fn deref(&self) -> &PacketBuf {
        &self.opened.packet
    }
}

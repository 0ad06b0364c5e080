//! ZeroMQ over its `ipc` transport. PUSH and PULL, as PUB would throw away what it cannot send at once.

use ::zmq::{Context, DONTWAIT, Message, Socket, SocketType};

use super::{Channel, Peer, Receive, Send};
use crate::Result;

pub(crate) enum Zmq {}

thread_local! {
    // Has a thread, so one is enough.
    static CONTEXT: Context = Context::new();
}

impl Peer for Zmq {
    type Sender = Socket;
    type Receiver = Receiver;

    const BACKLOG: u64 = 500;

    fn sender(channel: &Channel) -> Result<Socket> {
        let socket = CONTEXT.with(|context| context.socket(SocketType::PUSH))?;
        socket.set_linger(0)?;
        socket.bind(&address(channel))?;
        Ok(socket)
    }

    fn receiver(channel: &Channel) -> Result<Receiver> {
        let socket = CONTEXT.with(|context| context.socket(SocketType::PULL))?;
        socket.set_linger(0)?;
        // Goes on trying until somebody binds.
        socket.set_reconnect_ivl(1)?;
        socket.connect(&address(channel))?;
        Ok(Receiver { socket, message: Message::new() })
    }
}

fn address(channel: &Channel) -> String {
    format!("ipc://{}", channel.path().display())
}

impl Send for Socket {
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        Ok(Socket::send(self, payload, 0)?)
    }
}

pub(crate) struct Receiver {
    socket: Socket,
    message: Message,
}

impl Receive for Receiver {
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.socket.recv(&mut self.message, DONTWAIT) {
            Ok(()) => {
                show(&self.message)?;
                Ok(true)
            }
            Err(::zmq::Error::EAGAIN | ::zmq::Error::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn wait(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.socket.recv(&mut self.message, 0)?;
        show(&self.message)
    }
}

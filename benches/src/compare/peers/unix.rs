//! Unix sockets.

use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect, listen, recv,
    send, socket_with,
};

use super::{Channel, Peer, Receive, framed};
use crate::Result;
use crate::compare::control::retry;

/// Connects as soon as the other side listens.
fn connected(channel: &Channel, kind: SocketType) -> Result<OwnedFd> {
    let address = SocketAddrUnix::new(channel.path())?;
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    retry(|| connect(&socket, &address))?;
    Ok(socket)
}

/// Takes the first one who connects.
fn accepted(channel: &Channel, kind: SocketType) -> Result<OwnedFd> {
    let listener = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    bind(&listener, &SocketAddrUnix::new(channel.path())?)?;
    listen(&listener, 1)?;
    let socket = accept(&listener)?;
    fcntl_setfl(&socket, if channel.asleep { OFlags::empty() } else { OFlags::NONBLOCK })?;
    Ok(socket)
}

/// A stream: messages behind their length.
pub(crate) enum Stream {}

impl Peer for Stream {
    type Sender = framed::Sender;
    type Receiver = framed::Receiver;

    const BACKLOG: u64 = 200;

    fn sender(channel: &Channel) -> Result<framed::Sender> {
        Ok(framed::Sender(connected(channel, SocketType::STREAM)?))
    }

    fn receiver(channel: &Channel) -> Result<framed::Receiver> {
        Ok(framed::Receiver::new(accepted(channel, SocketType::STREAM)?))
    }
}

/// Sequential packets: the kernel keeps messages apart.
pub(crate) enum SeqPacket {}

impl Peer for SeqPacket {
    type Sender = PacketSender;
    type Receiver = PacketReceiver;

    const BACKLOG: u64 = 200;
    // What fits into the usual send buffer.
    const LARGEST: usize = 64 << 10;

    fn sender(channel: &Channel) -> Result<PacketSender> {
        Ok(PacketSender(connected(channel, SocketType::SEQPACKET)?))
    }

    fn receiver(channel: &Channel) -> Result<PacketReceiver> {
        Ok(PacketReceiver { socket: accepted(channel, SocketType::SEQPACKET)?, buffer: vec![0; channel.size.max(1)] })
    }
}

pub(crate) struct PacketSender(OwnedFd);

impl super::Send for PacketSender {
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        send(&self.0, payload, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

pub(crate) struct PacketReceiver {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Receive for PacketReceiver {
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match recv(&self.socket, &mut self.buffer[..], RecvFlags::empty()) {
            Ok((len, _)) => {
                show(&self.buffer[..len])?;
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn wait(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while !self.poll(&mut show)? {}
        Ok(())
    }
}

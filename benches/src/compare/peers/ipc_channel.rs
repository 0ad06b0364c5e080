//! `ipc-channel`, for bytes.

use std::fs;

use ::ipc_channel::TryRecvError;
use ::ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel};

use super::{Channel, Peer, Receive, Send};
use crate::Result;
use crate::compare::control::retry;

pub(crate) enum IpcChannel {}

impl Peer for IpcChannel {
    type Sender = IpcBytesSender;
    type Receiver = IpcBytesReceiver;

    const BACKLOG: u64 = 200;

    fn sender(channel: &Channel) -> Result<IpcBytesSender> {
        let server = retry(|| fs::read_to_string(channel.path()))?;
        let (sender, receiver) = bytes_channel()?;
        IpcSender::connect(server)?.send(receiver)?;
        Ok(sender)
    }

    fn receiver(channel: &Channel) -> Result<IpcBytesReceiver> {
        let (server, name) = IpcOneShotServer::<IpcBytesReceiver>::new()?;
        // Renamed, so that nobody reads half of it.
        let half = channel.path().with_extension("new");
        fs::write(&half, name)?;
        fs::rename(half, channel.path())?;
        Ok(server.accept()?.1)
    }
}

impl Send for IpcBytesSender {
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        Ok(IpcBytesSender::send(self, payload)?)
    }
}

impl Receive for IpcBytesReceiver {
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.try_recv() {
            Ok(payload) => {
                show(&payload)?;
                Ok(true)
            }
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::IpcError(error)) => Err(error.into()),
        }
    }

    fn wait(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        show(&self.recv()?)
    }
}

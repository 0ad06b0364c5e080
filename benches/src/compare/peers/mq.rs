//! A message queue of POSIX.

use std::path::Path;

use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;

use super::{Channel, Peer, Receive, Send};
use crate::Result;
use crate::compare::control::retry;

/// What every system allows.
const MESSAGES: i64 = 10;

pub(crate) enum Queue {}

impl Peer for Queue {
    type Sender = Sender;
    type Receiver = Receiver;

    const MANY_SENDERS: bool = true;
    const BACKLOG: u64 = MESSAGES as u64;
    // Kept in kernel memory, of which a user gets little.
    const MANY_CHANNELS: bool = false;
    const LARGEST: usize = 8192;

    fn sender(channel: &Channel) -> Result<Sender> {
        let name = name(&channel.dir, &channel.name);
        Ok(Sender(retry(|| mq_open(name.as_str(), MQ_OFlag::O_WRONLY, Mode::empty(), None))?))
    }

    fn receiver(channel: &Channel) -> Result<Receiver> {
        let mut flags = MQ_OFlag::O_RDONLY | MQ_OFlag::O_CREAT;
        if !channel.asleep {
            flags |= MQ_OFlag::O_NONBLOCK;
        }
        let size = channel.size.max(1);
        let attributes = MqAttr::new(0, MESSAGES, size as i64, 0);
        let queue = mq_open(
            name(&channel.dir, &channel.name).as_str(),
            flags,
            Mode::S_IRUSR | Mode::S_IWUSR,
            Some(&attributes),
        )?;
        Ok(Receiver { queue, buffer: vec![0; size] })
    }

    fn clean(dir: &Path) {
        for channel in Channel::NAMES {
            // There is none, most of the time.
            let _ = mq_unlink(name(dir, channel).as_str());
            for index in 0..Channel::COPIES {
                let _ = mq_unlink(format!("{}{index}", name(dir, channel)).as_str());
            }
        }
    }
}

/// Queues have a name space of their own.
fn name(dir: &Path, channel: &str) -> String {
    let dir = dir.file_name().unwrap_or_default().to_string_lossy();
    format!("/{dir}-{channel}")
}

pub(crate) struct Sender(MqdT);

impl Send for Sender {
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        Ok(mq_send(&self.0, payload, 0)?)
    }
}

pub(crate) struct Receiver {
    queue: MqdT,
    buffer: Vec<u8>,
}

impl Receive for Receiver {
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match mq_receive(&self.queue, &mut self.buffer, &mut 0) {
            Ok(len) => {
                show(&self.buffer[..len])?;
                Ok(true)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn wait(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while !self.poll(&mut show)? {}
        Ok(())
    }
}

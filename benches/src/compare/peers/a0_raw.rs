//! AlephZero without packets: a frame holds the payload and nothing else.

use std::time::Duration;

use a0_core::{Cursor, Error, Received, Select};

use super::{Channel, Peer, Receive, Send};
use crate::Result;
use crate::hot::Growing;
use crate::topics::{self, RawTopic};

/// Looks for news between two calls of a polling read.
const LOOKS: u32 = 64;

/// Messages that are taken at a time, at most, and their bytes.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 16 << 10;

/// As readers of `a0-std` do.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

pub(crate) enum Raw {}

impl Peer for Raw {
    type Sender = RawTopic;
    type Receiver = Receiver;

    const MULTICAST: bool = true;
    const MANY_SENDERS: bool = true;
    const OVERWRITES: bool = true;
    const HAS_CALLS: bool = true;
    const COUNTS_LOSSES: bool = true;
    const BACKLOG: u64 = 100_000;

    fn sender(channel: &Channel) -> Result<RawTopic> {
        topics::raw(&channel.path(), channel.arena())
    }

    fn receiver(channel: &Channel) -> Result<Receiver> {
        let topic = topics::raw(&channel.path(), channel.arena())?;
        let cursor = if channel.late { Cursor::oldest(&topic)? } else { Cursor::end(&topic)? };
        Ok(Receiver {
            topic,
            cursor,
            buffer: Growing(vec![0; BATCH_BYTES]),
            batch: [Received::default(); BATCH],
            missed: 0,
        })
    }
}

impl Send for RawTopic {
    #[inline]
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        self.lock(None)?.publish(payload)?;
        Ok(())
    }
}

pub(crate) struct Receiver {
    topic: RawTopic,
    cursor: Cursor,
    buffer: Growing,
    batch: [Received; BATCH],
    missed: u64,
}

impl Receive for Receiver {
    #[inline]
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        if !self.topic.spin_for_news(&self.cursor, LOOKS) {
            return Ok(false);
        }
        let Some(received) = self.topic.read(&mut self.cursor, Select::Next, &mut self.buffer)? else {
            return Ok(false);
        };
        self.missed += received.missed;
        show(&self.buffer.0[..received.len])?;
        Ok(true)
    }

    #[inline]
    fn poll_some(&mut self) -> Result<u64> {
        let count = match self.topic.read_batch(&mut self.cursor, &mut self.buffer.0, &mut self.batch) {
            Err(Error::BufferTooSmall { size }) => {
                self.buffer.0.resize(usize::try_from(size)?, 0);
                return Ok(0);
            }
            count => count?,
        };
        self.missed += self.batch[..count].iter().map(|received| received.missed).sum::<u64>();
        Ok(count as u64)
    }

    fn wait(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while !self.poll(&mut show)? {
            let (topic, cursor) = (&self.topic, &self.cursor);
            topic.sleep(LONGEST_SLEEP, || topic.may_have_news(cursor))?;
        }
        Ok(())
    }

    fn missed(&self) -> u64 {
        self.missed
    }
}

//! AlephZero without packets: a frame holds the payload and nothing else.

use std::time::Duration;

use a0_core::{Cursor, Select};

use super::{Channel, Peer, Receive, Send};
use crate::Result;
use crate::hot::Growing;
use crate::topics::{self, RawTopic};

/// Looks for news between two calls of a polling read.
const LOOKS: u32 = 16;

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
        Ok(Receiver { topic, cursor, buffer: Growing::default(), missed: 0 })
    }
}

impl Send for RawTopic {
    #[inline]
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        self.lock(None)?.push(payload)?;
        Ok(())
    }
}

pub(crate) struct Receiver {
    topic: RawTopic,
    cursor: Cursor,
    buffer: Growing,
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

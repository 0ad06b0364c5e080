//! AlephZero as programs use it: each message is a packet with a new id and the five standard headers.

use a0_std::{Error, File, FileOptions, Init, ReaderOptions, ReaderSync, Wait, Writer};

use super::{Channel, Peer, Receive, SPIN, Send};
use crate::Result;

pub(crate) enum Packets {}

impl Peer for Packets {
    type Sender = Writer;
    type Receiver = Receiver;

    const MULTICAST: bool = true;
    const MANY_SENDERS: bool = true;
    const OVERWRITES: bool = true;
    const HAS_CALLS: bool = true;
    const COUNTS_LOSSES: bool = true;
    const BACKLOG: u64 = 30_000;

    fn sender(channel: &Channel) -> Result<Writer> {
        Ok(Writer::new(&file(channel)?).with_standard_headers())
    }

    fn receiver(channel: &Channel) -> Result<Receiver> {
        let init = if channel.late { Init::Oldest } else { Init::AwaitNew };
        // Looking again and again with `read` would disturb the publisher more than spinning does.
        let wait = if channel.asleep { Wait::default() } else { Wait::Spin };
        let options = ReaderOptions::default().init(init).wait(wait);
        Ok(Receiver { reader: ReaderSync::new(&file(channel)?, options)?, missed: 0 })
    }
}

fn file(channel: &Channel) -> Result<File> {
    Ok(File::open(channel.path(), &FileOptions::default().size(channel.arena()))?)
}

impl Send for Writer {
    #[inline]
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        self.write(payload)?;
        Ok(())
    }
}

pub(crate) struct Receiver {
    reader: ReaderSync,
    missed: u64,
}

impl Receive for Receiver {
    #[inline]
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let message = match self.reader.read_blocking(SPIN) {
            Err(Error::Timeout { .. }) => return Ok(false),
            message => message?,
        };
        self.missed += message.missed();
        show(message.payload())?;
        Ok(true)
    }

    #[inline]
    fn poll_some(&mut self) -> Result<u64> {
        let (missed, mut failed) = (&mut self.missed, None);
        let count = self.reader.read_batch(|message| match message {
            Ok(message) => *missed += message.missed(),
            Err(error) => failed = Some(error),
        })?;
        failed.map_or(Ok(count as u64), |error| Err(error.into()))
    }

    fn wait(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let message = self.reader.read_blocking(None)?;
        self.missed += message.missed();
        show(message.payload())
    }

    fn missed(&self) -> u64 {
        self.missed
    }
}

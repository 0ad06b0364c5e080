//! AlephZero without copying: payloads are written and read in the topic, and only their start is touched.

use a0_std::{Error, File, FileOptions, ReaderOptions, ReaderSync, View, Wait, Writer};

use super::{Channel, LOOKED_AT, Peer, Receive, SPIN, Send};
use crate::Result;

pub(crate) enum Loaning {}

impl Peer for Loaning {
    type Sender = Sender;
    type Receiver = Receiver;

    const MULTICAST: bool = true;

    fn sender(channel: &Channel) -> Result<Sender> {
        Ok(Sender { writer: Writer::new(&file(channel)?).with_standard_headers(), size: channel.size })
    }

    fn receiver(channel: &Channel) -> Result<Receiver> {
        let wait = if channel.asleep { Wait::default() } else { Wait::Spin };
        Ok(Receiver { reader: ReaderSync::new(&file(channel)?, ReaderOptions::default().wait(wait))? })
    }
}

fn file(channel: &Channel) -> Result<File> {
    Ok(File::open(channel.path(), &FileOptions::default().size(channel.arena()))?)
}

pub(crate) struct Sender {
    writer: Writer,
    size: usize,
}

impl Send for Sender {
    #[inline]
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        let mut loan = self.writer.loan(self.size)?;
        loan.write_at(0, &payload[..LOOKED_AT.min(payload.len())]);
        loan.commit();
        Ok(())
    }
}

pub(crate) struct Receiver {
    reader: ReaderSync,
}

/// The start of a payload. The read that gave the view says whether it was still there.
fn start(view: &View<'_>) -> ([u8; LOOKED_AT], usize) {
    let mut start = [0; LOOKED_AT];
    let len = LOOKED_AT.min(view.len());
    let copied = view.copy_to(0, &mut start[..len]);
    (start, copied.map_or(0, |()| len))
}

impl Receive for Receiver {
    #[inline]
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        // Looking again and again with `read_in_place` would disturb the publisher more than spinning does.
        let (start, len) = match self.reader.read_in_place_blocking(SPIN, |view| start(&view)) {
            Err(Error::Timeout { .. }) => return Ok(false),
            start => start?,
        };
        show(&start[..len])?;
        Ok(true)
    }

    fn wait(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let (start, len) = self.reader.read_in_place_blocking(None, |view| start(&view))?;
        show(&start[..len])
    }
}

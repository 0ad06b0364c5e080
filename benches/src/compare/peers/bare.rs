//! What messages through shared memory cost at least: nothing here is locked, evicted or checked.

use std::hint::spin_loop;
use std::sync::atomic::Ordering::{Acquire, Release};

use a0_core::layout::{FRAME_HEADER, Field, WORKSPACE, align16, frame, header, page};
use a0_core::{Mem, RawMem};
use a0_linux::Mapping;

use super::{Channel, Peer, Receive, Send};
use crate::{Result, topics};

/// A count in one line, and the payload in those behind it: two lines for 64 bytes.
pub(crate) enum Two {}

/// What the format of AlephZero needs: a frame in a place of its own, a state page that names it, and the index of that
/// page, stored and loaded in that order. No program can exchange messages of this format faster.
pub(crate) enum Lines {}

/// Where [`Two`] counts.
const COUNT: Field<u64> = Field::at(64);

/// Where its payload begins, at the start of a line.
const DATA: u64 = 128;

fn memory(channel: &Channel) -> Result<RawMem<Mapping>> {
    topics::memory(&channel.path(), channel.arena())
}

fn shown(
    memory: &RawMem<Mapping>,
    at: u64,
    buffer: &mut [u8],
    show: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    memory.read(at, buffer);
    show(buffer)
}

/// One end of a channel.
pub(crate) struct TwoEnd {
    memory: RawMem<Mapping>,
    count: u64,
    buffer: Vec<u8>,
}

impl TwoEnd {
    fn open(channel: &Channel) -> Result<TwoEnd> {
        Ok(TwoEnd { memory: memory(channel)?, count: 0, buffer: vec![0; channel.size] })
    }
}

impl Peer for Two {
    type Sender = TwoEnd;
    type Receiver = TwoEnd;

    fn sender(channel: &Channel) -> Result<TwoEnd> {
        TwoEnd::open(channel)
    }

    fn receiver(channel: &Channel) -> Result<TwoEnd> {
        TwoEnd::open(channel)
    }
}

impl Send for TwoEnd {
    #[inline]
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        self.count += 1;
        self.memory.write(DATA, payload);
        self.memory.store_u64(COUNT, self.count, Release);
        Ok(())
    }
}

impl Receive for TwoEnd {
    #[inline]
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        if self.memory.load_u64(COUNT, Acquire) == self.count {
            spin_loop();
            return Ok(false);
        }
        self.count += 1;
        shown(&self.memory, DATA, &mut self.buffer, &mut show)?;
        Ok(true)
    }

    fn wait(&mut self, _show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        Err("cannot sleep".into())
    }
}

/// One end of a channel.
pub(crate) struct LinesEnd {
    memory: RawMem<Mapping>,
    count: u64,
    /// Bytes from one frame to the next.
    step: u64,
    /// How many frames there are.
    frames: u64,
    buffer: Vec<u8>,
}

impl LinesEnd {
    fn open(channel: &Channel) -> Result<LinesEnd> {
        let step = align16(FRAME_HEADER + channel.size as u64).ok_or("too large")?;
        let frames = channel.arena() / step - 2;
        Ok(LinesEnd { memory: memory(channel)?, count: 0, step, frames, buffer: vec![0; channel.size] })
    }

    fn slot(&self) -> u64 {
        WORKSPACE + self.step * (self.count % self.frames)
    }
}

impl Peer for Lines {
    type Sender = LinesEnd;
    type Receiver = LinesEnd;

    fn sender(channel: &Channel) -> Result<LinesEnd> {
        LinesEnd::open(channel)
    }

    fn receiver(channel: &Channel) -> Result<LinesEnd> {
        LinesEnd::open(channel)
    }
}

impl Send for LinesEnd {
    #[inline]
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        self.count += 1;
        let slot = self.slot();
        self.memory.store_words(frame::seq(slot), [self.count, slot, 0, 0, payload.len() as u64]);
        self.memory.write(slot + FRAME_HEADER, payload);
        self.memory.store_words(page::seq_low(1), [1, self.count, WORKSPACE, slot, WORKSPACE]);
        self.memory.store_u8(header::COMMITTED_PAGE, self.count as u8, Release);
        Ok(())
    }
}

impl Receive for LinesEnd {
    #[inline]
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        if self.memory.load_u8(header::COMMITTED_PAGE, Acquire) == self.count as u8 {
            spin_loop();
            return Ok(false);
        }
        self.count += 1;
        let [_, _, _, slot, _] = self.memory.load_words(page::seq_low(1));
        let [_, _, _, _, len] = self.memory.load_words(frame::seq(slot));
        let len = self.buffer.len().min(len as usize);
        shown(&self.memory, slot + FRAME_HEADER, &mut self.buffer[..len], &mut show)?;
        Ok(true)
    }

    fn wait(&mut self, _show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        Err("cannot sleep".into())
    }
}

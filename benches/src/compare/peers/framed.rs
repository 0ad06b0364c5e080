//! Messages in a stream of bytes: each behind its length.

use std::os::fd::OwnedFd;

use rustix::io::{Errno, IoSlice, read, writev};

use super::{Receive, Send};
use crate::Result;

/// Bytes of a length.
const HEAD: usize = 4;

/// Read at once, at most.
const CHUNK: usize = 256 << 10;

pub(crate) struct Sender(pub(crate) OwnedFd);

impl Send for Sender {
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        let head = (payload.len() as u32).to_ne_bytes();
        let mut sent = 0;
        while sent < HEAD + payload.len() {
            let parts = [IoSlice::new(&head[sent.min(HEAD)..]), IoSlice::new(&payload[sent.saturating_sub(HEAD)..])];
            match writev(&self.0, &parts) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Whether it sleeps in [`Receive::poll`], too, depends on how the file is opened.
pub(crate) struct Receiver {
    fd: OwnedFd,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl Receiver {
    pub(crate) fn new(fd: OwnedFd) -> Receiver {
        Receiver { fd, buffer: vec![0; 2 * CHUNK], from: 0, to: 0 }
    }

    /// The next whole message.
    fn next(&mut self) -> Option<std::ops::Range<usize>> {
        let head = self.buffer[self.from..self.to].first_chunk::<HEAD>()?;
        let start = self.from + HEAD;
        let end = start + u32::from_ne_bytes(*head) as usize;
        (end <= self.to).then(|| {
            self.from = end;
            start..end
        })
    }

    /// Reads what there is.
    fn fill(&mut self) -> Result<bool> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.to + CHUNK > self.buffer.len() && self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.to + CHUNK > self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        match read(&self.fd, &mut self.buffer[self.to..self.to + CHUNK]) {
            Ok(count) => {
                self.to += count;
                Ok(count > 0)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Receive for Receiver {
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        loop {
            if let Some(message) = self.next() {
                show(&self.buffer[message])?;
                return Ok(true);
            }
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    fn wait(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while !self.poll(&mut show)? {}
        Ok(())
    }
}

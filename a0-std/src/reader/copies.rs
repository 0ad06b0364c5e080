//! Where a reader's messages are copied to, and which copy is whose.

use std::ops::Deref;

use a0_core::{Buffer, Cursor, Received};

use crate::error::Error;
use crate::file::File;
use crate::reader::batch::Batch;
use crate::reader::copy_buffer::CopyBuffer;

/// Copies of messages: one alone, or several that were read together.
#[derive(Debug)]
pub(super) struct Copies {
    pub(super) alone: CopyBuffer,
    pub(super) batch: Batch,
}

/// A message that was copied, and where its copy is. Good until the reader copies the next one alone, or the next batch.
#[derive(Debug)]
pub(crate) struct Copied {
    received: Received,
    place: CopyPlace,
}

#[derive(Clone, Copy, Debug)]
enum CopyPlace {
    /// At the start of `Copies::alone`.
    Alone,
    /// In `Copies::batch`, from this byte on.
    Batch(usize),
}

impl Copied {
    #[inline(always)]
    pub(super) fn alone(received: Received) -> Copied {
        Copied { received, place: CopyPlace::Alone }
    }

    #[inline(always)]
    pub(super) fn in_batch((received, start): (Received, usize)) -> Copied {
        Copied { received, place: CopyPlace::Batch(start) }
    }
}

impl Deref for Copied {
    type Target = Received;

    #[inline(always)]
    fn deref(&self) -> &Received {
        &self.received
    }
}

impl Copies {
    pub(super) fn new(cursor: Cursor) -> Copies {
        Copies { alone: CopyBuffer::default(), batch: Batch::new(cursor) }
    }

    /// Returns the bytes of a message, as far as they were copied.
    #[inline(always)]
    pub(super) fn bytes(&self, copied: &Copied) -> &[u8] {
        match copied.place {
            CopyPlace::Alone => self.alone.first(copied.len),
            CopyPlace::Batch(start) => self.batch.bytes(start, copied.len),
        }
    }

    /// Returns a buffer that takes the first `most` bytes of a message that is read alone.
    #[inline(always)]
    pub(super) fn prefix<'b>(&'b mut self, file: &'b File, most: usize) -> Prefix<'b> {
        Prefix { buffer: &mut self.alone, file, most }
    }
}

/// Takes the first bytes of a message.
pub(super) struct Prefix<'b> {
    buffer: &'b mut CopyBuffer,
    file: &'b File,
    most: usize,
}

impl Buffer for Prefix<'_> {
    #[inline]
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        self.room_at(0, len)
    }

    #[inline]
    fn room_at(&mut self, offset: u64, len: usize) -> Option<&mut [u8]> {
        self.buffer.room(self.file, offset, len.min(self.most))
    }

    #[cold]
    fn distrusts(&self) -> Option<&'static str> {
        self.buffer.distrusts()
    }
}

/// Returns why a message could not be copied.
#[cold]
pub(super) fn uncopied(file: &File, cause: a0_core::Error) -> Error {
    match cause {
        a0_core::Error::BufferTooSmall { size } => Error::NoMemory { path: file.path().to_owned(), size },
        cause => file.error(cause),
    }
}

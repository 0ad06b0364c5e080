//! Where messages are copied to: as much memory as the largest one needs, and no more than is behind it.

use a0_core::{Corruption, FrameHeader};
use a0_linux::Filled;

use crate::error::{Error, Result};
use crate::file::File;

/// A buffer that only ever grows to the largest message.
#[derive(Debug, Default)]
pub(crate) struct CopyBuffer {
    bytes: Vec<u8>,
    /// Messages up to this size need no more room, and no look at the file.
    easy: usize,
    filled: Filled,
    /// Whether the last message that got no room is not to be believed.
    distrusted: bool,
}

/// What is wrong with a message that claims more than there is.
const HOLES: &str = "data_size; most of what it covers is a hole in the file";

impl CopyBuffer {
    /// Up to this many bytes of the message that was copied.
    #[inline(always)]
    pub(crate) fn first(&self, len: usize) -> &[u8] {
        &self.bytes[..len.min(self.bytes.len())]
    }

    /// Room for so many bytes of the file from this offset on; `None` if they are not there, or memory is not to be had.
    #[inline(always)]
    pub(crate) fn room(&mut self, file: &File, offset: u64, len: usize) -> Option<&mut [u8]> {
        if len > self.easy {
            self.grow(file, offset, len)?;
        }
        self.bytes.get_mut(..len)
    }

    #[cold]
    fn grow(&mut self, file: &File, offset: u64, len: usize) -> Option<()> {
        self.distrusted = !file.is_there(offset..offset.saturating_add(len as u64), &mut self.filled);
        if self.distrusted {
            return None;
        }
        if let Some(more) = len.checked_sub(self.bytes.len()) {
            self.bytes.try_reserve(more).ok()?;
            self.bytes.resize(len, 0);
        }
        self.easy = self.bytes.len().min(self.filled.unasked());
        Some(())
    }

    /// Why there was no room, if that is because of the message.
    pub(crate) fn distrusts(&self) -> Option<&'static str> {
        self.distrusted.then_some(HOLES)
    }

    /// Room for this frame of the file.
    pub(crate) fn room_for(&mut self, file: &File, frame: &FrameHeader) -> Result<&mut [u8]> {
        let FrameHeader { seq, off: offset, data_size: size, .. } = *frame;
        if let Ok(len) = usize::try_from(size)
            && self.room(file, frame.data(), len).is_some()
        {
            return Ok(&mut self.bytes[..len]);
        }
        Err(match self.distrusts() {
            Some(field) => file.error(Corruption::Frame { seq, offset, field }.into()),
            None => Error::NoMemory { path: file.path().to_owned(), size },
        })
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

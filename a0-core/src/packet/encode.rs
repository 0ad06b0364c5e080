//! Writing packets.

use super::{ENTRY_LEN, MIN_LEN, PacketError, PacketSink, short};
use crate::id::Id;

/// One header to be written: key and value.
type Header<'a> = (&'a str, &'a str);

/// A packet about to be written: its parts, checked and measured.
///
/// The headers are given as blocks, so that standard headers, those of a
/// protocol and a user's need not be copied into one list; they are written
/// block by block in the order given.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'a> {
    id: &'a Id,
    blocks: &'a [&'a [Header<'a>]],
    payload: &'a [u8],
    header_count: usize,
    payload_offset: usize,
    len: usize,
}

impl<'a> Encoder<'a> {
    /// Checks and measures a packet.
    ///
    /// # Errors
    ///
    /// [`PacketError::KeyHasNul`] and [`PacketError::ValueHasNul`] for a
    /// header that could not be read back, [`PacketError::TooLarge`] if the
    /// length exceeds a `usize`.
    #[inline]
    pub fn new(id: &'a Id, blocks: &'a [&'a [Header<'a>]], payload: &'a [u8]) -> Result<Self, PacketError> {
        let mut header_count = 0;
        let mut payload_offset = MIN_LEN;
        // Nested loops: a flattened iterator costs as much as the check itself.
        for block in blocks {
            for (key, value) in *block {
                if short::has_nul(key.as_bytes()) {
                    let index = header_count;
                    return Err(PacketError::KeyHasNul { index });
                }
                if short::has_nul(value.as_bytes()) {
                    let index = header_count;
                    return Err(PacketError::ValueHasNul { index });
                }
                header_count += 1;
                payload_offset = (ENTRY_LEN + 2)
                    .checked_add(key.len())
                    .and_then(|len| len.checked_add(value.len()))
                    .and_then(|len| len.checked_add(payload_offset))
                    .ok_or(PacketError::TooLarge)?;
            }
        }
        let len = payload_offset.checked_add(payload.len()).ok_or(PacketError::TooLarge)?;
        Ok(Self { id, blocks, payload, header_count, payload_offset, len })
    }

    /// Length of the packet in bytes.
    #[inline]
    pub const fn encoded_len(&self) -> usize {
        self.len
    }

    /// Writes the packet to `sink`: the header block in one piece if the sink
    /// lends memory for it, else in short ones; then the payload in one.
    ///
    /// Put a [`Staged`](super::Staged) before a sink that lends none.
    #[inline]
    pub fn write_to(&self, sink: &mut impl PacketSink) {
        match sink.lend(self.payload_offset) {
            Some(head) => self.fill(head),
            None => self.put_pieces(sink),
        }
        sink.put(self.payload);
    }

    /// Writes the packet to the start of `out` and returns its length.
    ///
    /// # Errors
    ///
    /// [`PacketError::BufferTooSmall`] if `out` is shorter than
    /// [`Encoder::encoded_len`]; nothing is written then.
    #[inline]
    pub fn encode_into(&self, out: &mut [u8]) -> Result<usize, PacketError> {
        let (head, payload) = out
            .get_mut(..self.len)
            .and_then(|out| out.split_at_mut_checked(self.payload_offset))
            .ok_or(PacketError::BufferTooSmall { needed: self.len })?;
        self.fill(head);
        payload.copy_from_slice(self.payload);
        Ok(self.len)
    }

    /// Writes all that precedes the payload to `head`, which is as long, in
    /// one pass over the headers.
    fn fill(&self, head: &mut [u8]) {
        let filled = self.try_fill(head);
        debug_assert!(filled.is_some(), "measured by `new`");
    }

    /// [`Encoder::fill`]; `None` if `head` is too short.
    #[inline]
    fn try_fill(&self, head: &mut [u8]) -> Option<()> {
        let (id, rest) = head.split_first_chunk_mut()?;
        let (nul, rest) = rest.split_first_mut()?;
        let (count, rest) = rest.split_first_chunk_mut()?;
        let (table, rest) = rest.split_at_mut_checked(ENTRY_LEN * self.header_count)?;
        let (payload_offset, mut text) = rest.split_first_chunk_mut()?;
        *id = *self.id.as_bytes();
        *nul = 0;
        *count = word(self.header_count);
        *payload_offset = word(self.payload_offset);

        let mut entries = table.as_chunks_mut().0.as_chunks_mut().0.iter_mut();
        let mut offset = MIN_LEN + ENTRY_LEN * self.header_count;
        for block in self.blocks {
            for ((key, value), entry) in block.iter().zip(&mut entries) {
                let value_offset = offset + key.len() + 1;
                *entry = [word(offset), word(value_offset)];
                offset = value_offset + value.len() + 1;
                text = fill_string(text, key)?;
                text = fill_string(text, value)?;
            }
        }
        Some(())
    }

    /// Puts all that precedes the payload, in two passes over the headers.
    fn put_pieces(&self, sink: &mut impl PacketSink) {
        let headers = || self.blocks.iter().copied().flatten();

        sink.put(&self.id.to_wire());
        sink.put(&word(self.header_count));
        let mut offset = MIN_LEN + ENTRY_LEN * self.header_count;
        for (key, value) in headers() {
            let value_offset = offset + key.len() + 1;
            sink.put([word(offset), word(value_offset)].as_flattened());
            offset = value_offset + value.len() + 1;
        }
        sink.put(&word(self.payload_offset));
        for (key, value) in headers() {
            sink.put(key.as_bytes());
            sink.put(&[0]);
            sink.put(value.as_bytes());
            sink.put(&[0]);
        }
    }
}

/// Writes `string` and a NUL to the start of `text` and returns the rest.
#[inline]
fn fill_string<'t>(text: &'t mut [u8], string: &str) -> Option<&'t mut [u8]> {
    let (room, rest) = text.split_at_mut_checked(string.len())?;
    let (nul, rest) = rest.split_first_mut()?;
    short::copy(room, string.as_bytes());
    *nul = 0;
    Some(rest)
}

/// A count or an offset as it is stored. A `usize` always fits.
#[inline]
const fn word(value: usize) -> [u8; 8] {
    (value as u64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_with_a_nul_is_named() {
        let id = Id::from_random_bytes([0; 16]);
        let good = [("k", "v"), ("", "")];
        let key = [("k\0", "v")];
        let value = [("k", "\0")];
        assert_eq!(Encoder::new(&id, &[&good, &key], b"").unwrap_err(), PacketError::KeyHasNul { index: 2 });
        assert_eq!(Encoder::new(&id, &[&value, &good], b"").unwrap_err(), PacketError::ValueHasNul { index: 0 });
    }

    #[test]
    fn a_small_buffer_is_refused() {
        let id = Id::from_random_bytes([0; 16]);
        let encoder = Encoder::new(&id, &[], b"payload").unwrap();
        assert_eq!(encoder.encode_into(&mut [0; 60]), Ok(60));
        assert_eq!(encoder.encode_into(&mut [0; 59]), Err(PacketError::BufferTooSmall { needed: 60 }));
    }
}

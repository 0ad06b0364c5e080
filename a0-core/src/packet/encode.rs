//! Writing packets.

use super::{ENTRY_LEN, MIN_LEN, PacketError, PacketSink, SliceSink};
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
    pub fn new(
        id: &'a Id,
        blocks: &'a [&'a [Header<'a>]],
        payload: &'a [u8],
    ) -> Result<Self, PacketError> {
        let mut header_count = 0;
        let mut payload_offset = MIN_LEN;
        for (key, value) in blocks.iter().copied().flatten() {
            if has_nul(key) {
                return Err(PacketError::KeyHasNul {
                    index: header_count,
                });
            }
            if has_nul(value) {
                return Err(PacketError::ValueHasNul {
                    index: header_count,
                });
            }
            // No slice is longer than half of a `usize`, so one more addition
            // than the checked one cannot overflow either.
            header_count += 1;
            payload_offset = (ENTRY_LEN + 2)
                .checked_add(key.len())
                .and_then(|len| len.checked_add(value.len()))
                .and_then(|len| len.checked_add(payload_offset))
                .ok_or(PacketError::TooLarge)?;
        }
        let len = payload_offset
            .checked_add(payload.len())
            .ok_or(PacketError::TooLarge)?;
        Ok(Self {
            id,
            blocks,
            payload,
            header_count,
            payload_offset,
            len,
        })
    }

    /// Length of the packet in bytes.
    #[inline]
    pub const fn encoded_len(&self) -> usize {
        self.len
    }

    /// Writes the packet to `sink`: the header block in short pieces, then the
    /// payload in one. [`Staged`](super::Staged) joins the short ones.
    #[inline]
    pub fn write_to(&self, sink: &mut impl PacketSink) {
        sink.put(&self.id.to_wire());
        sink.put(&word(self.header_count));
        let mut offset = MIN_LEN + ENTRY_LEN * self.header_count;
        for (key, value) in self.headers() {
            let value_offset = offset + key.len() + 1;
            sink.put(&word(offset));
            sink.put(&word(value_offset));
            offset = value_offset + value.len() + 1;
        }
        sink.put(&word(self.payload_offset));
        for (key, value) in self.headers() {
            sink.put(key.as_bytes());
            sink.put(&[0]);
            sink.put(value.as_bytes());
            sink.put(&[0]);
        }
        sink.put(self.payload);
    }

    /// Writes the packet to the start of `out` and returns its length.
    ///
    /// # Errors
    ///
    /// [`PacketError::BufferTooSmall`] if `out` is shorter than
    /// [`Encoder::encoded_len`].
    #[inline]
    pub fn encode_into(&self, out: &mut [u8]) -> Result<usize, PacketError> {
        let mut sink = SliceSink::new(out);
        self.write_to(&mut sink);
        sink.finish()
    }

    #[inline]
    fn headers(&self) -> impl Iterator<Item = &'a Header<'a>> + use<'a> {
        self.blocks.iter().copied().flatten()
    }
}

/// A count or an offset as it is stored. A `usize` always fits.
#[inline]
const fn word(value: usize) -> [u8; 8] {
    (value as u64).to_le_bytes()
}

/// Whether `text` contains a NUL. Strings are short: eight bytes at a time,
/// the last eight overlapping, is faster than a general search.
#[inline]
fn has_nul(text: &str) -> bool {
    let bytes = text.as_bytes();
    if let Some(last) = bytes.last_chunk() {
        let (words, _) = bytes.as_chunks();
        let found = words
            .iter()
            .fold(zero_bytes(*last), |found, word| found | zero_bytes(*word));
        return found != 0;
    }
    bytes.iter().fold(false, |found, byte| found | (*byte == 0))
}

/// A number that is not zero exactly if some byte of `word` is.
#[inline]
const fn zero_bytes(word: [u8; 8]) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;

    let word = u64::from_le_bytes(word);
    word.wrapping_sub(LOW) & !word & HIGH
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn nul_is_found_at_every_place_of_every_length() {
        for len in 0..40 {
            let clean = "\u{80}".repeat(len / 2) + &"\u{1}".repeat(len % 2);
            assert!(!has_nul(&clean));
            for at in 0..len {
                let mut text = "x".repeat(len);
                text.replace_range(at..=at, "\0");
                assert!(has_nul(&text));
            }
        }
    }

    #[test]
    fn the_header_with_a_nul_is_named() {
        let id = Id::from_random_bytes([0; 16]);
        let good = [("k", "v"), ("", "")];
        let key = [("k\0", "v")];
        let value = [("k", "\0")];
        assert_eq!(
            Encoder::new(&id, &[&good, &key], b"").unwrap_err(),
            PacketError::KeyHasNul { index: 2 }
        );
        assert_eq!(
            Encoder::new(&id, &[&value, &good], b"").unwrap_err(),
            PacketError::ValueHasNul { index: 0 }
        );
    }

    #[test]
    fn a_small_buffer_is_refused() {
        let id = Id::from_random_bytes([0; 16]);
        let encoder = Encoder::new(&id, &[], b"payload").unwrap();
        assert_eq!(encoder.encode_into(&mut [0; 60]), Ok(60));
        assert_eq!(
            encoder.encode_into(&mut [0; 59]),
            Err(PacketError::BufferTooSmall { needed: 60 })
        );
    }
}

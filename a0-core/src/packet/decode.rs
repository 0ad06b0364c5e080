//! Reading packets in place.

use super::headers::{Entry, HeaderText};
use super::{ENTRY_LEN, HeaderList, Headers, MIN_LEN, PacketError, WORD_LEN};
use crate::id::{self, Id};

/// A packet read in place from bytes that were checked once.
///
/// [`FlatPacket::parse`] takes bytes of any origin; once it succeeds, nothing
/// here fails or panics, and reading all headers takes time in proportion to
/// the packet's length. The bytes must be private to the reader: copy them out
/// of shared memory first.
///
/// Headers are found through the packet's table, so their text may lie in any
/// order between the table and the payload.
#[derive(Clone, Copy, Debug)]
pub struct FlatPacket<'a> {
    bytes: &'a [u8],
    id: &'a str,
    table: &'a [Entry],
    text: HeaderText<'a>,
    payload: &'a [u8],
}

impl<'a> FlatPacket<'a> {
    /// Checks `bytes`, which end where the payload ends, and finds the parts
    /// of the packet in them.
    ///
    /// # Errors
    ///
    /// The first fault found, as a [`PacketError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let too_short = PacketError::TooShort { len: bytes.len() };
        let room = bytes.len().checked_sub(MIN_LEN).ok_or(too_short)?;
        let (id, rest) = bytes.split_first_chunk().ok_or(too_short)?;
        let id = id::check_wire(id)?;

        let (count, rest) = split_word(rest).ok_or(too_short)?;
        let table_len = usize::try_from(count)
            .ok()
            .filter(|count| *count <= room / ENTRY_LEN)
            .map(|count| count * ENTRY_LEN)
            .ok_or(PacketError::HeaderCount { count })?;
        let (table, rest) = rest.split_at_checked(table_len).ok_or(too_short)?;
        let table = table.as_chunks::<WORD_LEN>().0.as_chunks().0;

        let (offset, rest) = split_word(rest).ok_or(too_short)?;
        let text_start = MIN_LEN + table_len;
        let (text, payload) = usize::try_from(offset)
            .ok()
            .and_then(|offset| offset.checked_sub(text_start))
            .and_then(|text_len| rest.split_at_checked(text_len))
            .ok_or(PacketError::PayloadOffset { offset })?;

        Ok(Self { bytes, id, table, text: HeaderText::check(text, text_start, table)?, payload })
    }

    /// The packet's id.
    #[inline]
    pub const fn id(&self) -> &'a str {
        self.id
    }

    /// The packet's id as a value of its own.
    #[inline]
    pub fn to_id(&self) -> Id {
        Id::from_checked(self.id)
    }

    /// All headers, keys and values, in wire order.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        Headers::new(self.table, self.text)
    }

    /// Value of the first header whose key is `key`, compared exactly.
    #[inline]
    pub fn header(&self, key: &str) -> Option<&'a str> {
        let text = self.text;
        self.table.iter().find(|[at, _]| text.holds(*at, key)).map(|[_, value]| text.string(*value))
    }

    /// Values of all headers whose key is `key`, in wire order: a packet may
    /// depend on several others, for example.
    pub fn headers_named<'k>(&self, key: &'k str) -> impl Iterator<Item = &'a str> + Clone + use<'a, 'k> {
        let text = self.text;
        self.table.iter().filter(move |[at, _]| text.holds(*at, key)).map(move |[_, value]| text.string(*value))
    }

    /// The headers as a list that can be extended and encoded again.
    ///
    /// # Errors
    ///
    /// [`PacketError::TooManyHeaders`] if there are more than `N`.
    pub fn collect_headers<const N: usize>(&self) -> Result<HeaderList<'a, N>, PacketError> {
        let mut list = HeaderList::new();
        for (key, value) in self.headers() {
            list.push(key, value)?;
        }
        Ok(list)
    }

    /// The payload.
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The whole packet as it was given to [`FlatPacket::parse`].
    #[inline]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The number at the start of `bytes`, and what follows it.
#[inline]
fn split_word(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*word), rest))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    /// Where the text of a packet with one header starts.
    const TEXT: u64 = 69;

    /// A packet with one header, whose offsets and text are given.
    fn packet(key: u64, value: u64, payload: u64, text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::from([b'x'; 36]);
        bytes.push(0);
        for word in [1, key, value, payload] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(text);
        bytes
    }

    fn fault(key: u64, value: u64, payload: u64, text: &[u8]) -> PacketError {
        FlatPacket::parse(&packet(key, value, payload, text)).unwrap_err()
    }

    #[test]
    fn text_may_lie_in_any_order_with_gaps() {
        let bytes = packet(TEXT + 4, TEXT + 1, TEXT + 6, b"?v\0?k\0!");
        let flat = FlatPacket::parse(&bytes).unwrap();
        assert_eq!(flat.headers().collect::<Vec<_>>(), [("k", "v")]);
        assert_eq!(flat.payload(), b"!");
        assert_eq!(flat.as_bytes(), bytes);
    }

    #[test]
    fn offsets_must_lie_in_the_text() {
        let text = b"k\0v\0!";
        let end = TEXT + 4;
        for bad in [0, 45, TEXT - 1, end, end + 1, 1 << 60, u64::MAX] {
            let header = PacketError::HeaderOffset { index: 0 };
            assert_eq!(fault(bad, TEXT + 2, end, text), header);
            assert_eq!(fault(TEXT, bad, end, text), header);
        }
        for offset in [0, TEXT - 1, TEXT + 6, 1 << 60, u64::MAX] {
            let payload = PacketError::PayloadOffset { offset };
            assert_eq!(fault(TEXT, TEXT + 2, offset, text), payload);
        }
    }

    #[test]
    fn text_must_be_terminated_before_the_payload() {
        let unterminated = PacketError::Unterminated { index: 0 };
        assert_eq!(fault(TEXT, TEXT + 2, TEXT + 3, b"k\0v\0!"), unterminated);
        assert_eq!(fault(TEXT, TEXT, TEXT + 1, b"kv"), unterminated);
    }

    #[test]
    fn text_must_be_utf8() {
        let not_utf8 = PacketError::NotUtf8 { offset: 71 };
        assert_eq!(fault(TEXT, TEXT + 2, TEXT + 4, b"k\0\xff\0"), not_utf8);
        let split = PacketError::HeaderOffset { index: 0 };
        assert_eq!(fault(TEXT, TEXT + 3, TEXT + 5, "k\0é\0".as_bytes()), split);
    }

    #[test]
    fn counts_and_lengths_are_bounded_before_use() {
        let mut bytes = packet(TEXT, TEXT + 2, TEXT + 4, b"k\0v\0");
        for count in [3, 1 << 28, 1 << 60, u64::MAX] {
            bytes[37..45].copy_from_slice(&count.to_le_bytes());
            assert_eq!(FlatPacket::parse(&bytes).unwrap_err(), PacketError::HeaderCount { count });
        }
        for len in 0..MIN_LEN {
            assert_eq!(FlatPacket::parse(&bytes[..len]).unwrap_err(), PacketError::TooShort { len });
        }
    }

    #[test]
    fn ids_are_checked() {
        let mut bytes = packet(TEXT, TEXT + 2, TEXT + 4, b"k\0v\0");
        bytes[36] = 1;
        let fault = FlatPacket::parse(&bytes).unwrap_err();
        assert_eq!(fault, PacketError::IdNotTerminated);
    }

    #[test]
    fn text_that_headers_share_is_limited() {
        let shared = |count: u64, text: &[u8]| {
            let start = MIN_LEN as u64 + 16 * count;
            let mut bytes = Vec::from([b'x'; 36]);
            bytes.push(0);
            bytes.extend(count.to_le_bytes());
            for _ in 0..2 * count {
                bytes.extend(start.to_le_bytes());
            }
            bytes.extend((start + text.len() as u64).to_le_bytes());
            bytes.extend(text);
            FlatPacket::parse(&bytes).map(|packet| packet.headers().count())
        };
        assert_eq!(shared(4, b"short\0").unwrap(), 4);
        let mut long = Vec::from([b'a'; 1000]);
        long.push(0);
        assert_eq!(shared(1000, &long).unwrap_err(), PacketError::HeadersOverlap);
    }

    #[test]
    fn lookup_is_exact_and_in_order() {
        let bytes = packet(TEXT, TEXT + 4, TEXT + 6, b"key\0v\0");
        let flat = FlatPacket::parse(&bytes).unwrap();
        assert_eq!(flat.header("key"), Some("v"));
        for other in ["", "ke", "keys", "Key", "key\0", "key\0v"] {
            assert_eq!(flat.header(other), None, "{other:?}");
        }
        assert_eq!(flat.headers_named("key").count(), 1);
        assert_eq!(flat.collect_headers::<1>().unwrap().as_slice(), [("key", "v")]);
        assert_eq!(flat.collect_headers::<0>().unwrap_err(), PacketError::TooManyHeaders { capacity: 0 });
    }
}

//! Lists of headers: as they lie in a packet, and as they are gathered for one.

use core::iter::FusedIterator;
use core::slice;

use super::{PacketError, WORD_LEN, short, utf8};

/// A row of the header table: the offsets of a key and of its value.
pub(super) type Entry = [[u8; WORD_LEN]; 2];

/// The headers of a [`FlatPacket`](super::FlatPacket), keys and values, in
/// wire order.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    entries: slice::Iter<'a, Entry>,
    text: HeaderText<'a>,
}

impl<'a> Headers<'a> {
    #[inline]
    pub(super) fn new(table: &'a [Entry], text: HeaderText<'a>) -> Self {
        Self { entries: table.iter(), text }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a str);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let [key, value] = self.entries.next()?;
        Some((self.text.string(*key), self.text.string(*value)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl ExactSizeIterator for Headers<'_> {}

impl FusedIterator for Headers<'_> {}

/// Headers gathered without allocation, at most `N` of them.
///
/// ```
/// use a0_core::packet::{HeaderList, keys};
///
/// let mut headers = HeaderList::<4>::new();
/// headers.push(keys::RPC_TYPE, "request")?;
/// assert_eq!(headers.as_slice(), [("a0_rpc_type", "request")]);
/// # Ok::<(), a0_core::PacketError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HeaderList<'a, const N: usize> {
    list: heapless::Vec<(&'a str, &'a str), N>,
}

impl<'a, const N: usize> HeaderList<'a, N> {
    /// An empty list.
    pub const fn new() -> Self {
        Self { list: heapless::Vec::new() }
    }

    /// Adds a header at the end. Keys may repeat.
    ///
    /// # Errors
    ///
    /// [`PacketError::TooManyHeaders`] if the list is full.
    pub fn push(&mut self, key: &'a str, value: &'a str) -> Result<(), PacketError> {
        self.list.push((key, value)).map_err(|_| PacketError::TooManyHeaders { capacity: N })
    }

    /// The headers as an [`Encoder`](super::Encoder) takes them.
    pub fn as_slice(&self) -> &[(&'a str, &'a str)] {
        &self.list
    }
}

/// The bytes between a packet's table and its payload, checked against the
/// table.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderText<'a> {
    text: &'a str,
    /// Offset of `text` in the packet.
    start: usize,
}

impl<'a> HeaderText<'a> {
    /// Checks that every offset of `table` leads to a terminated string in
    /// `bytes`, which lie `start` bytes into the packet.
    ///
    /// One pass over the bytes serves all strings: if all the bytes are UTF-8,
    /// every piece between character boundaries is, and a string is terminated
    /// if it starts no later than the last NUL.
    #[inline]
    pub(super) fn check(bytes: &'a [u8], start: usize, table: &[Entry]) -> Result<Self, PacketError> {
        if table.is_empty() {
            return Ok(Self { text: "", start });
        }
        let text = utf8::to_str(bytes).map_err(|error| PacketError::NotUtf8 { offset: start + error.valid_up_to() })?;
        let checked = Self { text, start };
        if !checked.is_tidy(table) {
            checked.examine(table)?;
        }
        Ok(checked)
    }

    /// Whether the text begins with the first key, every other string begins
    /// behind the one before it and right behind a NUL, and a NUL ends it all.
    ///
    /// That is how everyone writes packets, and [`HeaderText::examine`] finds
    /// nothing wrong with it.
    #[inline]
    fn is_tidy(&self, table: &[Entry]) -> bool {
        let ([first, rest @ ..], Some((0, inner))) = (table.as_flattened(), self.text.as_bytes().split_last()) else {
            return false;
        };
        let mut last = self.start as u64;
        u64::from_le_bytes(*first) == last
            && rest.iter().all(|at| {
                let at = u64::from_le_bytes(*at);
                let tidy = at > last && usize::try_from(at).is_ok_and(|at| inner.get(at - 1 - self.start) == Some(&0));
                last = at;
                tidy
            })
    }

    /// The check of any table.
    #[cold]
    #[inline(never)]
    fn examine(&self, table: &[Entry]) -> Result<(), PacketError> {
        let bytes = self.text.as_bytes();
        let terminated = bytes.iter().rposition(|byte| *byte == 0).map_or(0, |at| at + 1);
        // Strings that begin after one another's NUL cannot overlap. It is
        // quicker to see that than to add up lengths.
        let mut apart = true;
        let mut free_from = 0;
        for (index, at) in table.as_flattened().iter().enumerate() {
            let index = index / 2;
            let at = self
                .position(*at)
                .filter(|at| *at < bytes.len() && self.text.is_char_boundary(*at))
                .ok_or(PacketError::HeaderOffset { index })?;
            if at >= terminated {
                return Err(PacketError::Unterminated { index });
            }
            let follows_nul = at == 0 || bytes.get(at - 1) == Some(&0);
            apart &= follows_nul && at >= free_from;
            free_from = at + 1;
        }
        if apart { Ok(()) } else { self.limit_overlap(table) }
    }

    /// Refuses strings that together are longer than text and table, each
    /// counted with its NUL: a few megabytes could otherwise describe
    /// terabytes. Counting the table lets rows share a few short strings.
    fn limit_overlap(&self, table: &[Entry]) -> Result<(), PacketError> {
        let strings = table.as_flattened();
        let mut left = self.text.len() + size_of_val(strings);
        for at in strings {
            left = left.checked_sub(self.string(*at).len() + 1).ok_or(PacketError::HeadersOverlap)?;
        }
        Ok(())
    }

    /// The string at an offset of the table.
    #[inline]
    pub(super) fn string(&self, offset: [u8; WORD_LEN]) -> &'a str {
        // `check` makes all of this succeed, so the empty default is never used.
        self.tail(offset).and_then(|tail| tail.get(..short::find_nul(tail.as_bytes())?)).unwrap_or_default()
    }

    /// Whether the string at an offset of the table is `key`.
    #[inline]
    pub(super) fn holds(&self, offset: [u8; WORD_LEN], key: &str) -> bool {
        let key = key.as_bytes();
        self.position(offset).and_then(|at| self.text.as_bytes().get(at..)).is_some_and(|tail| {
            // Most keys of a packet are of other lengths than the one that is looked for.
            tail.get(key.len()) == Some(&0) && tail.starts_with(key) && !short::has_nul(key)
        })
    }

    /// The text from an offset of the table on.
    #[inline]
    fn tail(&self, offset: [u8; WORD_LEN]) -> Option<&'a str> {
        self.text.get(self.position(offset)?..)
    }

    /// An offset of the table as a position in the text, or before the text's
    /// start as `None`.
    #[inline]
    fn position(&self, offset: [u8; WORD_LEN]) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(offset)).ok()?.checked_sub(self.start)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Where the text lies in its packet.
    const START: usize = 61;

    fn table(positions: &[usize]) -> Vec<Entry> {
        let offset = |at: &usize| (START.wrapping_add(*at) as u64).to_le_bytes();
        positions.chunks_exact(2).map(|pair| [offset(&pair[0]), offset(&pair[1])]).collect()
    }

    fn is_tidy(text: &str, positions: &[usize]) -> bool {
        HeaderText { text, start: START }.is_tidy(&table(positions))
    }

    #[test]
    fn tidy_is_what_everyone_writes() {
        assert!(is_tidy("k\0v\0key\0value\0", &[0, 2, 4, 8]));
        assert!(is_tidy("\0\0\0\0", &[0, 1, 2, 3]));
        assert!(is_tidy("ä\0ö\0", &[0, 3]));
        for odd in [[0, 0], [2, 0], [2, 4], [0, 1], [0, 3], [0, 4], [0, 5], [0, usize::MAX], [usize::MAX, 2]] {
            assert!(!is_tidy("k\0v\0", &odd), "{odd:?}");
        }
        assert!(!is_tidy("k\0v", &[0, 2]));
        assert!(!is_tidy("", &[0, 0]));
    }

    proptest! {
        #[test]
        fn tidy_tables_stand_any_examination(
            text in "[a\0é]{0,8}",
            wild in vec(0..9usize, 0..8),
            shifted in vec(any::<bool>(), 8),
        ) {
            // Where strings may begin, and now and then a place beside it.
            let begins = [0].into_iter().chain(text.match_indices('\0').map(|(at, _)| at + 1));
            let near: Vec<_> = begins.zip(&shifted).map(|(at, shift)| at + usize::from(*shift)).collect();
            for positions in [&wild, &near] {
                let (checked, table) = (HeaderText { text: &text, start: START }, table(positions));
                prop_assert!(!checked.is_tidy(&table) || checked.examine(&table).is_ok());
            }
        }
    }

    #[test]
    fn a_full_list_says_so() {
        let mut list = HeaderList::<1>::new();
        assert_eq!(list.push("k", "v"), Ok(()));
        assert_eq!(list.push("k", "w"), Err(PacketError::TooManyHeaders { capacity: 1 }));
        assert_eq!(list.as_slice(), [("k", "v")]);
    }
}

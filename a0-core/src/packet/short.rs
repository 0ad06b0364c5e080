//! Searching and copying strings of a few dozen bytes.
//!
//! Header strings are that short, and every packet has a dozen of them: the
//! general routines spend longer choosing a method than working.

/// Whether `bytes` contains a NUL.
#[inline]
pub(super) fn has_nul(bytes: &[u8]) -> bool {
    // Pieces of a fixed size, of which the last may overlap the one before,
    // cover every length without a loop over single bytes.
    if let Some(last) = bytes.last_chunk::<16>() {
        let mut least = *last;
        for piece in bytes.as_chunks::<16>().0 {
            for (least, byte) in least.iter_mut().zip(piece) {
                *least = (*least).min(*byte);
            }
        }
        least.iter().fold(u8::MAX, |least, byte| least.min(*byte)) == 0
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        zero_bytes(u64::from_le_bytes(*first)) | zero_bytes(u64::from_le_bytes(*last)) != 0
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|piece| u64::from(u32::from_le_bytes(*piece)));
        zero_bytes(first << 32 | last) != 0
    } else {
        bytes.contains(&0)
    }
}

/// Position of the first NUL in `bytes`.
#[inline]
pub(super) fn find_nul(bytes: &[u8]) -> Option<usize> {
    let (words, tail) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let found = zero_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(8 * index + found.trailing_zeros() as usize / 8);
        }
    }
    let at = tail.iter().position(|byte| *byte == 0)?;
    Some(8 * words.len() + at)
}

/// Copies `from` to `to`, which is as long.
#[inline]
pub(super) fn copy(to: &mut [u8], from: &[u8]) {
    // Not a `match`: it becomes a jump table, whose jumps are predicted worse.
    let len = from.len();
    if len > 64 {
        to.copy_from_slice(from);
    } else if len > 32 {
        copy_ends::<32>(to, from);
    } else if len > 16 {
        copy_ends::<16>(to, from);
    } else if len >= 8 {
        copy_ends::<8>(to, from);
    } else if len >= 4 {
        copy_ends::<4>(to, from);
    } else if len >= 2 {
        copy_ends::<2>(to, from);
    } else {
        copy_ends::<1>(to, from);
    }
}

/// Copies the first and the last `N` bytes, which may overlap.
#[inline]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk()) {
        *to = *from;
    }
}

/// A number whose lowest set bit lies in the lowest byte of `word` that is
/// zero; zero if none is.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;

    word.wrapping_sub(LOW) & !word & HIGH
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec;

    #[test]
    fn nul_is_found_at_every_place_of_every_length() {
        for len in 0..70 {
            for filler in [1, 0x7f, 0x80, 0x81, 0xff] {
                let mut bytes = vec![filler; len];
                assert!(!has_nul(&bytes));
                assert_eq!(find_nul(&bytes), None);
                for at in (0..len).rev() {
                    bytes[at] = 0;
                    assert_eq!(find_nul(&bytes), Some(at));
                    assert!(has_nul(&bytes));
                    assert!(has_nul(&bytes[..=at]));
                }
            }
        }
    }

    #[test]
    fn copies_of_every_length_are_exact() {
        let from: [u8; 80] = core::array::from_fn(|i| i as u8 + 1);
        for len in 0..from.len() {
            let mut to = [0; 80];
            copy(&mut to[..len], &from[..len]);
            assert_eq!(to[..len], from[..len]);
            assert!(to[len..].iter().all(|byte| *byte == 0));
        }
    }
}

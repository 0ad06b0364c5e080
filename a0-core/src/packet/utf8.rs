//! Bytes as text.
#![allow(unsafe_code)]

use core::str::{Utf8Error, from_utf8, from_utf8_unchecked};

/// `bytes` as text. Quicker than the general routine where they are ASCII, as ids and headers nearly always are.
#[inline]
pub(crate) fn to_str(bytes: &[u8]) -> Result<&str, Utf8Error> {
    if is_ascii(bytes) {
        // SAFETY: no byte is above 0x7f, and every string of such bytes is UTF-8.
        return Ok(unsafe { from_utf8_unchecked(bytes) });
    }
    from_utf8(bytes)
}

/// Whether no byte is above 0x7f.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u128 = u128::from_ne_bytes([0x80; 16]);

    // Pieces of a fixed size, of which the last may overlap the one before: unlike the standard library's search, this looks
    // at no byte alone.
    let Some(last) = bytes.last_chunk() else { return bytes.is_ascii() };
    let pieces = bytes.as_chunks().0.iter();
    let all = pieces.fold(u128::from_ne_bytes(*last), |all, piece| all | u128::from_ne_bytes(*piece));
    all & HIGH == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_every_length_counts() {
        for len in 0..70 {
            let mut bytes = [b'a'; 70];
            let bytes = &mut bytes[..len];
            assert_eq!(to_str(bytes), from_utf8(bytes));
            assert!(is_ascii(bytes));
            for at in 0..len {
                for odd in [0, 0x7f, 0x80, 0xff] {
                    bytes[at] = odd;
                    assert_eq!(to_str(bytes), from_utf8(bytes));
                    assert_eq!(is_ascii(bytes), odd < 0x80);
                }
                bytes[at] = b'a';
            }
        }
    }
}

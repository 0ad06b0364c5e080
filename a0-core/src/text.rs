//! Short ASCII text of fixed capacity, and the digit arithmetic behind it.

use core::fmt;
use core::ops::Deref;

/// Up to `N` ASCII characters held by value, read as a `&str`.
///
/// Header values such as times and sequence numbers are written into one of
/// these on the stack, so no allocation is needed to publish.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const N: usize> {
    /// The text is `buf[start..]`.
    buf: [u8; N],
    start: usize,
}

/// A `u64` in decimal without padding: the form of `a0_transport_seq` and
/// `a0_writer_seq`.
///
/// ```
/// use a0_core::internal::Decimal;
///
/// let seq = Decimal::from(42);
/// assert_eq!(&*seq, "42");
/// ```
pub type Decimal = Text<20>;

impl<const N: usize> Text<N> {
    /// Text filling all `N` bytes. Callers pass ASCII only.
    pub(crate) const fn full(buf: [u8; N]) -> Self {
        Self { buf, start: 0 }
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        // Every constructor stores ASCII, so the empty default is never used.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Most bytes that it can have.
    pub(crate) const CAPACITY: usize = N;

    /// Number of bytes.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "no text is empty")]
    pub(crate) fn len(&self) -> usize {
        N.saturating_sub(self.start)
    }

    /// All `N` bytes: text that is shorter has something else in front.
    #[inline]
    pub(crate) const fn as_full(&self) -> &[u8; N] {
        &self.buf
    }

    /// The text's bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.buf.get(self.start..).unwrap_or_default()
    }
}

impl Decimal {
    /// The number with leading zeros.
    #[inline]
    pub(crate) const fn zero_padded(&self) -> &[u8; 20] {
        self.as_full()
    }
}

impl From<u64> for Decimal {
    #[inline(always)]
    fn from(value: u64) -> Self {
        let mut buf = [b'0'; 20];
        let (head, low) = (value / 100_000_000, value % 100_000_000);
        let low = eight_digits(low as u32);
        buf[12..].copy_from_slice(&low);
        if head == 0 {
            return Self { buf, start: 12 + zeros_in_front(low) };
        }
        let (top, middle) = (head / 100_000_000, head % 100_000_000);
        buf[4..12].copy_from_slice(&eight_digits(middle as u32));
        buf[..4].copy_from_slice(&eight_digits(top as u32)[4..]);
        let start = buf.iter().position(|digit| *digit != b'0').unwrap_or(0);
        Self { buf, start }
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(feature = "defmt")]
impl<const N: usize> defmt::Format for Text<N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::Format::format(self.as_str(), f);
    }
}

/// `value` (below 10⁸) as eight zero-padded digits.
///
/// Splits the number by halves in the lanes of one word: three
/// multiplications instead of eight dependent divisions.
#[inline]
pub(crate) const fn eight_digits(value: u32) -> [u8; 8] {
    let fours = (value / 10_000) as u64 | (((value % 10_000) as u64) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | ((twos - 10 * tens) << 8);
    (ones + 0x3030_3030_3030_3030).to_le_bytes()
}

/// Number of zeros in front of the first other digit, or of the last one.
#[inline]
const fn zeros_in_front(digits: [u8; 8]) -> usize {
    let ones = u64::from_le_bytes(digits) ^ 0x3030_3030_3030_3030;
    // The last digit counts in any case.
    (ones | 1 << 63).trailing_zeros() as usize / 8
}

/// `value` (below 100) as two digits.
#[inline]
pub(crate) const fn two_digits(value: u32) -> [u8; 2] {
    let tens = (value * 103) >> 10;
    [b'0' + tens as u8, b'0' + (value - 10 * tens) as u8]
}

/// The number that up to 19 ASCII digits spell, or the position of the first
/// byte that is no digit.
pub(crate) fn parse_digits(digits: &[u8]) -> Result<u64, usize> {
    let mut value = 0u64;
    for (at, byte) in digits.iter().enumerate() {
        if !byte.is_ascii_digit() {
            return Err(at);
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::ToString;
    use std::{format, vec::Vec};

    #[test]
    fn decimal_agrees_with_the_standard_formatter() {
        let mut values = Vec::from([0, 1, u64::MAX, u64::MAX - 1]);
        for power in 0..20 {
            let ten = 10u64.pow(power);
            values.extend([ten - 1, ten, ten + 1]);
        }
        for value in values {
            assert_eq!(Decimal::from(value).as_str(), value.to_string());
        }
    }

    #[test]
    fn digit_lanes_are_exact() {
        for value in 0..10_000 {
            let text = format!("{value:04}{:04}", 9_999 - value);
            let number = value * 10_000 + 9_999 - value;
            assert_eq!(eight_digits(number), text.as_bytes());
        }
        for value in 0..100 {
            assert_eq!(two_digits(value), format!("{value:02}").as_bytes());
        }
    }

    #[test]
    fn display_pads_and_debug_quotes() {
        let text = Decimal::from(7);
        assert_eq!(format!("{text:>3}|{text:?}"), "  7|\"7\"");
    }

    #[test]
    fn parse_digits_names_the_first_other_byte() {
        assert_eq!(parse_digits(b"0042"), Ok(42));
        assert_eq!(parse_digits(b"00x2"), Err(2));
        assert_eq!(parse_digits(&[b'9'; 19]), Ok(9_999_999_999_999_999_999));
    }
}

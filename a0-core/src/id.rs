//! Packet and writer ids.

use core::fmt;
use core::str::FromStr;

use crate::packet::{PacketError, utf8};

/// The name of a packet, a writer, a request or a connection.
///
/// 36 bytes of UTF-8 without NUL. Ids made here are UUIDs of version 4 with
/// upper-case hex digits, as every AlephZero peer makes them; ids made
/// elsewhere may be any text of that length. Ids are compared byte by byte, so
/// case matters.
///
/// ```
/// use a0_core::Id;
///
/// let id = Id::from_random_bytes([0xAB; 16]);
/// assert_eq!(id.as_str(), "ABABABAB-ABAB-4BAB-ABAB-ABABABABABAB");
/// assert_eq!(id.as_str().parse(), Ok(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; Id::LEN]);

impl Id {
    /// Length of an id in bytes, without the NUL that follows it on the wire.
    pub const LEN: usize = 36;

    /// Length of an id on the wire: [`Id::LEN`] and a NUL.
    pub const WIRE_LEN: usize = Self::LEN + 1;

    /// Makes a version 4 UUID from 16 random bytes; six of the 128 bits are
    /// replaced by the version and variant marks.
    #[inline]
    pub fn from_random_bytes(random: [u8; 16]) -> Self {
        let mut bits = u128::from_be_bytes(random);
        bits = (bits & !(0xf << 76)) | (0x4 << 76);
        bits = (bits & !(0x3 << 62)) | (0x2 << 62);

        let mut text = [b'-'; Self::LEN];
        let [a, b, c, d] = [96, 64, 32, 0].map(|shift| hex_digits((bits >> shift) as u32));
        text[..8].copy_from_slice(&a);
        text[9..13].copy_from_slice(&b[..4]);
        text[14..18].copy_from_slice(&b[4..]);
        text[19..23].copy_from_slice(&c[..4]);
        text[24..28].copy_from_slice(&c[4..]);
        text[28..].copy_from_slice(&d);
        Self(text)
    }

    /// Takes an id made elsewhere.
    ///
    /// # Errors
    ///
    /// [`PacketError::IdLength`] unless there are 36 bytes,
    /// [`PacketError::IdHasNul`] and [`PacketError::IdNotUtf8`] as they say.
    pub fn parse(text: &[u8]) -> Result<Self, PacketError> {
        let bytes: &[u8; Self::LEN] = text.try_into().map_err(|_| PacketError::IdLength { len: text.len() })?;
        check(bytes)?;
        Ok(Self(*bytes))
    }

    /// An id that [`check_wire`] has found good.
    #[inline]
    pub(crate) fn from_checked(text: &str) -> Self {
        // It has that length, so the default is never used.
        Self(text.as_bytes().first_chunk().copied().unwrap_or([b'-'; Self::LEN]))
    }

    /// Reads an id and its NUL from the start of `bytes`, as a packet and the
    /// payload of a cancel packet begin. Bytes after the NUL are ignored.
    ///
    /// # Errors
    ///
    /// Those of [`Id::parse`] (a payload cut short is a wrong length), and
    /// [`PacketError::IdNotTerminated`].
    pub fn from_wire(bytes: &[u8]) -> Result<Self, PacketError> {
        let wire = bytes.first_chunk().ok_or(PacketError::IdLength { len: bytes.len() })?;
        check_wire(wire)?;
        let [id @ .., _nul] = wire;
        Ok(Self(*id))
    }

    /// The id followed by its NUL: bytes 0 to 36 of a packet, and the payload
    /// of a cancel packet.
    #[inline]
    pub fn to_wire(&self) -> [u8; Self::WIRE_LEN] {
        let mut wire = [0; Self::WIRE_LEN];
        wire[..Self::LEN].copy_from_slice(&self.0);
        wire
    }

    /// The id as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        // Every constructor stores UTF-8, so the empty default is never used.
        utf8::to_str(&self.0).unwrap_or_default()
    }

    /// The id's bytes, without a NUL.
    #[inline]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl FromStr for Id {
    type Err = PacketError;

    fn from_str(text: &str) -> Result<Self, PacketError> {
        Self::parse(text.as_bytes())
    }
}

impl AsRef<str> for Id {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Id").field(&self.as_str()).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Id {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::Format::format(self.as_str(), f);
    }
}

/// Checks the bytes of an id and gives them as text.
#[inline]
fn check(id: &[u8; Id::LEN]) -> Result<&str, PacketError> {
    // Folded rather than searched: no early exit lets it run in vector lanes.
    if id.iter().fold(false, |found, byte| found | (*byte == 0)) {
        return Err(PacketError::IdHasNul);
    }
    utf8::to_str(id).map_err(|_| PacketError::IdNotUtf8)
}

/// Checks an id and the NUL after it, and gives the id as text.
#[inline]
pub(crate) fn check_wire(wire: &[u8; Id::WIRE_LEN]) -> Result<&str, PacketError> {
    let [id @ .., nul] = wire;
    if *nul != 0 {
        return Err(PacketError::IdNotTerminated);
    }
    check(id)
}

/// `value` as eight upper-case hex digits, computed in the lanes of one word.
#[inline]
const fn hex_digits(value: u32) -> [u8; 8] {
    let mut lanes = value as u64;
    lanes = (lanes | (lanes << 16)) & 0x0000_ffff_0000_ffff;
    lanes = (lanes | (lanes << 8)) & 0x00ff_00ff_00ff_00ff;
    lanes = (lanes | (lanes << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((lanes + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let to_letter = (b'A' - b'9' - 1) as u64;
    (lanes + 0x3030_3030_3030_3030 + letters * to_letter).to_be_bytes()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::format;

    #[test]
    fn hex_digits_agree_with_the_standard_formatter() {
        for byte in 0..=255u32 {
            let value = byte << 24 | byte << 8 | (255 - byte);
            assert_eq!(hex_digits(value), format!("{value:08X}").as_bytes());
        }
    }

    #[test]
    fn random_bytes_become_an_upper_case_uuid_of_version_4() {
        let bytes = core::array::from_fn(|i| 0x11 * i as u8);
        let id = Id::from_random_bytes(bytes);
        assert_eq!(id.as_str(), "00112233-4455-4677-8899-AABBCCDDEEFF");
        for (byte, marks) in [(0x00, "4000-8000"), (0xff, "4FFF-BFFF")] {
            let id = Id::from_random_bytes([byte; 16]);
            assert_eq!(&id.as_str()[14..23], marks);
        }
    }

    #[test]
    fn foreign_ids_need_only_length_and_text() {
        let id = Id::parse(&[b'x'; 36]).unwrap();
        assert_eq!(format!("{id}"), "x".repeat(36));
        assert_eq!(format!("{id:?}"), format!("Id(\"{id}\")"));
        assert_eq!(Id::parse(b""), Err(PacketError::IdLength { len: 0 }));
        assert_eq!(Id::parse(&[b'x'; 37]), Err(PacketError::IdLength { len: 37 }));
        assert_eq!(Id::parse(&[0xff; 36]), Err(PacketError::IdNotUtf8));
        let mut nul = [b'x'; 36];
        nul[35] = 0;
        assert_eq!(Id::parse(&nul), Err(PacketError::IdHasNul));
    }

    #[test]
    fn wire_form_ends_in_nul() {
        let id = Id::from_random_bytes([7; 16]);
        let mut wire = id.to_wire();
        assert_eq!(Id::from_wire(&wire), Ok(id));
        assert_eq!(Id::from_wire(&wire[..36]), Err(PacketError::IdLength { len: 36 }));
        wire[36] = b'!';
        assert_eq!(Id::from_wire(&wire), Err(PacketError::IdNotTerminated));
    }
}

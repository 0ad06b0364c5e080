//! Payloads that tell whether they arrived whole: `a0 pub --size` makes them, `a0 echo --check` examines them.
//!
//! All of it is printable ASCII. Payloads of 52 bytes and more are
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | id of the writer, in hexadecimal, as all numbers here |
//! | 9 | 16 | how many payloads that writer made before this one |
//! | 26 | 8 | length of the payload in bytes |
//! | 35 | 16 | checksum of all other bytes, see [`checksum`] |
//! | 52 | | filler: pseudo-random letters that depend on all of the numbers |
//!
//! with a space before each field but the first. Shorter ones have no room for that: their first byte depends on
//! the count, and all others on the first one and on the length, so that at least torn ones are noticed.
//!
//! This file depends on nothing else, so that other programs can include it.
#![allow(unreachable_pub, dead_code, reason = "meant to be included elsewhere as well")]

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

/// Shortest payload that says who made it.
pub const FULL_LEN: usize = 52;

const WRITER: Range<usize> = 0..8;
const COUNT: Range<usize> = 9..25;
const LENGTH: Range<usize> = 26..34;
const CHECKSUM: Range<usize> = 35..51;
const SPACES: [usize; 4] = [8, 25, 34, 51];

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Makes payloads of one length, each different from all others.
#[derive(Debug)]
pub struct Generator {
    writer: u32,
    count: u64,
    payload: Vec<u8>,
}

impl Generator {
    /// For a writer with this id, which should be random.
    pub fn new(writer: u32, len: usize) -> Generator {
        Generator { writer, count: 0, payload: vec![b' '; len] }
    }

    /// The next payload.
    pub fn next(&mut self) -> &[u8] {
        let len = self.payload.len();
        if len < FULL_LEN {
            if let Some((first, rest)) = self.payload.split_first_mut() {
                *first = LETTERS[(self.count % 64) as usize];
                fill(rest, short_seed(*first, len));
            }
        } else {
            put_hex(&mut self.payload[WRITER], self.writer.into());
            put_hex(&mut self.payload[COUNT], self.count);
            put_hex(&mut self.payload[LENGTH], len as u64);
            fill(&mut self.payload[FULL_LEN..], mix(mix(self.writer.into(), self.count), len as u64));
            let sum = checksum(&self.payload);
            put_hex(&mut self.payload[CHECKSUM], sum);
        }
        self.count += 1;
        &self.payload
    }
}

/// What a sound payload says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who made it.
    pub writer: u32,
    /// How many that writer made before.
    pub count: u64,
}

/// What is wrong with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not of this form at all, from this byte on.
    Form(usize),
    /// Says that it has another length.
    Length(u64),
    /// The checksum is that of other content.
    Checksum,
    /// Comes again, or after one that was made later.
    Order(Origin),
    /// So many of this writer's payloads are missing, but the reader was told of fewer.
    Lost(u32, u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Form(at) => write!(f, "byte {at} is not what 'a0 pub --size' writes there"),
            Fault::Length(len) => write!(f, "it says that it has {len} bytes"),
            Fault::Checksum => write!(f, "its checksum is that of other content"),
            Fault::Order(Origin { writer, count }) => {
                write!(f, "payload {count} of writer {writer:08x} came twice or too late")
            }
            Fault::Lost(writer, lost) => {
                write!(f, "{lost} payloads of writer {writer:08x} are missing, more than were reported as missed")
            }
        }
    }
}

/// Examines one payload by itself. `None` for short ones, which do not say who made them.
///
/// # Errors
/// [`Fault::Form`], [`Fault::Length`], [`Fault::Checksum`].
pub fn check(payload: &[u8]) -> Result<Option<Origin>, Fault> {
    if payload.len() < FULL_LEN {
        return check_short(payload).map(|()| None);
    }
    let writer = hex(payload, WRITER)?;
    let count = hex(payload, COUNT)?;
    let len = hex(payload, LENGTH)?;
    let sum = hex(payload, CHECKSUM)?;
    if let Some(at) = SPACES.into_iter().find(|at| payload[*at] != b' ') {
        return Err(Fault::Form(at));
    }
    if len != payload.len() as u64 {
        return Err(Fault::Length(len));
    }
    if sum != checksum(payload) {
        return Err(Fault::Checksum);
    }
    Ok(Some(Origin { writer: writer as u32, count }))
}

fn check_short(payload: &[u8]) -> Result<(), Fault> {
    let Some((first, rest)) = payload.split_first() else { return Ok(()) };
    if !LETTERS.contains(first) {
        return Err(Fault::Form(0));
    }
    let mut expected = [0; FULL_LEN];
    let expected = &mut expected[..rest.len()];
    fill(expected, short_seed(*first, payload.len()));
    match rest.iter().zip(expected).position(|(a, b)| a != b) {
        Some(at) => Err(Fault::Form(at + 1)),
        None => Ok(()),
    }
}

/// Examines all payloads that one reader gets: each by itself, their order, and that no loss goes unreported.
#[derive(Debug, Default)]
pub struct Checker {
    last: HashMap<u32, u64>,
    lost: u64,
    missed: u64,
}

impl Checker {
    /// Examines the next payload. `missed`: messages lost right before it, as the reader says.
    ///
    /// # Errors
    /// Every [`Fault`].
    pub fn check(&mut self, payload: &[u8], missed: u64) -> Result<(), Fault> {
        self.missed += missed;
        let Some(origin) = check(payload)? else { return Ok(()) };
        if let Some(last) = self.last.insert(origin.writer, origin.count) {
            if origin.count <= last {
                return Err(Fault::Order(origin));
            }
            let lost = origin.count - last - 1;
            self.lost += lost;
            if self.lost > self.missed {
                return Err(Fault::Lost(origin.writer, lost));
            }
        }
        Ok(())
    }
}

/// 64 bits over all bytes but those of the checksum itself: words of eight bytes, little-endian, the last one filled
/// up with zeros, each mixed into the sum of those before.
fn checksum(payload: &[u8]) -> u64 {
    let parts = [&payload[..CHECKSUM.start], &payload[CHECKSUM.end..]];
    parts.into_iter().fold(payload.len() as u64, |sum, part| {
        let (words, rest) = part.as_chunks();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let sum = words.iter().fold(sum, |sum, word| mix(sum, u64::from_le_bytes(*word)));
        mix(sum, u64::from_le_bytes(last))
    })
}

/// Each value of either argument gives another result (both steps can be undone).
fn mix(sum: u64, word: u64) -> u64 {
    let mixed = (sum ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 32)
}

fn short_seed(first: u8, len: usize) -> u64 {
    mix(first.into(), len as u64)
}

/// Fills with letters, eight from each step of a multiplicative generator.
fn fill(to: &mut [u8], seed: u64) {
    let mut state = seed | 1;
    for letters in to.chunks_mut(8) {
        state = state.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(1);
        let mut bits = state >> 16;
        for letter in letters {
            *letter = LETTERS[(bits & 63) as usize];
            bits >>= 6;
        }
    }
}

fn put_hex(to: &mut [u8], value: u64) {
    let digits = to.len();
    for (at, byte) in to.iter_mut().enumerate() {
        let digit = (value >> (4 * (digits - 1 - at))) & 15;
        *byte = b"0123456789abcdef"[digit as usize];
    }
}

fn hex(payload: &[u8], field: Range<usize>) -> Result<u64, Fault> {
    field.into_iter().try_fold(0, |value, at| match payload[at] {
        digit @ b'0'..=b'9' => Ok(value << 4 | u64::from(digit - b'0')),
        digit @ b'a'..=b'f' => Ok(value << 4 | u64::from(digit - b'a' + 10)),
        _ => Err(Fault::Form(at)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_sound_and_never_the_same() {
        for len in (0..200).chain([1000, 4097, 100_000]) {
            let mut generator = Generator::new(0xABCD_0123, len);
            let mut checker = Checker::default();
            let mut before = vec![];
            for count in 0..5 {
                let payload = generator.next();
                assert_eq!(payload.len(), len);
                assert!(payload.iter().all(|byte| (b' '..=b'~').contains(byte)));
                let origin = (len >= FULL_LEN).then_some(Origin { writer: 0xABCD_0123, count });
                assert_eq!(check(payload), Ok(origin), "{len}");
                assert_eq!(checker.check(payload, 0), Ok(()));
                assert!(len == 0 || payload != before);
                before = payload.to_vec();
            }
        }
    }

    #[test]
    fn every_wrong_byte_is_noticed() {
        for len in [8, 51, 52, 53, 64, 300] {
            let payload = Generator::new(7, len).next().to_vec();
            for at in 0..len {
                for change in 1..=255_u8 {
                    let mut wrong = payload.clone();
                    wrong[at] ^= change;
                    assert!(check(&wrong).is_err(), "byte {at} of {len}");
                }
            }
            assert!(check(&payload[..len - 1]).is_err());
        }
    }

    #[test]
    fn mixtures_are_noticed() {
        let mut generator = Generator::new(7, 300);
        let [first, second] = [(); 2].map(|()| generator.next().to_vec());
        let (mut torn, mut sound) = (0, 0);
        for at in 0..=300 {
            let mixture = [&first[..at], &second[at..]].concat();
            if mixture == first || mixture == second {
                sound += 1;
            } else {
                torn += 1;
                assert!(check(&mixture).is_err(), "torn at {at}");
            }
        }
        assert!(torn > 250 && sound > 0);
    }

    #[test]
    fn losses_must_be_reported() {
        let mut generator = Generator::new(7, 60);
        let payloads: Vec<_> = (0..6).map(|_| generator.next().to_vec()).collect();
        let mut checker = Checker::default();
        assert_eq!(checker.check(&payloads[0], 0), Ok(()));
        assert_eq!(checker.check(&payloads[2], 1), Ok(()));
        assert_eq!(checker.check(&payloads[4], 0), Err(Fault::Lost(7, 1)));
        assert_eq!(checker.check(&payloads[4], 0), Err(Fault::Order(Origin { writer: 7, count: 4 })));
        assert_eq!(checker.check(&payloads[3], 0), Err(Fault::Order(Origin { writer: 7, count: 3 })));
    }
}

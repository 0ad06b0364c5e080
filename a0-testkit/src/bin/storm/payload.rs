//! Messages that tell whether they arrived whole: the payload follows from who wrote it, its number and its length.
//!
//! The first two are headers. `interop/peer_storm.py` makes and checks the same messages.

use std::sync::LazyLock;

use a0_core::TimeMono;
use a0_std::{PacketView, keys};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// Header: id of the writer.
pub(crate) const WRITER: &str = "w";
/// Header: how many messages that writer has made before.
pub(crate) const COUNT: &str = "n";
/// Header of messages that are written, but never committed.
pub(crate) const VOID: &str = "v";

/// A prime: pieces of two messages fit together by chance only once in that many times.
const PERIOD: usize = 65_521;

/// Noise, repeated so often that every payload is a part of it from somewhere in the first period.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 1u32;
    let period: Vec<u8> = (0..PERIOD)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    period.repeat(2)
});

/// The pieces that a payload consists of.
fn pieces(writer: u64, count: u64, len: usize) -> impl Iterator<Item = &'static [u8]> {
    let start = (writer * 31 + count * 40_503 + len as u64 * 10_007) as usize % PERIOD;
    let noise = &NOISE[start..start + PERIOD];
    (0..len).step_by(PERIOD).map(move |at| &noise[..PERIOD.min(len - at)])
}

/// Who wrote a message, and which of theirs it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) writer: u64,
    pub(crate) count: u64,
}

/// What a sound packet says; `None` if it is not whole.
pub(crate) fn examine(packet: &PacketView<'_>) -> Option<Origin> {
    let [writer, count] = [WRITER, COUNT].map(|key| packet.header(key)?.parse::<u32>().ok().map(u64::from));
    let origin = Origin { writer: writer?, count: count? };
    let mut rest = packet.payload();
    for piece in pieces(origin.writer, origin.count, rest.len()) {
        rest = rest.strip_prefix(piece)?;
    }
    Some(origin)
}

/// When a message was written, in nanoseconds since boot.
pub(crate) fn time(packet: &PacketView<'_>) -> Option<u64> {
    TimeMono::parse(packet.header(keys::TIME_MONO)?.as_bytes()).ok().map(TimeMono::as_nanos)
}

/// Makes messages.
#[derive(Debug)]
pub(crate) struct Author {
    random: Xoshiro256PlusPlus,
    largest: u64,
    count: u64,
    pub(crate) writer: String,
    pub(crate) number: String,
    pub(crate) payload: Vec<u8>,
}

impl Author {
    pub(crate) fn new(seed: u64, largest: u64) -> Author {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let writer = random.next_u32().to_string();
        Author { random, largest, count: 0, writer, number: String::new(), payload: Vec::new() }
    }

    /// A number below the limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    /// Whether this is one of every two messages.
    pub(crate) fn count_is_even(&self) -> bool {
        self.count.is_multiple_of(2)
    }

    /// Puts things into any order.
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// Headers of the message that was made last.
    pub(crate) fn headers(&self) -> [(&str, &str); 2] {
        [(WRITER, &self.writer), (COUNT, &self.number)]
    }

    /// Makes the next message.
    pub(crate) fn next(&mut self) {
        let limit = match self.below(64) {
            0 => 1,
            1..=2 => self.largest + 1,
            3..=10 => 4096,
            _ => 300,
        };
        let len = self.below(limit.min(self.largest + 1)) as usize;
        let writer = self.writer.parse().unwrap_or_default();
        self.number = self.count.to_string();
        self.payload.clear();
        pieces(writer, self.count, len).for_each(|piece| self.payload.extend_from_slice(piece));
        self.count += 1;
    }
}

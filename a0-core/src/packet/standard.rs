//! The five headers that every publisher puts first, written without measuring and searching strings.

use super::{ENTRY_LEN, MIN_LEN, PacketError, WORD_LEN, keys, short};
use crate::id::Id;
use crate::text::{Decimal, eight_digits};
use crate::time::{TimeMono, TimeWall};

/// Number of standard headers.
const COUNT: usize = 5;

/// What stands in front of the file's sequence number.
const FIRST: [u8; 17] = *b"a0_transport_seq\0";

/// What stands between the two sequence numbers, without the time.
const MIDDLE: [u8; 48] = *b"\0a0_time_mono\0...................\0a0_writer_seq\0";
const MONO_IN_MIDDLE: usize = 14;

/// What stands behind the writer's sequence number, without id and time.
const LAST: [u8; 100] =
    *b"\0a0_writer_id\0....................................\0a0_time_wall\0...................................\0";
const ID_IN_LAST: usize = 14;
const WALL_IN_LAST: usize = 64;

/// The standard headers of one writer: what is the same in all its packets is encoded once.
///
/// The packets are those that [`Encoder`](super::Encoder) writes from the same headers.
#[derive(Clone, Copy, Debug)]
pub struct StandardHeaders {
    last: [u8; LAST.len()],
}

/// What the standard headers say of one packet.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one value for each of the standard headers, of which there are five")]
pub struct Stamp {
    /// How many packets the file had taken before: `a0_transport_seq`.
    pub transport_seq: u64,
    /// When it was written, since boot: `a0_time_mono`.
    pub time_mono: TimeMono,
    /// How many packets the writer had written before: `a0_writer_seq`.
    pub writer_seq: u64,
    /// When it was written, in civil time: `a0_time_wall`.
    pub time_wall: TimeWall,
}

/// The texts of the last times, whose first digits are mostly those of the next times, too. Keep one per thread.
#[derive(Clone, Copy, Debug)]
pub struct LastTexts {
    /// The last time since boot in steps of [`MONO_STEP`].
    mono_steps: u64,
    mono: [u8; 19],
    /// The seconds of the last civil time.
    wall_secs: i64,
    wall: [u8; 35],
}

/// Nanoseconds in what the last eight digits of a time since boot count.
const MONO_STEP: u64 = 100_000_000;
const MONO_DIGITS_AT: usize = 11;
const WALL_NANOS_AT: usize = 20;

impl LastTexts {
    /// The texts of no time yet.
    pub const NONE: LastTexts = LastTexts { mono_steps: u64::MAX, mono: [0; 19], wall_secs: i64::MIN, wall: [0; 35] };

    #[inline(always)]
    fn put_mono(&mut self, time: TimeMono, out: &mut [u8], at: usize) {
        let steps = time.as_nanos() / MONO_STEP;
        if self.mono_steps != steps {
            (self.mono_steps, self.mono) = (steps, *time.to_text().as_full());
        }
        put(out, at, &self.mono);
        put(out, at + MONO_DIGITS_AT, &eight_digits((time.as_nanos() % MONO_STEP) as u32));
    }

    #[inline(always)]
    fn put_wall(&mut self, time: TimeWall, out: &mut [u8], at: usize) {
        if self.wall_secs != time.secs() {
            (self.wall_secs, self.wall) = (time.secs(), *time.to_text().as_full());
        }
        let nanos = time.subsec_nanos();
        put(out, at, &self.wall);
        put(out, at + WALL_NANOS_AT, &eight_digits(nanos / 10));
        put(out, at + WALL_NANOS_AT + 8, &[b'0' + (nanos % 10) as u8]);
    }
}

impl StandardHeaders {
    /// The standard headers of the writer with this id.
    pub fn new(writer: &Id) -> Self {
        let mut last = LAST;
        last[ID_IN_LAST..][..Id::LEN].copy_from_slice(writer.as_bytes());
        Self { last }
    }

    /// Writes all of a packet that precedes its payload, with the standard headers in front of `headers`; gives its
    /// length.
    ///
    /// # Errors
    ///
    /// [`PacketError::KeyHasNul`] and [`PacketError::ValueHasNul`], as for [`Encoder::new`](super::Encoder::new);
    /// [`PacketError::BufferTooSmall`].
    #[inline(always)]
    pub fn encode_head<const ROOM: usize>(
        &self,
        id: &Id,
        stamp: &Stamp,
        headers: &[(&str, &str)],
        last_texts: &mut LastTexts,
        out: &mut [u8; ROOM],
    ) -> Result<usize, PacketError> {
        // Room for the longest standard headers, wherever they end: no copy below can miss.
        let table_len = ENTRY_LEN.checked_mul(COUNT + headers.len()).ok_or(PacketError::TooLarge)?;
        let needed = MIN_LEN + table_len + FIRST.len() + MIDDLE.len() + LAST.len() + 2 * Decimal::CAPACITY;
        if needed > ROOM {
            return Err(PacketError::BufferTooSmall { needed });
        }
        let text = MIN_LEN + table_len;
        let transport_seq = Decimal::from(stamp.transport_seq);
        let writer_seq = Decimal::from(stamp.writer_seq);

        let key_1 = text;
        let value_1 = key_1 + FIRST.len();
        let middle = value_1 + transport_seq.len();
        let key_2 = middle + 1;
        let value_2 = middle + MONO_IN_MIDDLE;
        let key_3 = value_2 + 19 + 1;
        let value_3 = middle + MIDDLE.len();
        let last = value_3 + writer_seq.len();
        let key_4 = last + 1;
        let value_4 = last + ID_IN_LAST;
        let key_5 = value_4 + Id::LEN + 1;
        let value_5 = last + WALL_IN_LAST;
        let end = last + LAST.len();

        put(out, 0, id.as_bytes());
        put(out, Id::LEN, &[0]);
        put(out, Id::WIRE_LEN, &word(COUNT + headers.len()));
        let offsets = [key_1, value_1, key_2, value_2, key_3, value_3, key_4, value_4, key_5, value_5];
        for (index, offset) in offsets.into_iter().enumerate() {
            put(out, Id::WIRE_LEN + WORD_LEN + index * WORD_LEN, &word(offset));
        }

        // Backwards: each number is written with all its leading zeros, which what stands in front then covers.
        put(out, last, &self.last);
        last_texts.put_wall(stamp.time_wall, out, value_5);
        put(out, last - Decimal::CAPACITY, writer_seq.zero_padded());
        put(out, middle, &MIDDLE);
        last_texts.put_mono(stamp.time_mono, out, value_2);
        put(out, middle - Decimal::CAPACITY, transport_seq.zero_padded());
        put(out, key_1, &FIRST);
        let end = if headers.is_empty() { end } else { append(out, end, headers)? };
        put(out, text - WORD_LEN, &word(end));
        Ok(end)
    }
}

/// Writes further headers, whose text starts at `end`; gives the new end.
fn append(out: &mut [u8], mut end: usize, headers: &[(&str, &str)]) -> Result<usize, PacketError> {
    let mut entry = Id::WIRE_LEN + WORD_LEN + COUNT * ENTRY_LEN;
    for (index, (key, value)) in headers.iter().enumerate() {
        let index = COUNT + index;
        if short::has_nul(key.as_bytes()) {
            return Err(PacketError::KeyHasNul { index });
        }
        if short::has_nul(value.as_bytes()) {
            return Err(PacketError::ValueHasNul { index });
        }
        for string in [key, value] {
            let needed =
                end.checked_add(string.len()).and_then(|end| end.checked_add(1)).ok_or(PacketError::TooLarge)?;
            let room = out.get_mut(end..needed).and_then(<[u8]>::split_last_mut);
            let (nul, room) = room.ok_or(PacketError::BufferTooSmall { needed })?;
            short::copy(room, string.as_bytes());
            *nul = 0;
            put(out, entry, &word(end));
            entry += WORD_LEN;
            end = needed;
        }
    }
    Ok(end)
}

/// Copies a piece to a place that is known to lie in `out`.
#[inline(always)]
fn put<const N: usize>(out: &mut [u8], at: usize, piece: &[u8; N]) {
    let room = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
    debug_assert!(room.is_some(), "measured before");
    if let Some(room) = room {
        *room = *piece;
    }
}

/// A count or an offset as it is stored. A `usize` always fits.
#[inline]
const fn word(value: usize) -> [u8; 8] {
    (value as u64).to_le_bytes()
}

// The pieces must be those that the keys call for.
const _: () = {
    assert!(FIRST.len() == keys::TRANSPORT_SEQ.len() + 1);
    assert!(MONO_IN_MIDDLE == keys::TIME_MONO.len() + 2);
    assert!(MIDDLE.len() == MONO_IN_MIDDLE + 19 + 1 + keys::WRITER_SEQ.len() + 1);
    assert!(ID_IN_LAST == keys::WRITER_ID.len() + 2);
    assert!(WALL_IN_LAST == ID_IN_LAST + Id::LEN + 1 + keys::TIME_WALL.len() + 1);
    assert!(LAST.len() == WALL_IN_LAST + 35 + 1);
};

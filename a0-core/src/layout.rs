//! Where every byte of a topic file lives: the 144-byte header, the two state pages, the frames.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 9 | magic `ALEPHZERO` |
//! | 9 | 3 | version: major, minor, patch |
//! | 12 | 1 | initialized |
//! | 16 | 8 + 8 | robust-list links of the lock: [`header::MUTEX_NEXT`], [`header::MUTEX_PREV`] |
//! | 32 | 4 | lock word |
//! | 36 | 4 | [`header::FOREIGN`] |
//! | 40 | 4 | [`header::EVENTS`] |
//! | 44 | 4 | [`header::SLEEPERS`] |
//! | 48 | 40 | state page 0 |
//! | 88 | 40 | state page 1 |
//! | 128 | 1 | [`header::COMMITTED_PAGE`] |
//! | 132 | 4 | [`header::PID_NAMESPACE`] |
//! | 136 | 8 | [`header::ARENA_SIZE`] |
//! | 144 | … | frames, each on a multiple of 16: a 40-byte header, then the data |
//!
//! All integers are little-endian. Bytes 36–39, 44–47 and 132–135 are padding to AlephZero 0.3, which never writes them
//! after the file was created; this implementation keeps its own three words there.

use core::marker::PhantomData;

/// First offset at which a frame can start: the header, rounded up to 16.
pub const WORKSPACE: u64 = 144;

/// Bytes in front of each frame's data.
pub const FRAME_HEADER: u64 = 40;

/// Every frame starts on a multiple of this.
pub const FRAME_ALIGN: u64 = 16;

/// The nine bytes at offset 0 of every 0.3 file.
pub const MAGIC: [u8; 9] = *b"ALEPHZERO";

/// The version that 0.3 writes (every 0.3.x writes 0.3.0).
pub const VERSION: [u8; 3] = [0, 3, 0];

/// One location of one fixed width.
///
/// Each location is only ever accessed through one `Field`, so no two accesses of different width race:
/// mixed-size atomics have no defined behaviour.
#[derive(Debug, PartialEq, Eq)]
pub struct Field<T> {
    offset: u64,
    width: PhantomData<fn() -> T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> Field<T> {
    /// The location `offset` bytes from the start of the memory.
    pub const fn at(offset: u64) -> Self {
        Field { offset, width: PhantomData }
    }

    /// Distance in bytes from the start of the memory.
    pub const fn offset(self) -> u64 {
        self.offset
    }
}

impl Field<u64> {
    /// This location and the four behind it.
    pub(crate) fn words(self) -> [Field<u64>; 5] {
        core::array::from_fn(|i| Field::at(self.offset + 8 * i as u64))
    }
}

/// `value` rounded up to the next multiple of 16, or `None` past the end of `u64`.
pub const fn align16(value: u64) -> Option<u64> {
    match value.checked_add(FRAME_ALIGN - 1) {
        Some(raised) => Some(raised & !(FRAME_ALIGN - 1)),
        None => None,
    }
}

/// The fixed fields of the 144-byte header.
pub mod header {
    use super::Field;

    /// The first eight bytes of the magic, as one word: storing it is the last step of an upgrade from 0.2.
    pub const MAGIC_WORD: Field<u64> = Field::at(0);
    /// The ninth byte of the magic, the version, and `initialized`, as one word: storing it is the last step of
    /// initialisation.
    pub const VERSION_WORD: Field<u64> = Field::at(8);
    /// Robust-list link, a virtual address in whichever 0.3 C process held the lock last. Never followed here;
    /// written only while a thread holds more than one lock.
    pub const MUTEX_NEXT: Field<u64> = Field::at(16);
    /// Robust-list back link. Rust never stores anything but zero, so a non-zero value says that a 0.3 C process
    /// has held the lock since somebody last looked.
    pub const MUTEX_PREV: Field<u64> = Field::at(24);
    /// The lock word: owner's thread id, bit 30 "owner died", bit 31 "the kernel has waiters".
    pub const LOCK_WORD: Field<u32> = Field::at(32);
    /// Sticky: 1 once a foreign (0.3 C core) process was seen. From then on every publish requeues `EVENTS`.
    pub const FOREIGN: Field<u32> = Field::at(36);
    /// Event counter on which 0.3 processes sleep (requeue-PI, with the lock word as target); wraps.
    pub const EVENTS: Field<u32> = Field::at(40);
    /// Who sleeps: bit 0 plain futex sleepers on this word, bit 1 requeue-PI sleepers on `EVENTS`,
    /// bits 2–31 an epoch that every wake-up advances.
    pub const SLEEPERS: Field<u32> = Field::at(44);
    /// Which of the two state pages is the committed one: 0 or 1.
    pub const COMMITTED_PAGE: Field<u8> = Field::at(128);
    /// Whose thread ids stand in the lock word: a number of the PID namespace of those who lock, 0 if nobody has said so.
    /// The core leaves it alone; see `a0_linux::TopicFile::open`.
    pub const PID_NAMESPACE: Field<u32> = Field::at(132);
    /// Usable bytes, counted from offset 0.
    pub const ARENA_SIZE: Field<u64> = Field::at(136);
}

/// The five words of a state page; page 0 starts at 48, page 1 at 88.
pub mod page {
    use super::Field;

    /// Offset of the page with this index; anything but 0 counts as page 1, so that a hostile index stays inside.
    const fn start(index: u8) -> u64 {
        48 + 40 * (index != 0) as u64
    }

    /// Sequence number of the oldest frame.
    pub const fn seq_low(index: u8) -> Field<u64> {
        Field::at(start(index))
    }

    /// Sequence number of the newest frame ever committed.
    pub const fn seq_high(index: u8) -> Field<u64> {
        Field::at(start(index) + 8)
    }

    /// Offset of the oldest frame, 0 when empty.
    pub const fn off_head(index: u8) -> Field<u64> {
        Field::at(start(index) + 16)
    }

    /// Offset of the newest frame, 0 when empty.
    pub const fn off_tail(index: u8) -> Field<u64> {
        Field::at(start(index) + 24)
    }

    /// End of the used part of the arena.
    pub const fn high_water_mark(index: u8) -> Field<u64> {
        Field::at(start(index) + 32)
    }
}

/// The five words of a frame header, for the frame at `off`. The caller has checked `off` (see
/// [`crate::FrameHeader::load`]).
pub mod frame {
    use super::Field;

    /// Sequence number.
    pub const fn seq(off: u64) -> Field<u64> {
        Field::at(off)
    }

    /// The frame's own offset.
    pub const fn off(off: u64) -> Field<u64> {
        Field::at(off + 8)
    }

    /// Offset of the next newer frame, 0 for the newest.
    pub const fn next_off(off: u64) -> Field<u64> {
        Field::at(off + 16)
    }

    /// Offset of the next older frame, 0 if there was none; stale in the oldest frame.
    pub const fn prev_off(off: u64) -> Field<u64> {
        Field::at(off + 24)
    }

    /// Bytes of data behind the frame header.
    pub const fn data_size(off: u64) -> Field<u64> {
        Field::at(off + 32)
    }
}

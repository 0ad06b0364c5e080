//! Writing packets into a file.

mod locked;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use a0_core::packet::{Decimal, LastTexts, PacketSink, Staged, Stamp, StandardHeaders};
use a0_core::{Clock, Cursor, Encoder, Id, Mem, Slot, TimeWall};
use a0_linux::SystemClock;

use crate::error::Result;
use crate::file::{File, PATROL, SharedLocked};
use crate::id::random_id;
use crate::keys;
use crate::packet::Packet;

/// Header blocks up to this size reach the topic in one copy.
const STAGE: usize = 512;

/// Messages in a topic between two looks of a writer without clock whether the file is still there.
const LOOK_EVERY: u64 = 1024;

thread_local! {
    static LAST_TEXTS: RefCell<LastTexts> = const { RefCell::new(LastTexts::NONE) };
}

/// Writes packets into a file. Can be shared between threads.
///
/// A new writer adds no headers; [`Writer::with_standard_headers`] makes it add those that AlephZero programs expect.
#[derive(Debug)]
pub struct Writer {
    file: File,
    standard: Option<Standard>,
}

/// What the standard headers of one writer share.
#[derive(Debug)]
struct Standard {
    writer_id: Id,
    headers: StandardHeaders,
    next_seq: AtomicU64,
    /// When to look again whether the file is there, in nanoseconds of the monotonic clock.
    next_look: AtomicU64,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The packet's id, for replies and `a0_dep` headers.
    pub id: Id,
    /// Its sequence number in the topic.
    pub seq: u64,
}

impl Writer {
    /// A writer that writes packets as they are.
    pub fn new(file: &File) -> Writer {
        Writer { file: file.clone(), standard: None }
    }

    /// Adds to each packet, in front of its own headers: `a0_transport_seq`, `a0_time_mono`, `a0_writer_seq`,
    /// `a0_writer_id`, `a0_time_wall`.
    #[must_use]
    pub fn with_standard_headers(self) -> Writer {
        let writer_id = random_id();
        let headers = StandardHeaders::new(&writer_id);
        Writer {
            standard: Some(Standard { writer_id, headers, next_seq: AtomicU64::new(0), next_look: AtomicU64::new(0) }),
            ..self
        }
    }

    /// The file it writes to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes a payload in a packet with a new id.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic): larger than the arena, read-only, or the lock is not to be had.
    /// [`Error::TopicRemoved`](crate::Error::TopicRemoved): somebody has removed the file. A writer with standard headers
    /// looks every 100 ms, one without whenever another 1024 messages are in the topic; what was written in between
    /// reached those who had the file open. Nothing was written by the call that fails.
    pub fn write(&self, payload: impl AsRef<[u8]>) -> Result<Published> {
        self.write_parts(random_id(), &[], payload.as_ref())
    }

    /// Writes a payload with headers in a packet with a new id.
    ///
    /// # Errors
    /// As [`Writer::write`], and [`Error::BadPacket`](crate::Error::BadPacket) for a NUL in a header.
    pub fn write_with(&self, headers: &[(&str, &str)], payload: impl AsRef<[u8]>) -> Result<Published> {
        self.write_parts(random_id(), headers, payload.as_ref())
    }

    /// Writes a packet.
    ///
    /// # Errors
    /// As [`Writer::write_with`].
    pub fn write_packet(&self, packet: &Packet) -> Result<Published> {
        let headers: Vec<_> = packet.headers().collect();
        self.write_parts(*packet.id(), &headers, packet.payload())
    }

    pub(crate) fn write_parts(&self, id: Id, headers: &[(&str, &str)], payload: &[u8]) -> Result<Published> {
        let seq = match &self.standard {
            None => self.append(&mut self.file.lock()?, &Encoder::new(&id, &[headers], payload)?)?,
            Some(standard) => self.write_standard(standard, &id, headers, payload)?,
        };
        Ok(Published { id, seq })
    }

    /// Writes a packet with a given id; gives the place right behind it, from where its answers are read.
    pub(crate) fn write_placed(&self, id: &Id, headers: &[(&str, &str)], payload: &[u8]) -> Result<Cursor> {
        // Refused before the lock is taken.
        Encoder::new(id, &[headers], &[])?;
        let time_wall = SystemClock.wall();
        let mut locked = self.file.lock()?;
        match &self.standard {
            None => self.append(&mut locked, &Encoder::new(id, &[headers], payload)?)?,
            Some(standard) => self.append_standard(&mut locked, standard, time_wall, id, headers, payload)?,
        };
        Ok(Cursor::behind_newest(&locked.state()))
    }

    #[inline(always)]
    fn write_standard(&self, standard: &Standard, id: &Id, headers: &[(&str, &str)], payload: &[u8]) -> Result<u64> {
        // Refused before the lock is taken.
        Encoder::new(id, &[headers], &[])?;
        let time_wall = SystemClock.wall();
        let mut locked = self.file.lock()?;
        self.append_standard(&mut locked, standard, time_wall, id, headers, payload)
    }

    #[inline(always)]
    fn append_standard(
        &self,
        locked: &mut SharedLocked<'_>,
        standard: &Standard,
        time_wall: TimeWall,
        id: &Id,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Result<u64> {
        let stamp = Stamp {
            transport_seq: locked.state().seq_high,
            // Under the lock, so that times are in order within a topic.
            time_mono: SystemClock.mono(),
            // The lock makes load and store one step.
            writer_seq: standard.next_seq.load(Ordering::Relaxed),
            time_wall,
        };
        let now = stamp.time_mono.as_nanos();
        if now >= standard.next_look.load(Ordering::Relaxed) {
            self.look(standard, now)?;
        }
        let mut head = [0; STAGE];
        let encoded =
            LAST_TEXTS.with_borrow_mut(|last| standard.headers.encode_head(id, &stamp, headers, last, &mut head));
        let seq = match encoded {
            Ok(len) => self.append_joined(locked, &head[..len], payload)?,
            // Larger than usual.
            Err(_) => self.append_stamped(locked, standard, id, &stamp, headers, payload)?,
        };
        standard.next_seq.store(stamp.writer_seq.wrapping_add(1), Ordering::Relaxed);
        Ok(seq)
    }

    /// Looks whether the file is still there. If not, the next packet looks again.
    #[cold]
    fn look(&self, standard: &Standard, now: u64) -> Result<()> {
        self.file.check_is_there()?;
        standard.next_look.store(now.saturating_add(PATROL.as_nanos() as u64), Ordering::Relaxed);
        Ok(())
    }

    #[inline(always)]
    fn append_joined(&self, locked: &mut SharedLocked<'_>, head: &[u8], payload: &[u8]) -> Result<u64> {
        let mut slot =
            locked.alloc(head.len() as u64 + payload.len() as u64).map_err(|source| self.file.error(source))?;
        slot.write(0, head);
        slot.write(head.len() as u64, payload);
        let seq = slot.seq();
        locked.commit();
        Ok(seq)
    }

    #[cold]
    fn append_stamped(
        &self,
        locked: &mut SharedLocked<'_>,
        standard: &Standard,
        id: &Id,
        stamp: &Stamp,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Result<u64> {
        let (transport_seq, writer_seq) = (Decimal::from(stamp.transport_seq), Decimal::from(stamp.writer_seq));
        let (time_mono, time_wall) = (stamp.time_mono.to_text(), stamp.time_wall.to_text());
        let standard = [
            (keys::TRANSPORT_SEQ, transport_seq.as_str()),
            (keys::TIME_MONO, time_mono.as_str()),
            (keys::WRITER_SEQ, writer_seq.as_str()),
            (keys::WRITER_ID, standard.writer_id.as_str()),
            (keys::TIME_WALL, time_wall.as_str()),
        ];
        let blocks = [&standard[..], headers];
        self.append(locked, &Encoder::new(id, &blocks, payload)?)
    }

    fn append(&self, locked: &mut SharedLocked<'_>, encoder: &Encoder<'_>) -> Result<u64> {
        // Without a clock at hand, now and then.
        if locked.state().seq_high.is_multiple_of(LOOK_EVERY) {
            self.file.check_is_there()?;
        }
        let slot = locked.alloc(encoder.encoded_len() as u64).map_err(|source| self.file.error(source))?;
        let seq = fill(slot, encoder);
        locked.commit();
        Ok(seq)
    }
}

fn fill<M: Mem>(slot: Slot<'_, M>, encoder: &Encoder<'_>) -> u64 {
    let seq = slot.seq();
    let mut sink = SlotSink { slot, at: 0 };
    let mut stage = Staged::<_, STAGE>::new(&mut sink);
    encoder.write_to(&mut stage);
    stage.finish();
    seq
}

/// Fills a slot from its start.
struct SlotSink<'l, M> {
    slot: Slot<'l, M>,
    at: u64,
}

impl<M: Mem> PacketSink for SlotSink<'_, M> {
    fn put(&mut self, bytes: &[u8]) {
        self.slot.write(self.at, bytes);
        self.at += bytes.len() as u64;
    }
}

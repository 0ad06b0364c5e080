//! Writing packets into a file.

use std::sync::atomic::{AtomicU64, Ordering};

use a0_core::packet::{Decimal, PacketSink, Staged};
use a0_core::{Clock, Encoder, Id, Mem, Slot};
use a0_linux::SystemClock;

use crate::error::Result;
use crate::file::{File, SharedLocked};
use crate::id::random_id;
use crate::keys;
use crate::packet::Packet;

/// Header block and small payloads reach the topic in one copy up to this size.
const STAGE: usize = 512;

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
    next_seq: AtomicU64,
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
        Writer { standard: Some(Standard { writer_id: random_id(), next_seq: AtomicU64::new(0) }), ..self }
    }

    /// The file it writes to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes a payload in a packet with a new id.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic): larger than the arena, read-only, or the lock is not to be had. Nothing
    /// was written then.
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

    fn write_parts(&self, id: Id, headers: &[(&str, &str)], payload: &[u8]) -> Result<Published> {
        let seq = match &self.standard {
            None => self.append(&mut self.file.lock()?, &Encoder::new(&id, &[headers], payload)?)?,
            Some(standard) => self.write_standard(standard, &id, headers, payload)?,
        };
        Ok(Published { id, seq })
    }

    fn write_standard(&self, standard: &Standard, id: &Id, headers: &[(&str, &str)], payload: &[u8]) -> Result<u64> {
        // Refused before a sequence number is used up or the lock is taken.
        Encoder::new(id, &[headers], &[])?;
        let wall = SystemClock.wall().to_text();
        let writer_seq = Decimal::from(standard.next_seq.fetch_add(1, Ordering::Relaxed));
        let mut locked = self.file.lock()?;
        // Under the lock, so that times are in order within a topic.
        let mono = SystemClock.mono().to_text();
        let transport_seq = Decimal::from(locked.state().seq_high);
        let standard = [
            (keys::TRANSPORT_SEQ, transport_seq.as_str()),
            (keys::TIME_MONO, mono.as_str()),
            (keys::WRITER_SEQ, writer_seq.as_str()),
            (keys::WRITER_ID, standard.writer_id.as_str()),
            (keys::TIME_WALL, wall.as_str()),
        ];
        let blocks = [&standard[..], headers];
        let encoder = Encoder::new(id, &blocks, payload)?;
        self.append(&mut locked, &encoder)
    }

    fn append(&self, locked: &mut SharedLocked<'_>, encoder: &Encoder<'_>) -> Result<u64> {
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

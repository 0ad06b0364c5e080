//! Writing packets into a file.

mod begin;
pub(crate) mod loan;
mod open_packet;
pub(crate) mod published;
mod standard;
#[cfg(feature = "zerocopy")]
pub(crate) mod typed;

use std::time::Duration;

use a0_core::{Cursor, Id};
use a0_linux::Latest;

use crate::error::{Error, Result};
use crate::file::{File, SharedLocked};
use crate::id::random_id;
use crate::packet::Packet;
use crate::writer::loan::Loan;
use crate::writer::published::Published;
use crate::writer::standard::Standard;

/// Writes packets into a file. Can be shared between threads.
///
/// A new writer adds no headers; [`Writer::with_standard_headers`] makes it add those that AlephZero programs expect.
#[derive(Debug)]
pub struct Writer {
    /// The first one, and those that have taken its place.
    files: Latest<File>,
    /// Whether it goes on with another file when its own is removed.
    comes_back: bool,
    standard: Option<Standard>,
}

impl Writer {
    /// A writer that writes packets as they are.
    pub fn new(file: &File) -> Writer {
        Writer { files: Latest::new(file.clone()), comes_back: false, standard: None }
    }

    /// Adds to each packet, in front of its own headers: `a0_transport_seq`, `a0_time_mono`, `a0_writer_seq`,
    /// `a0_writer_id`, `a0_time_wall`.
    #[must_use]
    pub fn with_standard_headers(self) -> Writer {
        Writer { standard: Some(Standard::new()), ..self }
    }

    /// Goes on with the file that has the name now when its own is removed, unless its options say otherwise.
    pub(crate) fn that_comes_back(self) -> Writer {
        Writer { comes_back: self.file().is_to_be_reopened(), ..self }
    }

    pub(crate) fn does_come_back(&self) -> bool {
        self.comes_back
    }

    /// The file it writes to.
    #[inline(always)]
    pub fn file(&self) -> &File {
        self.files.get()
    }

    /// Does something with the file. If that finds out that it was removed, before anything is written, it is done with the
    /// one that has its name now, if the writer comes back.
    #[inline(always)]
    pub(crate) fn coming_back<'w, R>(&'w self, mut work: impl FnMut(&'w File) -> Result<R>) -> Result<R> {
        let mut file = self.file();
        let mut again = self.comes_back;
        // One place where it is done, or else it would be a call.
        loop {
            match work(file) {
                Err(Error::TopicRemoved { .. }) if again => file = self.move_on(file)?,
                result => return result,
            }
            again = false;
        }
    }

    /// The file to use in place of one that was removed.
    #[cold]
    pub(crate) fn move_on(&self, file: &File) -> Result<&File> {
        if !self.comes_back {
            return Err(file.removed());
        }
        self.files.replace(file, file.reopened()?).ok_or_else(|| file.removed())
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

    /// Lends room for a payload of `len` bytes in the topic itself, to be filled in place; see [`Loan`].
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn loan(&self, len: usize) -> Result<Loan<'_>> {
        self.loan_with(&[], len)
    }

    /// Lends room for a payload of `len` bytes in a packet with headers.
    ///
    /// # Errors
    /// As [`Writer::write_with`].
    pub fn loan_with(&self, headers: &[(&str, &str)], len: usize) -> Result<Loan<'_>> {
        let id = random_id();
        self.coming_back(|file| self.begin(file, file.lock()?, &id, headers, len, |packet| Loan::new(id, packet)))
    }

    pub(crate) fn write_parts(&self, id: Id, headers: &[(&str, &str)], payload: &[u8]) -> Result<Published> {
        self.write_within(self.file().lock_timeout(), id, headers, payload)
    }

    /// Writes a packet; waits for the lock no longer than that.
    pub(crate) fn write_within(
        &self,
        lock_timeout: Duration,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Result<Published> {
        let file = self.file();
        let locked = file.lock_within(lock_timeout)?;
        match self.begin(file, locked, &id, headers, payload.len(), |packet| packet.finish(payload)) {
            Ok(seq) => Ok(Published { id, seq }),
            Err(error) => self.write_elsewhere(file, error, lock_timeout, id, headers, payload),
        }
    }

    /// Writes a packet to a file of this writer that is locked, and releases the lock. Not for the usual way, which would
    /// share the closure with this one: what is there once only needs no call.
    pub(crate) fn write_locked(
        &self,
        file: &File,
        locked: SharedLocked<'_>,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Result<Published> {
        let seq = self.begin(file, locked, &id, headers, payload.len(), |packet| packet.finish(payload))?;
        Ok(Published { id, seq })
    }

    /// What becomes of a packet that was not written to this file.
    #[cold]
    #[inline(never)]
    fn write_elsewhere(
        &self,
        file: &File,
        error: Error,
        lock_timeout: Duration,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Result<Published> {
        let Error::TopicRemoved { .. } = error else { return Err(error) };
        let file = self.move_on(file)?;
        self.write_locked(file, file.lock_within(lock_timeout)?, id, headers, payload)
    }

    /// The same; right before others can see the packet, `first` gets the place behind it, from where its answers are read.
    pub(crate) fn write_placed(
        &self,
        lock_timeout: Duration,
        id: &Id,
        headers: &[(&str, &str)],
        payload: &[u8],
        first: impl FnOnce(Cursor),
    ) -> Result<()> {
        let file = self.file();
        self.begin(file, file.lock_within(lock_timeout)?, id, headers, payload.len(), |packet| {
            first(packet.end());
            packet.finish(payload);
        })
    }
}

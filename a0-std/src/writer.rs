//! Writing packets into a file.

pub(crate) mod loan;
mod locked;
#[cfg(feature = "zerocopy")]
pub(crate) mod typed;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use a0_core::packet::StandardHeaders;
use a0_core::{Cursor, Id};
use a0_linux::Latest;

use crate::error::{Error, Result};
use crate::file::File;
use crate::id::random_id;
use crate::packet::Packet;
use crate::writer::loan::Loan;

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

/// What the standard headers of one writer share.
#[derive(Debug)]
struct Standard {
    writer_id: Id,
    headers: StandardHeaders,
    next_seq: AtomicU64,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The packet's id, for replies and `a0_dep` headers.
    pub id: Id,
    /// Its sequence number in the topic.
    pub seq: u64,
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
        let writer_id = random_id();
        let headers = StandardHeaders::new(&writer_id);
        Writer { standard: Some(Standard { writer_id, headers, next_seq: AtomicU64::new(0) }), ..self }
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
        self.coming_back(|file| self.lock(file)?.begin(&id, headers, len, |begun| Loan::new(id, begun)))
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
        let locked = self.lock_within(file, lock_timeout)?;
        match locked.begin(&id, headers, payload.len(), |begun| begun.finish(payload)) {
            Ok(seq) => Ok(Published { id, seq }),
            Err(error) => self.write_elsewhere(file, error, lock_timeout, id, headers, payload),
        }
    }

    /// What becomes of a packet that was not written to this file. All of it is apart from the usual way, down to the closure: what is there
    /// once only needs no call.
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
        let locked = self.lock_within(self.move_on(file)?, lock_timeout)?;
        let seq = locked.begin(&id, headers, payload.len(), |begun| begun.finish(payload))?;
        Ok(Published { id, seq })
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
        self.lock_within(self.file(), lock_timeout)?.begin(id, headers, payload.len(), |begun| {
            first(begun.end());
            begun.finish(payload);
        })
    }
}

impl Standard {
    /// The number of the writer's next packet. Only for the lock's holder.
    #[inline(always)]
    fn next_seq(&self) -> u64 {
        self.next_seq.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set_next_seq(&self, next: u64) {
        self.next_seq.store(next, Ordering::Relaxed);
    }
}

//! Messages that were read together, and are handed out one by one.
//!
//! Where several messages wait, one look at the topic serves them all, which spares publisher and reader most of what they
//! cost each other. Nothing is waited for: a message that comes alone is handed out alone.

use a0_core::{Cursor, Error, RawMem, Received};
use a0_linux::{AccessLock, Mapping};

/// Messages that are read together, at most.
const MAX_MESSAGES: usize = 16;
/// Bytes that are read together, at most. What does not fit is read alone.
const MAX_BYTES: usize = 4096;

/// What was read and not yet handed out.
#[derive(Debug)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Empty until it is needed, as `bytes`: readers that read one message at a time are moved about.
    received: Vec<Received>,
    /// Those of `received` that wait are `next..count`. Invariant: next <= count <= received.len().
    next: usize,
    count: usize,
    /// Where the bytes of the message handed out last end. Invariant: <= bytes.len().
    end: usize,
    /// Behind all of them.
    cursor: Cursor,
}

impl Batch {
    pub(super) fn new(cursor: Cursor) -> Batch {
        Batch { bytes: Vec::new(), received: Vec::new(), next: 0, count: 0, end: 0, cursor }
    }

    /// Hands out the next message that waits, and where its bytes start.
    #[inline(always)]
    pub(super) fn next(&mut self, cursor: &mut Cursor) -> Option<(Received, usize)> {
        if self.next == self.count {
            return None;
        }
        let received = self.received[self.next];
        self.next += 1;
        let start = self.end;
        self.end += received.len;
        *cursor = self.cursor.behind(&received);
        Some((received, start))
    }

    /// Reads what follows the cursor, and hands out the first of it.
    #[inline(always)]
    pub(super) fn read(
        &mut self,
        topic: &a0_core::Transport<RawMem<Mapping>, AccessLock>,
        cursor: &mut Cursor,
    ) -> Result<Option<(Received, usize)>, Error> {
        if self.bytes.is_empty() {
            self.bytes.resize(MAX_BYTES, 0);
            self.received.resize(MAX_MESSAGES, Received::default());
        }
        self.forget();
        let count = topic.read_batch(cursor, &mut self.bytes, &mut self.received)?;
        (self.count, self.cursor) = (count, *cursor);
        Ok(self.next(cursor))
    }

    /// Returns the bytes of a message that was handed out, from where they start.
    #[inline(always)]
    pub(super) fn bytes(&self, start: usize, len: usize) -> &[u8] {
        &self.bytes[start..start + len]
    }

    /// Drops what waits; it can be read again.
    pub(super) fn forget(&mut self) {
        (self.next, self.count, self.end) = (0, 0, 0);
    }
}

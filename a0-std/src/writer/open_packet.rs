//! The second half of every publish: fill in the payload, commit.

use a0_core::Cursor;

use crate::file::SharedLoan;
use crate::writer::standard::Standard;

/// A packet in a locked topic that lacks nothing but its payload. Dropping it releases the lock and publishes nothing.
#[derive(Debug)]
pub(crate) struct OpenPacket<'w> {
    pub(super) frame: SharedLoan<'w>,
    /// Bytes in front of the payload. Invariant: at most as many as the frame has.
    pub(super) head: u64,
    /// The number that the writer's next packet has after this one.
    pub(super) next: Option<(&'w Standard, u64)>,
}

impl OpenPacket<'_> {
    /// Fills in a payload of the size asked for and commits. Returns the sequence number.
    #[inline(always)]
    pub(super) fn finish(mut self, payload: &[u8]) -> u64 {
        self.frame.write(self.head, payload);
        self.commit()
    }

    /// Returns the place right behind the packet.
    pub(super) fn end(&self) -> Cursor {
        Cursor::behind_newest(&self.frame.state())
    }

    /// Makes the packet visible and releases the lock. Returns the sequence number.
    #[inline(always)]
    pub(super) fn commit(self) -> u64 {
        if let Some((standard, next)) = self.next {
            standard.set_next_seq(next);
        }
        self.frame.commit()
    }
}

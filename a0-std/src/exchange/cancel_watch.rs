//! Looking for one cancel packet.

use a0_core::{Buffer, Cursor, Id, Select};

use crate::exchange::dialect::{Dialect, ToServer};
use crate::file::File;
use crate::packet::PacketView;

/// Enough for a cancel packet with all headers that anybody adds.
const PREFIX_LEN: usize = 1024;

/// Reads on from a call and remembers whether it was cancelled. Only the starts of messages are copied, and nothing is
/// allocated.
#[derive(Debug)]
pub(crate) struct CancelWatch {
    cursor: Cursor,
    cancelled: bool,
}

/// Takes the prefix of a message.
struct Prefix([u8; PREFIX_LEN]);

impl Buffer for Prefix {
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        self.0.get_mut(..len.min(PREFIX_LEN))
    }
}

impl CancelWatch {
    /// Watches what comes behind this place.
    pub(crate) fn new(cursor: Cursor) -> CancelWatch {
        CancelWatch { cursor, cancelled: false }
    }

    /// Whether the call was cancelled by now.
    pub(crate) fn is_cancelled(&mut self, dialect: &Dialect, file: &File, call: &Id) -> bool {
        let topic = file.transport();
        if self.cancelled || !topic.may_have_news(&self.cursor) {
            return self.cancelled;
        }
        // No further than what is there now, so that this ends however fast others publish.
        let end = file.state().map_or(0, |state| state.seq_high);
        let mut prefix = Prefix([0; PREFIX_LEN]);
        while !self.cancelled && self.cursor.seq() < end {
            match topic.read(&mut self.cursor, Select::Next, &mut prefix) {
                Ok(Some(received)) => {
                    let packet = PacketView::parse(&prefix.0[..received.len.min(PREFIX_LEN)]);
                    self.cancelled = packet.is_ok_and(|packet| dialect.to_server(&packet) == ToServer::Cancel(*call));
                }
                // Damage was passed over.
                Err(a0_core::Error::Corrupt(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.cancelled
    }
}

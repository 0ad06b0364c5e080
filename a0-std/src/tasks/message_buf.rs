//! Messages that own their bytes.

use std::ops::Deref;

use crate::message::Message;
use crate::packet_buf::PacketBuf;

/// A received packet that owns its content, with its place in the topic. Dereferences to the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageBuf {
    packet: PacketBuf,
    seq: u64,
    missed: u64,
}

impl MessageBuf {
    /// Sequence number in the topic; see [`Message::seq`].
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Messages right before this one that the reader did not get; see [`Message::missed`].
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The packet.
    pub fn into_packet(self) -> PacketBuf {
        self.packet
    }
}

impl From<Message<'_>> for MessageBuf {
    fn from(message: Message<'_>) -> MessageBuf {
        MessageBuf { packet: message.packet().into(), seq: message.seq(), missed: message.missed() }
    }
}

impl Deref for MessageBuf {
    type Target = PacketBuf;

    fn deref(&self) -> &PacketBuf {
        &self.packet
    }
}

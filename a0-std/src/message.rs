//! What a reader hands out.

use std::ops::Deref;

use crate::packet::PacketView;

/// A received packet with its place in the topic. Dereferences to the packet.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub(crate) packet: PacketView<'a>,
    pub(crate) seq: u64,
    pub(crate) missed: u64,
}

impl<'a> Message<'a> {
    /// The packet.
    pub fn packet(&self) -> &PacketView<'a> {
        &self.packet
    }

    /// Sequence number in the topic: 1 for its first message, then one more for each.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Messages right before this one that the reader did not get: overwritten before it came to them, or, with
    /// [`Iter::Newest`](crate::Iter::Newest), passed over.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl<'a> Deref for Message<'a> {
    type Target = PacketView<'a>;

    fn deref(&self) -> &PacketView<'a> {
        &self.packet
    }
}

//! What became of a packet.

use a0_core::Id;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The packet's id, for replies and `a0_dep` headers.
    pub id: Id,
    /// Its sequence number in the topic.
    pub seq: u64,
}

//! What can be wrong with a packet.

/// Why a packet, or a part of one, was refused.
///
/// `index` counts headers from 0 in wire order, over all blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PacketError {
    /// Fewer bytes than a packet without headers and payload has.
    #[error("packet of {len} bytes is shorter than any packet")]
    TooShort {
        /// Length of the packet in bytes.
        len: usize,
    },
    /// An id is not 36 bytes long.
    #[error("id has {len} bytes instead of 36")]
    IdLength {
        /// Length of the id in bytes.
        len: usize,
    },
    /// An id is not followed by a NUL.
    #[error("id is not followed by a NUL")]
    IdNotTerminated,
    /// A NUL cuts an id short.
    #[error("id contains a NUL")]
    IdHasNul,
    /// An id is not text.
    #[error("id is not UTF-8")]
    IdNotUtf8,
    /// The table of that many headers does not fit into the packet.
    #[error("packet has no room for its {count} headers")]
    HeaderCount {
        /// Number of headers as stored.
        count: u64,
    },
    /// The payload starts inside the table or past the packet's end.
    #[error("payload offset {offset} lies outside the packet's data")]
    PayloadOffset {
        /// Offset as stored, in bytes from the packet's start.
        offset: u64,
    },
    /// A key or value starts outside the header text, or within a character.
    #[error("header {index} does not start in the header text")]
    HeaderOffset {
        /// The header.
        index: usize,
    },
    /// No NUL ends a key or value before the payload.
    #[error("header {index} is not terminated before the payload")]
    Unterminated {
        /// The header.
        index: usize,
    },
    /// Headers share so much text that reading them all would take out of all
    /// proportion to the packet's length.
    #[error("headers overlap")]
    HeadersOverlap,
    /// The header text is not text.
    #[error("header text is not UTF-8 at byte {offset} of the packet")]
    NotUtf8 {
        /// The first such byte, counted from the packet's start.
        offset: usize,
    },
    /// A key to be written contains a NUL, which would cut it short.
    #[error("key of header {index} contains a NUL")]
    KeyHasNul {
        /// The header.
        index: usize,
    },
    /// A value to be written contains a NUL, which would cut it short.
    #[error("value of header {index} contains a NUL")]
    ValueHasNul {
        /// The header.
        index: usize,
    },
    /// The packet's length does not fit into a `usize`.
    #[error("packet is too large to address")]
    TooLarge,
    /// The packet does not fit into the buffer it is written to.
    #[error("packet needs a buffer of {needed} bytes")]
    BufferTooSmall {
        /// Length of the packet in bytes.
        needed: usize,
    },
    /// A [`HeaderList`](super::HeaderList) is full.
    #[error("more than {capacity} headers")]
    TooManyHeaders {
        /// Number of headers the list holds.
        capacity: usize,
    },
}

//! Packets: an id, headers and a payload in one run of bytes.
//!
//! Every frame of a topic holds one packet. All numbers are little-endian and
//! unaligned; offsets count from the start of the packet.
//!
//! | Offset | Size | Content |
//! |---|---|---|
//! | 0 | 37 | id and a NUL |
//! | 37 | 8 | N, the number of headers |
//! | 45 + 16 i | 8 | offset of header i's key |
//! | 53 + 16 i | 8 | offset of header i's value |
//! | 45 + 16 N | 8 | offset of the payload |
//! | 53 + 16 N | | key, NUL, value, NUL of each header; then the payload |
//!
//! The payload ends where the packet ends. [`Encoder`] writes this form;
//! [`FlatPacket`] checks bytes that anyone may have written and reads them in
//! place.
//!
//! ```
//! use a0_core::{Encoder, FlatPacket, Id};
//!
//! let id = Id::from_random_bytes([7; 16]);
//! let encoder = Encoder::new(&id, &[&[("unit", "mm")]], b"1250")?;
//! let mut bytes = [0; 128];
//! let len = encoder.encode_into(&mut bytes)?;
//!
//! let packet = FlatPacket::parse(&bytes[..len])?;
//! assert_eq!(packet.id(), id.as_str());
//! assert_eq!(packet.header("unit"), Some("mm"));
//! assert_eq!(packet.payload(), b"1250");
//! # Ok::<(), a0_core::PacketError>(())
//! ```

mod decode;
mod encode;
mod error;
mod headers;
pub mod keys;
mod short;
mod sink;
mod standard;
pub(crate) mod utf8;

pub use crate::text::Text;
pub use decode::FlatPacket;
pub use encode::Encoder;
pub use error::PacketError;
pub use headers::{HeaderList, Headers};
pub use sink::{PacketSink, SliceSink, Staged};
pub use standard::{LastTexts, Stamp, StandardHeaders};

use crate::id::Id;

/// Size of a packet without headers and payload, in bytes: id, header count
/// and payload offset.
pub const MIN_LEN: usize = Id::WIRE_LEN + 2 * WORD_LEN;

/// A count or an offset: 8 bytes.
const WORD_LEN: usize = size_of::<u64>();

/// A header's place in the table: the offsets of its key and of its value.
const ENTRY_LEN: usize = 2 * WORD_LEN;

#![no_std]
//! Placeholder.

mod id;
pub mod packet;
mod text;
pub mod time;

pub use id::Id;
pub use packet::{Encoder, FlatPacket, PacketError};
pub use time::{Clock, TimeMono, TimeWall};

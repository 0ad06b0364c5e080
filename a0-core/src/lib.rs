//! The heart of AlephZero: topics in shared memory, without files, clocks, threads or an allocator.
//!
//! A topic is a ring of frames behind a 144-byte header, byte-compatible with AlephZero 0.3. Writers take a lock; readers
//! never do: they copy a frame and then find out whether it was still there.
//!
//! * [`Transport`] is a topic: some memory ([`Mem`]) and a lock ([`Lock`]).
//! * [`Locked`] is a locked topic: allocate, commit, clear, walk. [`Loan`] is a frame that is filled in place.
//! * [`Cursor`] is a reader's place; [`Transport::read`] moves it.
//! * [`packet`] is what AlephZero programs put into frames: an id, headers, a payload.
//! * [`layout`] says where every byte is.
//!
//! ```
//! use a0_core::{Cursor, Select, SliceMem, Transport, Unshared};
//!
//! let mut arena = [0; 1024];
//! let topic = Transport::open(SliceMem::new(&mut arena)?, Unshared)?;
//! let mut reader = Cursor::end(&topic)?;
//!
//! topic.lock(None)?.push(b"ready")?;
//!
//! let mut buffer = heapless::Vec::<u8, 64>::new();
//! assert!(topic.read(&mut reader, Select::Next, &mut buffer)?.is_some());
//! assert_eq!(buffer, b"ready");
//! # Ok::<(), a0_core::Error>(())
//! ```
//!
//! # What its safety rests on
//!
//! Safe code cannot corrupt memory with this crate, whatever the memory of a topic holds and whoever writes to it meanwhile:
//! every number in it is checked before it is used, every access is bounds-checked, and what is copied may be torn until it is
//! found to be whole. No reference to shared bytes is made, but by two unsafe functions that say what they ask for
//! ([`RawMem::bytes`], [`RawMem::bytes_mut`]). It rests on this:
//!
//! * Who calls [`RawMem::new`], which is unsafe, gives memory that stays there as long as its owner lives.
//! * The processor loads and stores aligned words of one, four and eight bytes at once, and keeps to its memory model.
//! * [`Mem`] and [`Lock`] are safe traits, and methods of theirs such as [`Mem::write`] and [`Lock::unlock`] are safe to call.
//!   Who calls them without need can damage a topic's messages, as any program that may write to it can, and no memory
//!   but that. But who hands out slices under the lock must hand out neither to others.
//!
//! | feature | what it adds |
//! |---|---|
//! | `heapless-0_9` (on by default) | [`Buffer`] for `heapless::Vec` of version 0.9 |
//! | `spin-0_10` (on by default) | [`SpinLock`], which relaxes as version 0.10 of the crate `spin` does |
//! | `defmt` | `defmt::Format` for the public value and error types |
//! | `std` | conversions between [`TimeWall`] and `std::time::SystemTime` |
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod cursor;
mod error;
mod frame;
mod id;
pub mod layout;
mod lock;
mod locked;
mod mem;
mod notify;
mod open;
pub mod packet;
mod plan;
mod read;
mod sleep;
mod state;
mod text;
pub mod time;
mod topic_header;
mod transport;
mod upgrade;
mod verify;

pub use cursor::{Cursor, Received, Select};
pub use error::{Corruption, Error, LockError};
pub use frame::FrameHeader;
pub use id::Id;
#[cfg(feature = "spin-0_10")]
pub use lock::spin::SpinLock;
pub use lock::{Acquired, Lock, ReadOnly, Unshared};
pub use locked::loan::Loan;
pub use locked::{Locked, Slot};
pub use mem::Mem;
pub use mem::raw::{Access, RawMem};
pub use mem::slice::SliceMem;
pub use packet::{Encoder, FlatPacket, PacketError};
pub use read::Buffer;
pub use state::State;
pub use time::{Clock, TimeMono, TimeWall};
pub use transport::Transport;
pub use verify::{Problem, Verified};

/// For the other crates of this project, and without a promise: it may change with any version.
#[doc(hidden)]
pub mod internal {
    pub use crate::text::Decimal;
    pub use crate::topic_header::is_topic;
}

/// The examples of the book that use this crate alone are tested, too.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../docs/embedding.md")]
    mod embedding {}
    #[doc = include_str!("../../docs/layout.md")]
    mod layout {}
}

//! AlephZero for ordinary Linux programs: message passing between the programs of one machine, without a broker.
//!
//! A topic name is all that two programs share. Whoever comes first creates the topic, a file in shared memory;
//! C++, Python and Go programs built on AlephZero 0.3 use the same files.
//!
//! ```
//! use a0_std::{Init, Publisher, SubscriberSync};
//! # let root = tempfile::tempdir_in("/dev/shm").unwrap();
//! # unsafe { std::env::set_var("A0_ROOT", root.path()) };
//!
//! let news = Publisher::new("news")?;
//! news.publish("hello")?;
//!
//! let mut reader = SubscriberSync::new("news", Init::Oldest)?;
//! let message = reader.read()?.expect("one message is there");
//! assert_eq!(message.payload(), b"hello");
//! # Ok::<(), a0_std::Error>(())
//! ```
//!
//! It is not a network protocol and not a queue that waits for slow readers: new messages replace the oldest ones, and a reader
//! that was too slow learns how many it missed.
//!
//! # Where to begin
//!
//! | to | use |
//! |---|---|
//! | send and receive bytes | [`Publisher`]; [`SubscriberSync`], which reads in the calling thread, or [`Subscriber`], which owns a thread and calls back |
//! | send and receive values | [`TypedPublisher`], [`TypedSubscriber`], [`TypedSubscriberSync`]: JSON and, with features, other formats, see [`codec`] |
//! | ask and answer | [`RpcClient`], [`RpcServer`]; [`PrpcClient`], [`PrpcServer`] for a request with many answers |
//! | share settings that several programs change | [`Cfg`], [`CfgVar`], [`CfgWatcher`] |
//! | write and follow a log | [`Logger`], [`LogListener`], [`LogListenerSync`]; with features, `TracingLayer` and `LogBackend` |
//! | tell others that a program lives, and learn when it ends | [`Deadman`] |
//! | find topics, and notice them come and go | [`Discovery`] (owns a thread), [`DiscoverySync`] |
//! | avoid copies of large messages | [`Loan`] to write and [`View`] to read in the topic; with the feature `zerocopy`, `TypedLoan` |
//! | await in tasks, or poll in an event loop | with the feature `async`: `SubscriberStream`, `RpcClient::call_async`, `PrpcClient::stream_async`, `SubscriberFd` |
//!
//! Options say where a reader starts ([`Init`]), how it goes on ([`Iter`]), how it waits ([`Wait`]), and how files are created
//! ([`FileOptions`]). [`Writer`], [`Reader`], [`ReaderSync`] do the same as publishers and subscribers over any [`File`].
//! [`Packet`] and [`PacketView`] are what is sent: an id, headers, a payload. [`Error`] says which file, why, and what helps.
//!
//! The book (`docs` in the repository) explains each pattern; `examples` has a program for each.
//!
//! # Features
//!
//! | feature, none on by default | what it adds |
//! |---|---|
//! | `async` | streams, futures and file descriptors, for any runtime or none |
//! | `log` | `LogBackend`: what the `log` crate's users say goes to a topic |
//! | `tracing` | `TracingLayer`: the same for the `tracing` crate |
//! | `msgpack`, `postcard` | [`codec`]s of typed messages: `MsgPack`, `Postcard` |
//! | `zerocopy` | plain data in place: `TypedLoan`, `View::read_as`, and the codec `Plain` |
//!
//! Traits and types of `serde`, `serde_json` and, with those features, `futures-core` 0.3, `log` 0.4, `tracing-subscriber` 0.3 and
//! `zerocopy` 0.8 are part of this crate's interface. A later version of one of them gets a feature of its own.
//!
//! # What its safety rests on
//!
//! No program without `unsafe` corrupts memory through this crate, whatever the files hold, whatever other programs do, and
//! however handles are leaked, moved and dropped. That rests on these:
//!
//! * **What is copied believes nobody.** Publishing, reading, [`View`], [`Loan::write_at`], calls and all the rest check what
//!   they find, and make no reference to shared memory. For them a program that writes to the file as it likes is harmless.
//! * **Slices under the lock believe those who may write to the file.** [`Loan::with`], [`Loan::fill_from`],
//!   `TypedLoan::with`, [`SubscriberSync::read_locked`] and the subscribers whose names end in `ZeroCopy` show `&[u8]` or
//!   `&mut [u8]`, inside a closure only, while this thread holds the topic's lock. Nothing in this crate changes those bytes
//!   meanwhile. Other programs that may write to the file must keep to the protocol; and so must this one, where it opens the
//!   file by other means (`std::fs`, a map of its own, [`a0_linux::TopicFile`]).
//! * **The kernel** hands a lock on only when its owner has ended or released it, shows all mappings of a file the same
//!   bytes, and keeps its promises about locks on files ([`Mode::Exclusive`]). A file that is truncated ends who touches what is
//!   gone by `SIGBUS`, which is no corruption.
//! * **The processor** loads and stores aligned words of up to eight bytes at once, and keeps to its memory model. Topics
//!   are in memory that all processors see alike: not on a network filesystem.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(doctest)]
mod book;
mod callback;
mod cfg;
pub mod codec;
mod deadman;
mod discovery;
pub mod env;
mod error;
mod exchange;
mod file;
mod fork;
mod glob;
mod id;
mod log;
mod message;
mod packet;
mod packet_buf;
mod prpc;
mod pubsub;
mod reader;
mod rpc;
mod slices;
#[cfg(feature = "async")]
mod tasks;
mod templates;
mod topic;
mod typed;
mod writer;

#[cfg(feature = "log")]
pub use self::log::LogBackend;
#[cfg(feature = "tracing")]
pub use self::log::TracingLayer;
pub use self::log::{Level, LogListener, LogListenerSync, LogMessage, Logger};
pub use a0_core::Error as TopicError;
pub use a0_core::packet::keys;
pub use a0_core::time::TimeError;
pub use a0_core::{Clock, Corruption, Id, LockError, PacketError, Problem, State, TimeMono, TimeWall, Verified};
pub use a0_linux::{DeadmanLayout, FileError, FileOptions, Mode, SystemClock};
pub use cfg::{Cfg, CfgError, CfgVar, CfgWatcher};
pub use deadman::{Deadman, DeadmanInterrupter, DeadmanOptions, DeadmanState, Taken};
pub use discovery::{DiscoveredTopic, Discovery, DiscoveryEvent, DiscoverySync};
pub use error::{Error, Result};
pub use exchange::client::ClientOptions;
pub use exchange::server::{ServerOptions, ServerStart};
pub use file::File;
pub use file::facts::Header;
pub use glob::PathGlob;
pub use id::random_id;
pub use message::Message;
pub use packet::{Packet, PacketView};
pub use packet_buf::PacketBuf;
pub use prpc::client::{Progress, Progresses, PrpcClient};
pub use prpc::server::{Connection, PrpcServer};
pub use pubsub::{Publisher, Subscriber, SubscriberSync, SubscriberSyncZeroCopy, SubscriberZeroCopy};
pub use reader::sync::{ReaderSync, ReaderSyncZeroCopy};
pub use reader::threaded::{Reader, ReaderZeroCopy};
pub use reader::view::View;
pub use reader::wait::Wait;
pub use reader::{Init, Interrupter, Iter, ReaderOptions};
pub use rpc::client::RpcClient;
pub use rpc::server::{Request, RpcServer};
#[cfg(feature = "async")]
pub use tasks::{
    calls::{ProgressStream, ReplyFuture},
    event::SubscriberFd,
    message_buf::MessageBuf,
    stream::SubscriberStream,
};
pub use templates::Templates;
pub use topic::Protocol;
pub use typed::publisher::TypedPublisher;
pub use typed::subscriber::{TypedSubscriber, TypedSubscriberSync};
pub use typed::{Schema, TypedMessage};
pub use writer::Writer;
pub use writer::loan::Loan;
pub use writer::published::Published;
#[cfg(feature = "zerocopy")]
pub use writer::typed::TypedLoan;

/// The examples of the README are tested, too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

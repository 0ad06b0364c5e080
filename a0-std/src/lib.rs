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
//! * [`Publisher`], [`Subscriber`] (owns a thread), [`SubscriberSync`], and [`SubscriberZeroCopy`],
//!   [`SubscriberSyncZeroCopy`] that read in place under the lock.
//! * [`TypedPublisher`], [`TypedSubscriber`], [`TypedSubscriberSync`]: values of one type instead of bytes, in JSON and, with
//!   features, other formats; see [`codec`].
//! * [`Loan`], [`View`]: large messages without a copy, on either side. With the feature `zerocopy`, `TypedLoan`.
//! * [`RpcServer`], [`RpcClient`]: requests and replies; [`PrpcServer`], [`PrpcClient`]: requests with many replies.
//! * [`Cfg`], [`CfgVar`], [`CfgWatcher`]: configuration, changed by several programs at once.
//! * [`Logger`], [`LogListener`], [`LogListenerSync`]: log messages with a level. With the feature `tracing` there is
//!   `TracingLayer`, with the feature `log` there is `LogBackend`, for programs that use those crates.
//! * With the feature `async`: `SubscriberStream`, `RpcClient::call_async`, `PrpcClient::stream_async` for any async runtime,
//!   `SubscriberFd` for event loops.
//! * [`Writer`], [`Reader`], [`ReaderSync`], …: the same over any [`File`].
//! * [`Deadman`] tells others that this program lives.
//! * [`Discovery`] (owns a thread), [`DiscoverySync`]: which topics there are, as they come and go.
//! * [`Packet`], [`PacketView`]: what is sent: an id, headers, a payload.
//! * [`TimeMono`], [`TimeWall`]: the times in headers; [`SystemClock`] tells them.
//! * [`Init`], [`Iter`], [`Wait`]: where a reader starts, how it goes on, and how it waits.
//!
//! | feature, none on by default | what it adds |
//! |---|---|
//! | `async` | streams, futures and file descriptors, for any runtime or none |
//! | `log` | `LogBackend`: what the `log` crate's users say goes to a topic |
//! | `tracing` | `TracingLayer`: the same for the `tracing` crate |
//! | `msgpack`, `postcard` | [`codec`]s of typed messages: `MsgPack`, `Postcard` |
//! | `zerocopy` | plain data in place: `TypedLoan`, `View::read_as`, and the codec `Plain` |
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
pub use reader::in_place::View;
pub use reader::sync::{ReaderSync, ReaderSyncZeroCopy};
pub use reader::threaded::{Reader, ReaderZeroCopy};
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
pub use writer::loan::Loan;
#[cfg(feature = "zerocopy")]
pub use writer::typed::TypedLoan;
pub use writer::{Published, Writer};

/// The examples of the README are tested, too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

//! What RPC and progressive RPC share: a client opens a call, a server answers it, both on one topic.
//!
//! An RPC is a progressive RPC with a single, final answer; a [`Dialect`] holds all that differs on the wire.
//!
//! **Nothing is lost silently.** A client reads from right before its own request on. What ends a call without an answer:
//! * its deadline ([`Error::Timeout`](crate::Error::Timeout), or [`Error::RequestLost`](crate::Error::RequestLost) if the
//!   request is no longer in the topic);
//! * the death of the server that was there when it was sent, if none is left that may have it (see [`server_watch`]);
//! * a server that was overtaken says which messages it has missed, in a packet that 0.3 programs ignore, and the calls
//!   among them fail ([`Error::RequestLost`](crate::Error::RequestLost));
//! * a client that was overtaken itself gives up the calls that may have been answered in the gap
//!   ([`Error::ReplyLost`](crate::Error::ReplyLost));
//! * a cancel packet, by whomever, and an answer that says that the server could not give one.

pub(crate) mod blocking_call;
pub(crate) mod call_sender;
pub(crate) mod cancel_watch;
pub(crate) mod client;
pub(crate) mod dialect;
pub(crate) mod pending_calls;
pub(crate) mod server;
pub(crate) mod server_marks;
pub(crate) mod server_presence;
pub(crate) mod server_watch;
mod unsent_calls;
mod verdict;

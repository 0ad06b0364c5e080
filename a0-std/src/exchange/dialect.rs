//! How packets of a protocol are told apart.

use std::ops::RangeInclusive;
use std::time::Duration;

use a0_core::{Cursor, Id};

use crate::error::Result;
use crate::id::random_id;
use crate::keys;
use crate::packet::PacketView;
use crate::topic::Protocol;
use crate::writer::Writer;

/// Type of a packet in which a server says what it has missed. Without the header that names a call, so that 0.3
/// programs pass over it.
const MISSED: &str = "missed";

/// Headers that are joined without asking for memory.
const FEW: usize = 16;

/// What a protocol calls things.
#[derive(Debug)]
pub(crate) struct Dialect {
    pub(crate) protocol: Protocol,
    /// Key of the header that says what a packet is.
    kind: &'static str,
    /// Key of the header that names the call.
    call: &'static str,
    open: &'static str,
    /// An answer after which others follow.
    part: Option<&'static str>,
    last: &'static str,
    /// Key of the header that says why the last answer is none.
    error: &'static str,
    /// Key of the header that says which messages a server has missed.
    missed: &'static str,
}

pub(crate) static RPC: Dialect = Dialect {
    protocol: Protocol::Rpc,
    kind: keys::RPC_TYPE,
    call: keys::REQ_ID,
    open: "request",
    part: None,
    last: "response",
    error: "a0_rpc_error",
    missed: "a0_rpc_missed",
};

pub(crate) static PRPC: Dialect = Dialect {
    protocol: Protocol::Prpc,
    kind: keys::PRPC_TYPE,
    call: keys::CONN_ID,
    open: "connect",
    part: Some("progress"),
    last: "complete",
    error: "a0_prpc_error",
    missed: "a0_prpc_missed",
};

const CANCEL: &str = "cancel";

/// What a packet is to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToClient<'a> {
    /// An answer to the call with this id, and whether it is the last one.
    Answer { call: &'a str, last: bool },
    /// The server could not answer.
    Failed { call: &'a str, reason: &'a str },
    /// Somebody has cancelled the call.
    Cancelled { call: &'a str },
    /// A server has not seen these messages.
    Missed(RangeInclusive<u64>),
    /// Not for clients.
    Foreign,
}

/// What a packet is to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToServer {
    Open,
    Cancel(Id),
    Foreign,
}

impl<'a> ToClient<'a> {
    /// Returns the call that this answers or cancels.
    pub(crate) fn call(&self) -> Option<&'a str> {
        match *self {
            ToClient::Answer { call, .. } | ToClient::Failed { call, .. } | ToClient::Cancelled { call } => Some(call),
            ToClient::Missed(_) | ToClient::Foreign => None,
        }
    }
}

impl Dialect {
    /// Name of the deadman that the servers of a topic hold.
    pub(crate) fn deadman(&self, topic: &str) -> String {
        format!("{topic}.{}", self.protocol.name())
    }

    pub(crate) fn to_client<'a>(&self, packet: &PacketView<'a>) -> ToClient<'a> {
        let Some(kind) = packet.header(self.kind) else { return ToClient::Foreign };
        if kind == MISSED {
            return packet.header(self.missed).and_then(range).map_or(ToClient::Foreign, ToClient::Missed);
        }
        let last = kind == self.last;
        let part = self.part == Some(kind);
        if !last && !part && kind != CANCEL {
            return ToClient::Foreign;
        }
        let Some(call) = packet.header(self.call) else { return ToClient::Foreign };
        if kind == CANCEL {
            return ToClient::Cancelled { call };
        }
        // What says that there is no answer has no payload, so most answers need not be searched for it.
        let may_fail = last && packet.payload().is_empty();
        match may_fail.then(|| packet.header(self.error)).flatten() {
            Some(reason) => ToClient::Failed { call, reason },
            None => ToClient::Answer { call, last },
        }
    }

    pub(crate) fn to_server(&self, packet: &PacketView<'_>) -> ToServer {
        match packet.header(self.kind) {
            Some(kind) if kind == self.open => ToServer::Open,
            // 0.3 takes the id from the payload, so that is where it must be.
            Some(CANCEL) => Id::from_wire(packet.payload()).map_or(ToServer::Foreign, ToServer::Cancel),
            _ => ToServer::Foreign,
        }
    }

    /// Whether a call can have several answers.
    pub(crate) fn has_parts(&self) -> bool {
        self.part.is_some()
    }

    /// Returns the call that a packet answers or cancels.
    pub(crate) fn settles<'a>(&self, packet: &PacketView<'a>) -> Option<&'a str> {
        self.to_client(packet).call()
    }

    /// Opens a call, waiting for the lock no longer than that. `first` gets the place behind the request, before anybody can
    /// answer it.
    pub(crate) fn write_open(
        &self,
        writer: &Writer,
        lock_timeout: Duration,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
        first: impl FnOnce(Cursor),
    ) -> Result<()> {
        joined(&[(self.kind, self.open)], headers, |headers| {
            writer.write_placed(lock_timeout, &id, headers, payload, first)
        })
    }

    /// Answers a call; gives the sequence number of the answer.
    pub(crate) fn write_answer(
        &self,
        writer: &Writer,
        call: &Id,
        last: bool,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Result<u64> {
        let kind = self.part.filter(|_| !last).unwrap_or(self.last);
        self.write_about(writer, writer.file().lock_timeout(), kind, call, headers, payload)
    }

    /// Says that there will be no answer; to 0.3 programs this is an empty one.
    pub(crate) fn write_failure(&self, writer: &Writer, lock_timeout: Duration, call: &Id, reason: &str) -> Result<()> {
        // What cannot stand in a header would leave the client without any answer.
        let reason = reason.replace('\0', "");
        self.write_about(writer, lock_timeout, self.last, call, &[(self.error, &reason)], &[]).map(drop)
    }

    pub(crate) fn write_cancel(&self, writer: &Writer, lock_timeout: Duration, call: &Id) -> Result<()> {
        self.write_about(writer, lock_timeout, CANCEL, call, &[], &call.to_wire()).map(drop)
    }

    pub(crate) fn write_missed(
        &self,
        writer: &Writer,
        lock_timeout: Duration,
        missed: &RangeInclusive<u64>,
    ) -> Result<()> {
        let range = format!("{}-{}", missed.start(), missed.end());
        let headers = [(self.kind, MISSED), (self.missed, &range)];
        writer.write_within(lock_timeout, random_id(), &headers, &[]).map(drop)
    }

    fn write_about(
        &self,
        writer: &Writer,
        lock_timeout: Duration,
        kind: &str,
        call: &Id,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Result<u64> {
        let call = call.as_str();
        let protocol = [(self.kind, kind), (self.call, call), (keys::DEP, call)];
        let written =
            joined(&protocol, headers, |headers| writer.write_within(lock_timeout, random_id(), headers, payload));
        written.map(|published| published.seq)
    }
}

/// Hands over headers of the protocol with the user's behind them.
#[inline]
fn joined<T>(protocol: &[(&str, &str)], user: &[(&str, &str)], write: impl FnOnce(&[(&str, &str)]) -> T) -> T {
    if user.is_empty() {
        return write(protocol);
    }
    let mut few = [("", ""); FEW];
    let count = protocol.len() + user.len();
    if let Some(joined) = few.get_mut(..count) {
        joined[..protocol.len()].copy_from_slice(protocol);
        joined[protocol.len()..].copy_from_slice(user);
        write(joined)
    } else {
        write(&[protocol, user].concat())
    }
}

/// `FIRST-LAST`.
fn range(text: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.split_once('-')?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

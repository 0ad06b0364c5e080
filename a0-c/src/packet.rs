//! Packets as C sees them.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::ptr;

use a0_std::{Id, Message, PacketBuf, Published, View};

use crate::error::guard_or;

/// Bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_bytes {
    /// Never null.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

impl a0rs_bytes {
    fn of(bytes: &[u8]) -> a0rs_bytes {
        a0rs_bytes { data: bytes.as_ptr(), len: bytes.len() }
    }
}

/// The name of a packet, a request or a connection: a C string.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_id {
    /// 36 bytes and a NUL.
    pub text: [c_char; 37],
}

impl From<&Id> for a0rs_id {
    fn from(id: &Id) -> a0rs_id {
        a0rs_id { text: id.to_wire().map(|byte| byte as c_char) }
    }
}

/// A header: two C strings in UTF-8. Keys that start with a0_ belong to AlephZero.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_header {
    /// The key, which may repeat.
    pub key: *const c_char,
    /// The value.
    pub value: *const c_char,
}

/// A packet that was received.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_packet {
    /// Its id, which no other packet has.
    pub id: a0rs_id,
    /// Its headers, in order, those of AlephZero included.
    pub headers: *const a0rs_header,
    /// How many headers.
    pub headers_len: usize,
    /// Its payload.
    pub payload: a0rs_bytes,
}

/// A packet with its place in a topic.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_message {
    /// The packet.
    pub packet: a0rs_packet,
    /// Sequence number in the topic: 1 for its first message, then one more for each.
    pub seq: u64,
    /// Messages right before this one that the reader did not get: overwritten before it came to them, or passed over.
    pub missed: u64,
}

/// What became of a packet.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_published {
    /// The packet's id.
    pub id: a0rs_id,
    /// Its sequence number in the topic.
    pub seq: u64,
}

impl From<Published> for a0rs_published {
    fn from(published: Published) -> a0rs_published {
        a0rs_published { id: (&published.id).into(), seq: published.seq }
    }
}

/// Headers as C strings; the room is used again.
#[derive(Default)]
pub(crate) struct Headers {
    text: Vec<u8>,
    list: Vec<a0rs_header>,
}

// SAFETY: the pointers lead into its own text.
unsafe impl Send for Headers {}

impl Headers {
    fn fill<'a>(&mut self, headers: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> &[a0rs_header] {
        self.text.clear();
        self.list.clear();
        // All of it before the first pointer: it must not move afterwards.
        self.text.reserve(headers.clone().map(|(key, value)| key.len() + value.len() + 2).sum());
        for (key, value) in headers {
            let (key, value) = (self.put(key), self.put(value));
            self.list.push(a0rs_header { key, value });
        }
        &self.list
    }

    fn put(&mut self, text: &str) -> *const c_char {
        let start = self.text.len();
        self.text.extend_from_slice(text.as_bytes());
        self.text.push(0);
        self.text.as_ptr().wrapping_add(start).cast()
    }

    /// Valid as long as the message's packet and these headers are left alone.
    pub(crate) fn message(&mut self, message: &Message<'_>) -> a0rs_message {
        let packet = self.packet(message.id(), message.headers(), message.payload());
        a0rs_message { packet, seq: message.seq(), missed: message.missed() }
    }

    /// All of a message but its payload. Valid as long as these headers are left alone.
    pub(crate) fn head(&mut self, view: &View<'_>) -> a0rs_message {
        let packet = self.packet(view.id(), view.headers(), &[]);
        a0rs_message { packet, seq: view.seq(), missed: view.missed() }
    }

    fn packet<'a>(
        &mut self,
        id: &str,
        headers: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        payload: &[u8],
    ) -> a0rs_packet {
        // A received packet's id has the length of every id.
        let id = Id::parse(id.as_bytes()).map_or(a0rs_id { text: [0; 37] }, |id| (&id).into());
        let headers = self.fill(headers);
        a0rs_packet { id, headers: headers.as_ptr(), headers_len: headers.len(), payload: a0rs_bytes::of(payload) }
    }
}

/// A received packet that owns its content.
pub struct a0rs_owned_packet {
    packet: a0rs_packet,
    _buf: PacketBuf,
    _headers: Headers,
}

// SAFETY: the pointers lead into its own content.
unsafe impl Send for a0rs_owned_packet {}
// SAFETY: nothing of it changes.
unsafe impl Sync for a0rs_owned_packet {}

impl a0rs_owned_packet {
    pub(crate) fn new(buf: PacketBuf) -> a0rs_owned_packet {
        let mut all = Headers::default();
        let headers = all.fill(buf.headers());
        // Neither the payload nor the headers move when their owners do.
        let packet = a0rs_packet {
            id: buf.id().into(),
            headers: headers.as_ptr(),
            headers_len: headers.len(),
            payload: a0rs_bytes::of(buf.payload()),
        };
        a0rs_owned_packet { packet, _buf: buf, _headers: all }
    }

    pub(crate) fn view(&self) -> &a0rs_packet {
        &self.packet
    }
}

/// What is in it. Valid until it is destroyed; null if given null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_owned_packet_view(packet: Option<&a0rs_owned_packet>) -> *const a0rs_packet {
    packet.map_or(ptr::null(), |packet| packet.view())
}

/// Frees it. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_owned_packet_destroy(packet: Option<Box<a0rs_owned_packet>>) {
    guard_or((), || drop(packet));
}

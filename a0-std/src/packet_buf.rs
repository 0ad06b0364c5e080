//! A received packet that owns its bytes.

use std::fmt;

use a0_core::Id;

use crate::packet::PacketView;

/// A received packet that owns its content: one allocation, whatever the number of headers.
#[derive(Clone, PartialEq, Eq)]
pub struct PacketBuf {
    /// A packet that was parsed once.
    bytes: Vec<u8>,
    id: Id,
    payload_at: usize,
}

impl PacketBuf {
    /// The id, which no other packet has.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The headers, in order, those of AlephZero included.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.view().into_iter().flat_map(|view| view.headers())
    }

    /// The first header with this key.
    pub fn header(&self, key: &str) -> Option<&str> {
        self.view()?.header(key)
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload_at..]
    }

    /// The payload, in the memory that held the packet.
    pub fn into_payload(mut self) -> Vec<u8> {
        self.bytes.drain(..self.payload_at);
        self.bytes
    }

    /// Bytes of all of it.
    #[cfg(feature = "async")]
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Always there: the bytes were parsed before, and do not change.
    fn view(&self) -> Option<PacketView<'_>> {
        PacketView::parse(&self.bytes).ok()
    }
}

impl From<&PacketView<'_>> for PacketBuf {
    fn from(view: &PacketView<'_>) -> PacketBuf {
        let bytes = view.as_bytes().to_vec();
        PacketBuf { id: view.to_id(), payload_at: bytes.len() - view.payload().len(), bytes }
    }
}

impl fmt::Debug for PacketBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers().collect();
        let payload = String::from_utf8_lossy(self.payload());
        f.debug_struct("PacketBuf").field("id", &self.id).field("headers", &headers).field("payload", &payload).finish()
    }
}

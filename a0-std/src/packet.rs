//! What is sent: an id, headers, a payload.

use a0_core::Id;

use crate::id::random_id;

/// A received packet, borrowed from the reader's buffer.
pub use a0_core::FlatPacket as PacketView;

/// A packet that owns its content.
///
/// ```
/// use a0_std::Packet;
/// let packet = Packet::new("25.0 °C").with_header("sensor", "engine");
/// assert_eq!(packet.header("sensor"), Some("engine"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    id: Id,
    headers: Vec<(String, String)>,
    payload: Vec<u8>,
}

impl Packet {
    /// A packet with a new id and no headers.
    pub fn new(payload: impl Into<Vec<u8>>) -> Packet {
        Packet { id: random_id(), headers: Vec::new(), payload: payload.into() }
    }

    /// Adds a header behind the others. Keys may repeat; those that start with `a0_` belong to AlephZero.
    #[must_use]
    pub fn with_header(mut self, key: impl Into<String>, value: impl Into<String>) -> Packet {
        self.headers.push((key.into(), value.into()));
        self
    }

    /// Replaces the id.
    #[must_use]
    pub fn with_id(mut self, id: Id) -> Packet {
        self.id = id;
        self
    }

    /// The id, which no other packet has.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The headers, in order.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.headers.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The first header with this key.
    pub fn header(&self, key: &str) -> Option<&str> {
        self.headers().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload, without copying it.
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }
}

impl From<&PacketView<'_>> for Packet {
    fn from(view: &PacketView<'_>) -> Packet {
        Packet {
            id: view.to_id(),
            headers: view.headers().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            payload: view.payload().to_owned(),
        }
    }
}

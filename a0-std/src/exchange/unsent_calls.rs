//! Requests that wait to be sent, because somebody holds the topic's lock.

use std::collections::VecDeque;

use crate::packet::Packet;

/// They are sent in this order.
#[derive(Debug, Default)]
pub(crate) struct UnsentCalls {
    packets: VecDeque<Packet>,
    size: u64,
}

impl UnsentCalls {
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// About how many bytes they take here.
    #[cfg(feature = "async")]
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    #[cfg(feature = "async")]
    pub(crate) fn push_back(&mut self, packet: Packet) {
        self.size += bytes(&packet);
        self.packets.push_back(packet);
    }

    /// Puts the first one back.
    pub(crate) fn push_front(&mut self, packet: Packet) {
        self.size += bytes(&packet);
        self.packets.push_front(packet);
    }

    pub(crate) fn pop_front(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.size -= bytes(&packet);
        Some(packet)
    }
}

fn bytes(packet: &Packet) -> u64 {
    let header = |(key, value): (&str, &str)| size_of::<(String, String)>() + key.len() + value.len();
    let headers: usize = packet.headers().map(header).sum();
    (size_of::<Packet>() + headers + packet.payload().len()) as u64
}

#[cfg(all(test, feature = "async"))]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_counted_with_all_that_it_takes() {
        let mut unsent = UnsentCalls::default();
        unsent.push_back(Packet::new(""));
        let empty = unsent.size();
        assert!(empty >= 36);
        unsent.push_back(Packet::new("1234").with_header("key", "value"));
        assert!(unsent.size() >= 2 * empty + 12);
        let first = unsent.pop_front().unwrap();
        unsent.push_front(first);
        while unsent.pop_front().is_some() {}
        assert_eq!((unsent.size(), unsent.is_empty()), (0, true));
    }
}

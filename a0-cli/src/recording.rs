//! Recordings: MCAP files of packets.
//!
//! Each topic is a channel, whose metadata say which protocol and which file it was. The data of a message are the whole
//! packet, so that nothing of it is lost: see [`LAYOUT`]. A message's number is that of the packet in its topic, modulo
//! 2^32, so that gaps show losses even if the recorder was killed. A recording that was ended in good order has one
//! metadata record for each topic at its end, which says what was lost.

pub(crate) mod sink;
pub(crate) mod source;

use a0_std::Protocol;

/// The encoding of all messages.
pub(crate) const ENCODING: &str = "alephzero/packet";

/// The name of the metadata records with what was recorded of a topic, and what was lost.
pub(crate) const TALLY: &str = "alephzero/topic";

/// The longest record that is read. No file shall make us ask for more memory than that.
pub(crate) const LONGEST: usize = 512 << 20;

/// The schema of all messages: how whoever has nothing but the file takes a packet apart.
pub(crate) const LAYOUT: &str = "\
An AlephZero packet. All numbers are unsigned, of 8 bytes, little-endian; offsets count from the start of the packet.

offset       size  content
0            37    id and a NUL
37           8     N, the number of headers
45 + 16 i    8     offset of header i's key, which ends with a NUL
53 + 16 i    8     offset of header i's value, which ends with a NUL
45 + 16 N    8     offset of the payload, which ends where the packet ends
";

/// The protocols whose topics have messages.
pub(crate) fn protocols() -> impl Iterator<Item = Protocol> {
    Protocol::ALL.into_iter().filter(|protocol| *protocol != Protocol::Deadman)
}

/// Their names.
pub(crate) const PROTOCOLS: [&str; 5] = ["pubsub", "rpc", "prpc", "cfg", "log"];

/// What of a topic is in a recording, and what is not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    /// Messages that were overwritten before they could be recorded.
    pub(crate) missed: u64,
    /// What was in place of messages, or is too large.
    pub(crate) damaged: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.messages = self.messages.saturating_add(other.messages);
        self.missed = self.missed.saturating_add(other.missed);
        self.damaged = self.damaged.saturating_add(other.damaged);
    }

    /// `; X missed, Y damaged`; nothing if nothing was lost.
    pub(crate) fn losses(&self) -> String {
        match (self.missed, self.damaged) {
            (0, 0) => String::new(),
            (missed, 0) => format!("; {missed} missed"),
            (0, damaged) => format!("; {damaged} damaged"),
            (missed, damaged) => format!("; {missed} missed, {damaged} damaged"),
        }
    }
}

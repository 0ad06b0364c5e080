//! Recordings: MCAP files of packets.
//!
//! Each topic is a channel, whose metadata say which protocol and which file it was. The data of a message are the whole
//! packet, so that nothing of it is lost: see [`LAYOUT`]. A message's number is that of the packet in its topic, modulo
//! 2^32, so that gaps show losses even if the recorder was killed. A recording that was ended in good order has one
//! metadata record for each topic at its end, which says what was lost. Where a rule drops some of a topic's messages, the
//! channel's metadata hold the rule, and gaps tell nothing of losses.

mod chunk;
pub(crate) mod reader;
pub(crate) mod rules;
pub(crate) mod split;
mod summary;
pub(crate) mod writer;

use std::path::PathBuf;

use a0_std::{Message, Protocol, TimeMono, keys};

/// The encoding of all messages.
pub(crate) const ENCODING: &str = "alephzero/packet";

/// The name of the metadata records with what was recorded of a topic, and what was lost.
pub(crate) const TALLY: &str = "alephzero/topic";

/// The longest record that is read. No file makes us ask for much more memory than that, and for that much only if it holds
/// such a message, and that one is to be replayed.
pub(crate) const LONGEST: usize = 512 << 20;

/// The longest packet that is recorded: there is something around it.
pub(crate) const LONGEST_PACKET: usize = LONGEST - (64 << 10);

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
    Protocol::ALL.iter().copied().filter(|protocol| *protocol != Protocol::Deadman)
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
    /// Messages that the rules do not want.
    pub(crate) dropped: u64,
    /// Messages that the rules want, but that were not in memory any more when this became known.
    pub(crate) given_up: u64,
}

/// A topic that is recorded, or a file that is no topic's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    /// [`FILE`] if it is no topic's.
    pub(crate) protocol: &'static str,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// The rule because of which not all messages are recorded.
    pub(crate) rule: Option<String>,
}

/// What stands in place of a protocol for a file that is no topic's. Its name is that of the file, below `A0_ROOT`.
pub(crate) const FILE: &str = "file";

/// When messages were sent, as far as what they say can be true.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    /// When recording began, in nanoseconds since boot.
    pub(crate) began: u64,
}

impl Ages {
    /// Nanoseconds since boot; 0 if that is unknown of what was there before.
    pub(crate) fn time(&self, message: &Message<'_>, now: TimeMono, past: bool) -> u64 {
        let said = message.packet().header(keys::TIME_MONO).and_then(|text| TimeMono::parse(text.as_bytes()).ok());
        let said = said.map(TimeMono::as_nanos).filter(|said| *said <= now.as_nanos());
        match past {
            true => said.unwrap_or(0),
            false => said.filter(|said| *said >= self.began).unwrap_or(now.as_nanos()),
        }
    }
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.messages = self.messages.saturating_add(other.messages);
        self.missed = self.missed.saturating_add(other.missed);
        self.damaged = self.damaged.saturating_add(other.damaged);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.given_up = self.given_up.saturating_add(other.given_up);
    }

    /// Whether there is anything to tell.
    pub(crate) fn is_zero(&self) -> bool {
        [self.messages, self.missed, self.damaged, self.dropped, self.given_up] == [0; 5]
    }

    /// `; X missed, Y damaged, Z given up`; nothing if nothing was lost.
    pub(crate) fn losses(&self) -> String {
        let kinds = [(self.missed, "missed"), (self.damaged, "damaged"), (self.given_up, "given up")];
        let lost: Vec<_> =
            kinds.iter().filter(|kind| kind.0 > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
        if lost.is_empty() { String::new() } else { format!("; {}", lost.join(", ")) }
    }
}

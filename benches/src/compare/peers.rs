//! Everybody who takes part: AlephZero, what it is set beside, and the limits.

mod a0_loan;
pub(crate) mod a0_packets;
mod a0_python;
pub(crate) mod a0_raw;
mod a0_rpc;
pub(crate) mod bare;
mod framed;
mod pipe;
mod unix;

#[cfg(feature = "peers")]
mod iceoryx2;
#[cfg(feature = "peers")]
mod iceoryx2_rpc;
#[cfg(feature = "peers")]
mod ipc_channel;
#[cfg(feature = "peers")]
mod mq;
#[cfg(feature = "peers")]
mod zmq;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::figures::Figures;
use super::part::{Part, Task, Waiting};
use super::{limits, tasks};
use crate::Result;

/// Bytes at the start of a payload that are written and looked at by those who work in place.
const LOOKED_AT: usize = 8;

/// How long one look of a reader lasts that looks by itself.
const SPIN: Duration = Duration::from_micros(20);

/// A way of sending messages from process to process.
pub(crate) trait Peer {
    /// One end.
    type Sender: Send;
    /// The other.
    type Receiver: Receive;

    /// Whether all receivers get what a sender sends. If not, it sends to each of them.
    const MULTICAST: bool = false;
    /// Whether any number of senders may share a channel.
    const MANY_SENDERS: bool = false;
    /// Whether a sender goes on though nobody receives.
    const OVERWRITES: bool = false;
    /// Whether there are requests and replies besides, so that nobody builds them from two channels.
    const HAS_CALLS: bool = false;
    /// Whether receivers know what was overwritten.
    const COUNTS_LOSSES: bool = false;
    /// Messages of 64 bytes that wait for a receiver that comes late or is slow.
    const BACKLOG: u64 = 0;
    /// Whether a thousand channels are within reason.
    const MANY_CHANNELS: bool = true;
    /// The largest payload.
    const LARGEST: usize = 16 << 20;

    /// Opens the end that sends; waits for the other side if it must be there first.
    fn sender(channel: &Channel) -> Result<Self::Sender>;

    /// Opens the end that receives.
    fn receiver(channel: &Channel) -> Result<Self::Receiver>;

    /// Removes what may be left outside of the directory of a measurement.
    fn clean(_dir: &Path) {}
}

/// The end that sends.
pub(crate) trait Send {
    /// Sends a message.
    fn send(&mut self, payload: &[u8]) -> Result<()>;
}

/// The end that receives.
pub(crate) trait Receive {
    /// Looks once, and shows the message if there is one; whether there was.
    fn poll(&mut self, show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool>;

    /// Takes what is there, or some of it; gives the number of messages.
    #[inline]
    fn poll_some(&mut self) -> Result<u64> {
        Ok(u64::from(self.poll(|_| Ok(()))?))
    }

    /// Sleeps until there is a message, and shows it.
    fn wait(&mut self, show: impl FnMut(&[u8]) -> Result<()>) -> Result<()>;

    /// Messages that were overwritten before they could be received; see [`Peer::COUNTS_LOSSES`].
    fn missed(&self) -> u64 {
        0
    }
}

/// What both ends know about a channel.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    /// Where its files are.
    pub(crate) dir: PathBuf,
    /// Tells it from others there.
    pub(crate) name: String,
    /// The largest message.
    pub(crate) size: usize,
    /// Whether receivers sleep.
    pub(crate) asleep: bool,
    /// How many receivers there are.
    pub(crate) receivers: u32,
    /// Whether receivers come when messages are sent already, and want those, too, where there is a choice.
    pub(crate) late: bool,
    /// Whether nothing may be lost, where there is a choice.
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "without the peers nobody has a choice"))]
    pub(crate) lossless: bool,
    /// Bytes of an arena, at least.
    pub(crate) least: u64,
    /// Whether there are so many that each must be small.
    pub(crate) small: bool,
}

impl Channel {
    /// Names of the channels of a measurement.
    pub(crate) const NAMES: [&str; 2] = ["there", "back"];
    /// Channels of one name, at most, if each has one receiver.
    #[cfg(feature = "peers")]
    pub(crate) const COPIES: u32 = 9;

    /// The same for one of several receivers.
    pub(crate) fn copy(&self, index: u32) -> Channel {
        Channel { name: format!("{}{index}", self.name), ..self.clone() }
    }

    /// A channel of this measurement.
    pub(crate) fn new(part: &Part, name: &str) -> Channel {
        Channel {
            dir: part.dir.clone(),
            name: name.into(),
            size: part.size,
            asleep: false,
            receivers: 1,
            late: false,
            lossless: false,
            least: crate::topics::DEFAULT_ARENA,
            small: false,
        }
    }

    /// A file for it.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// Bytes of an arena that holds some messages of the largest size.
    pub(crate) fn arena(&self) -> u64 {
        let messages = if self.small { 1 } else { 4 };
        let least = if self.small { 64 << 10 } else { self.least };
        (messages * (self.size as u64 + 4096)).max(least)
    }
}

/// What a contender is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// AlephZero, this library.
    Ours,
    /// Somebody else.
    Peer,
    /// What the machine takes at least.
    Limit,
}

/// Somebody who takes part.
#[derive(Debug)]
pub(crate) struct Contender {
    /// As it is called in tables.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether it can do this, with payloads of this size.
    pub(crate) does: fn(Task, usize) -> bool,
    /// Plays one process; the one that measures gives what it has found.
    pub(crate) play: fn(&Part) -> Result<Option<Figures>>,
    /// Removes what may be left outside of the directory of a measurement.
    pub(crate) clean: fn(&Path),
}

impl Contender {
    /// Somebody who exchanges messages.
    const fn of<P: Peer>(kind: Kind, name: &'static str) -> Contender {
        Contender { name, kind, does: tasks::does::<P>, play: tasks::play::<P>, clean: P::clean }
    }

    /// The same for one task only.
    const fn only<P: Peer>(kind: Kind, name: &'static str, does: fn(Task, usize) -> bool) -> Contender {
        Contender { does, ..Contender::of::<P>(kind, name) }
    }

    /// Somebody who does something of its own.
    const fn custom(
        kind: Kind,
        name: &'static str,
        does: fn(Task, usize) -> bool,
        play: fn(&Part) -> Result<Option<Figures>>,
    ) -> Contender {
        Contender { name, kind, does, play, clean: |_| {} }
    }
}

/// All contenders, in the order in which they are shown. Of several limits of a row, the first one counts.
pub(crate) const ALL: &[Contender] = &[
    Contender::of::<a0_raw::Raw>(Kind::Ours, "AlephZero raw"),
    Contender::of::<a0_packets::Packets>(Kind::Ours, "AlephZero packets"),
    Contender::only::<a0_loan::Loaning>(Kind::Ours, "AlephZero loan", in_place),
    Contender::custom(Kind::Ours, "AlephZero RPC", a0_rpc::does, a0_rpc::play),
    Contender::custom(Kind::Ours, "AlephZero arena", tasks::arena::does, tasks::arena::play),
    #[cfg(feature = "peers")]
    Contender::of::<iceoryx2::Copying>(Kind::Peer, "iceoryx2"),
    #[cfg(feature = "peers")]
    Contender::only::<iceoryx2::Loaning>(Kind::Peer, "iceoryx2 loan", in_place),
    #[cfg(feature = "peers")]
    Contender {
        clean: iceoryx2::clean,
        ..Contender::custom(Kind::Peer, "iceoryx2 request-response", iceoryx2_rpc::does, iceoryx2_rpc::play)
    },
    #[cfg(feature = "peers")]
    Contender::of::<zmq::Zmq>(Kind::Peer, "ZeroMQ ipc"),
    #[cfg(feature = "peers")]
    Contender::of::<ipc_channel::IpcChannel>(Kind::Peer, "ipc-channel"),
    Contender::of::<unix::Stream>(Kind::Peer, "Unix stream"),
    Contender::of::<unix::SeqPacket>(Kind::Peer, "Unix seqpacket"),
    Contender::of::<pipe::Pipe>(Kind::Peer, "pipe"),
    #[cfg(feature = "peers")]
    Contender::of::<mq::Queue>(Kind::Peer, "POSIX queue"),
    Contender::custom(Kind::Peer, "AlephZero 0.3 (Python)", a0_python::does, a0_python::play),
    Contender::custom(Kind::Limit, limits::LINE, limits::does_line, limits::line),
    Contender::only::<bare::Two>(Kind::Limit, "two cache lines", |task, size| polled(task) && size == 64),
    Contender::only::<bare::Lines>(Kind::Limit, "lines of this format", |task, size| polled(task) && size == 64),
    Contender::only::<bare::Two>(Kind::Limit, "shared memory, no checks", |task, size| polled(task) && size > 64),
    Contender::custom(Kind::Limit, "futex wait and wake", limits::does_futex, limits::futex),
    Contender::custom(Kind::Limit, "memcpy", limits::does_memcpy, limits::memcpy),
    Contender::custom(Kind::Limit, "clock since boot", limits::does_clock, limits::clock_mono),
    Contender::custom(Kind::Limit, "civil clock", limits::does_clock, limits::clock_wall),
];

fn in_place(task: Task, _size: usize) -> bool {
    task == Task::ZeroCopy
}

fn polled(task: Task) -> bool {
    task == Task::RoundTrip(Waiting::Polling)
}

/// The contender of this name.
pub(crate) fn find(name: &str) -> Option<&'static Contender> {
    ALL.iter().find(|contender| contender.name == name)
}

//! What is measured, written once for everybody who exchanges messages.

pub(crate) mod arena;
mod open;
mod publish;
mod resident;
mod round_trip;
mod stream;

use super::figures::Figures;
use super::part::{Part, Subscribers, Task, Waiting};
use super::peers::{Channel, Peer, Send};
use crate::Result;

/// Whether a peer can do this with payloads of this size.
pub(crate) fn does<P: Peer>(task: Task, size: usize) -> bool {
    let able = match task {
        Task::Publish(0, _) => P::OVERWRITES,
        Task::Publish(_, Subscribers::Idle) => P::OVERWRITES,
        Task::Publish(_, _) | Task::RoundTrip(_) | Task::Start | Task::IdleCpu | Task::WakeUps => true,
        // Two channels will do.
        Task::Rpc(_) => !P::HAS_CALLS,
        Task::Stream(senders, receivers) => senders == 1 || (P::MANY_SENDERS && (P::MULTICAST || receivers == 1)),
        Task::Replay => P::BACKLOG > 0,
        Task::Open => P::MULTICAST,
        Task::Topics(_) => P::MANY_CHANNELS,
        // What is not in shared memory is in the kernel, which does not say how much it is.
        Task::Memory => P::MULTICAST,
        Task::Frames | Task::Mix => P::OVERWRITES && P::MANY_SENDERS,
        Task::ZeroCopy | Task::RpcSend(_) | Task::Arena | Task::Clock => false,
    };
    able && size <= P::LARGEST
}

/// Plays one process.
pub(crate) fn play<P: Peer>(part: &Part) -> Result<Option<Figures>> {
    match part.task {
        Task::Publish(count, subscribers) => publish::play::<P>(part, count, subscribers),
        Task::Frames => publish::alone::<P>(part, 64 << 20),
        Task::Mix => publish::mix::<P>(part),
        Task::RoundTrip(waiting) | Task::Rpc(waiting) => round_trip::play::<P>(part, waiting != Waiting::Polling),
        Task::ZeroCopy => round_trip::play::<P>(part, false),
        Task::Stream(senders, receivers) => stream::play::<P>(part, senders, receivers),
        Task::Replay => stream::replay::<P>(part),
        Task::Start => open::first_message::<P>(part),
        Task::Open => open::again::<P>(part),
        Task::Topics(count) => resident::topics::<P>(part, count),
        Task::Memory => resident::memory::<P>(part),
        Task::IdleCpu => resident::idle::<P>(part, true),
        Task::WakeUps => resident::idle::<P>(part, false),
        Task::RpcSend(_) | Task::Arena | Task::Clock => Err("is not about messages".into()),
    }
}

/// Sizes of the messages of a task, in turn; as many as some power of two.
pub(crate) fn sizes(part: &Part) -> Vec<usize> {
    if part.task != Task::Mix {
        return vec![part.size];
    }
    // A fixed row that looks like chance: each power of two as often as any other, and what lies between.
    let powers = u64::from(usize::BITS - part.size.leading_zeros());
    (1..=4096_u64)
        .map(|index| {
            let chance = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let power = 1 << ((chance >> 24) % powers);
            (power + chance as usize % power).min(part.size)
        })
        .collect()
}

/// A sender to several receivers, each on a channel of its own where that is needed.
struct Fan<S>(Vec<S>);

impl<S: Send> Fan<S> {
    fn open<P: Peer<Sender = S>>(channel: &Channel) -> Result<Fan<S>> {
        if P::MULTICAST || channel.receivers <= 1 {
            return Ok(Fan(vec![P::sender(channel)?]));
        }
        Ok(Fan((0..channel.receivers).map(|index| P::sender(&channel.copy(index))).collect::<Result<_>>()?))
    }

    #[inline(always)]
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        match &mut self.0[..] {
            [only] => only.send(payload),
            several => several.iter_mut().try_for_each(|sender| sender.send(payload)),
        }
    }
}

/// The receiving end for the `index`-th receiver.
fn receiver<P: Peer>(channel: &Channel, index: u32) -> Result<P::Receiver> {
    if P::MULTICAST || channel.receivers <= 1 { P::receiver(channel) } else { P::receiver(&channel.copy(index)) }
}

//! What is compared.

use serde::Serialize;

use super::part::{Subscribers, Task, Waiting};
use super::peers::Contender;

/// What the figures of a row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Nanoseconds.
    Ns,
    /// Something that should happen often, or seldom, in a second.
    PerS,
    /// Percent of a core.
    Percent,
    /// Bytes.
    Bytes,
}

/// One thing that is compared, at several sizes.
#[derive(Debug)]
pub(crate) struct Row {
    /// As it is called on the command line.
    pub(crate) name: &'static str,
    /// As it is called in tables.
    pub(crate) title: &'static str,
    pub(crate) task: Task,
    pub(crate) unit: Unit,
    /// Bytes of the payload.
    pub(crate) sizes: &'static [usize],
    /// Whether more processes want to run than there are cores, if there are two.
    pub(crate) oversubscribed: bool,
}

impl Row {
    const fn new(name: &'static str, title: &'static str, task: Task, sizes: &'static [usize]) -> Row {
        let (unit, oversubscribed) = match task {
            Task::Stream(senders, receivers) => (Unit::PerS, senders + receivers > 2),
            Task::Publish(subscribers, Subscribers::Polling) => (Unit::Ns, subscribers > 1),
            Task::WakeUps => (Unit::PerS, false),
            Task::IdleCpu => (Unit::Percent, false),
            Task::Memory => (Unit::Bytes, false),
            _ => (Unit::Ns, false),
        };
        Row { name, title, task, unit, sizes, oversubscribed }
    }

    /// Whether more is better.
    pub(crate) fn more_is_better(&self) -> bool {
        matches!(self.task, Task::Stream(..))
    }

    /// Whether the size is that of the arena.
    pub(crate) fn sizes_are_of_arenas(&self) -> bool {
        self.task == Task::Arena
    }

    /// Rounds that are needed: a new process gives one figure only where it is about starting.
    pub(crate) fn rounds(&self, rounds: u32) -> u32 {
        if self.task == Task::Start { 4 * rounds } else { rounds }
    }

    /// Whether processes are tied to their core from the start.
    pub(crate) fn pinned(&self) -> bool {
        !matches!(self.task, Task::Rpc(Waiting::Polling) | Task::RpcSend(_))
    }

    /// Who takes part.
    pub(crate) fn contenders(&self, size: usize) -> impl Iterator<Item = &'static Contender> {
        let task = self.task;
        super::peers::ALL.iter().filter(move |contender| (contender.does)(task, size))
    }
}

const ALL_SIZES: &[usize] = &[0, 64, 1 << 10, 64 << 10, 1 << 20, 16 << 20];
const MOST_SIZES: &[usize] = &[0, 64, 1 << 10, 64 << 10, 1 << 20];
const SOME_SIZES: &[usize] = &[64, 1 << 10, 64 << 10];
const SMALL: &[usize] = &[64];
const ARENAS: &[usize] = &[64 << 10, 1 << 20, 16 << 20, 256 << 20, 4 << 30];

/// Every row, in the order in which they are shown.
pub(crate) const ALL: &[Row] = &[
    Row::new("publish", "Publish, no subscriber", Task::Publish(0, Subscribers::Idle), ALL_SIZES),
    Row::new(
        "publish-1-idle",
        "Publish, 1 subscriber that never looks",
        Task::Publish(1, Subscribers::Idle),
        MOST_SIZES,
    ),
    Row::new("publish-1-polling", "Publish, 1 polling subscriber", Task::Publish(1, Subscribers::Polling), MOST_SIZES),
    Row::new("publish-1-asleep", "Publish, 1 sleeping subscriber", Task::Publish(1, Subscribers::Asleep), MOST_SIZES),
    Row::new("publish-8-polling", "Publish, 8 polling subscribers", Task::Publish(8, Subscribers::Polling), SOME_SIZES),
    Row::new("publish-8-asleep", "Publish, 8 sleeping subscribers", Task::Publish(8, Subscribers::Asleep), SMALL),
    Row::new("round-trip", "Round trip, both poll", Task::RoundTrip(Waiting::Polling), ALL_SIZES),
    Row::new("round-trip-in-place", "Round trip without copying", Task::ZeroCopy, SOME_AND_LARGE),
    Row::new(
        "round-trip-asleep",
        "Round trip, both sleep, two cores",
        Task::RoundTrip(Waiting::Asleep),
        SOME_AND_LARGE,
    ),
    Row::new(
        "round-trip-one-core",
        "Round trip, both sleep, one core",
        Task::RoundTrip(Waiting::AsleepOnOneCore),
        SOME_AND_LARGE,
    ),
    Row::new("stream-1-1", "Stream, 1 sender, 1 receiver", Task::Stream(1, 1), SOME_SIZES),
    Row::new("stream-1-4", "Stream, 1 sender, 4 receivers", Task::Stream(1, 4), SMALL),
    Row::new("stream-2-1", "Stream, 2 senders, 1 receiver", Task::Stream(2, 1), SMALL),
    Row::new("stream-4-4", "Stream, 4 senders, 4 receivers", Task::Stream(4, 4), SMALL),
    Row::new("replay", "Read what is there, each message", Task::Replay, SOME_SIZES),
    Row::new("rpc", "Request and reply, both poll", Task::Rpc(Waiting::Polling), SOME_SIZES),
    Row::new("rpc-asleep", "Request and reply, both sleep, two cores", Task::Rpc(Waiting::Asleep), SMALL),
    Row::new("rpc-one-core", "Request and reply, both sleep, one core", Task::Rpc(Waiting::AsleepOnOneCore), SMALL),
    Row::new("rpc-callback", "Request sent by the reply's callback", Task::RpcSend(0), SMALL),
    Row::new("rpc-1000", "The same, 1 000 others unanswered", Task::RpcSend(1000), SMALL),
    Row::new("start", "From opening to the first message, new process", Task::Start, SMALL),
    Row::new("open", "Open an existing topic and close it", Task::Open, SMALL),
    Row::new("topics-1000", "Publish on 1 000 topics in turn, polled by one process", Task::Topics(1000), SMALL),
    Row::new("idle-cpu", "CPU of a blocked subscriber", Task::IdleCpu, SMALL),
    Row::new("idle-wake-ups", "Wake-ups of a blocked subscriber", Task::WakeUps, SMALL),
    Row::new("memory", "Memory of a topic (arena of 64 KiB)", Task::Memory, SMALL),
    Row::new("arena", "Publish 64 B, by size of the arena", Task::Arena, ARENAS),
    Row::new("frames", "Publish into 64 MiB, by number of messages in it", Task::Frames, MOST_SIZES),
    Row::new("mix", "Publish messages of all sizes up to this one", Task::Mix, SOME_SIZES),
    Row::new("clock", "Read a clock", Task::Clock, &[0]),
];

const SOME_AND_LARGE: &[usize] = &[64, 1 << 10, 64 << 10, 1 << 20];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_and_somebody_who_does_it() {
        for (index, row) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.name != row.name), "{} is there twice", row.name);
            // Without the peers, nobody else works in place.
            let somebody = row.sizes.iter().all(|size| row.contenders(*size).next().is_some());
            assert!(somebody, "nobody does {}", row.name);
        }
    }
}

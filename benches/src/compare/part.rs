//! What one process of a measurement is told.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::control::{self, Process};
use super::figures::Figures;
use super::peers;
use crate::{Result, pin};

/// What subscribers do while the publisher is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Subscribers {
    /// They have subscribed, and never look.
    Idle,
    /// They look all the time.
    Polling,
    /// They sleep until something comes.
    Asleep,
}

/// Where a round trip takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Waiting {
    /// Both sides look all the time, each on a core.
    Polling,
    /// Both sides sleep, each on a core.
    Asleep,
    /// Both sides sleep, on the same core.
    AsleepOnOneCore,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// The time of one publish.
    Publish(u32, Subscribers),
    /// A message there and another one back.
    RoundTrip(Waiting),
    /// The same without copying: written and read in place.
    ZeroCopy,
    /// A request and its reply.
    Rpc(Waiting),
    /// A reply's callback that sends the next request, with so many calls outstanding.
    RpcSend(u32),
    /// So many senders to so many receivers, messages received per second.
    Stream(u32, u32),
    /// Reading what is there.
    Replay,
    /// From opening to the first message, in a new process.
    Start,
    /// Opening what exists.
    Open,
    /// Publishing on many topics in turn, which another process polls.
    Topics(u32),
    /// Percent of a core that a blocked subscriber uses.
    IdleCpu,
    /// How often a blocked subscriber wakes up for nothing.
    WakeUps,
    /// Bytes of memory for each topic.
    Memory,
    /// Publishing 64 B into a full arena, whose size takes the place of that of the payload.
    Arena,
    /// Publishing messages of this size into an arena of 64 MiB.
    Frames,
    /// Publishing messages of all sizes up to this one.
    Mix,
    /// A glance at the clock.
    Clock,
}

/// One process of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Name of who is measured.
    pub(crate) contender: String,
    pub(crate) task: Task,
    /// Bytes of a payload.
    pub(crate) size: usize,
    /// Where everything is that the processes share.
    pub(crate) dir: PathBuf,
    /// How long to measure.
    pub(crate) span: Duration,
    /// 0 measures, the others answer.
    pub(crate) process: u32,
    /// Whether it is tied to a core from the start.
    pub(crate) pinned: bool,
    /// The cores that there are. Who is tied to one sees no other, and neither do those it starts.
    pub(crate) cores: [usize; 2],
    /// Who started it.
    pub(crate) parent: i32,
}

impl Part {
    /// First argument of a process that takes part.
    pub(crate) const MODE: &str = "compare-part";

    /// Whether this is the process that measures.
    pub(crate) fn is_first(&self) -> bool {
        self.process == 0
    }

    /// The core of this process.
    pub(crate) fn core(&self) -> usize {
        self.cores[self.core_index()]
    }

    fn core_index(&self) -> usize {
        let together =
            matches!(self.task, Task::RoundTrip(Waiting::AsleepOnOneCore) | Task::Rpc(Waiting::AsleepOnOneCore));
        match self.task {
            _ if self.is_first() || together => 0,
            // One sender has a core for itself; several, and those who receive, share both.
            Task::Stream(1, _) => usize::from(self.process == 1),
            Task::Stream(_, _) => self.process as usize % 2,
            _ => 1,
        }
    }

    /// Ties the calling thread to the core of this process.
    pub(crate) fn pin(&self) -> Result<()> {
        pin::to(self.core())
    }

    /// Starts another process of the same measurement.
    pub(crate) fn start(&self, process: u32) -> Result<Process> {
        Process::start(&Part { process, ..self.clone() })
    }

    /// Starts the processes 1 to `count`.
    pub(crate) fn start_others(&self, count: u32) -> Result<Vec<Process>> {
        (1..=count).map(|process| self.start(process)).collect()
    }
}

/// Plays the part; the one that measures prints what it has found.
pub(crate) fn play(part: &str) -> Result<()> {
    let part: Part = serde_json::from_str(part)?;
    control::die_with(part.parent)?;
    if part.pinned {
        part.pin()?;
    }
    let contender = peers::find(&part.contender).ok_or("no such contender")?;
    let figures: Option<Figures> = (contender.play)(&part)?;
    if let Some(figures) = figures {
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(())
}

//! Which messages of one topic are saved.

use std::collections::VecDeque;

use super::signal::Event;
use super::signal_log::SignalLog;
use super::{Action, Policy};
use crate::recording::writer::MessageStamp;

/// How much later than its time a trigger may become known, in nanoseconds: so much may pass between a program's stamping
/// a message and its publishing it.
const LATEST_SIGNAL: u64 = 100_000_000;

/// What a message that waits takes besides its packet, in bytes.
const ENTRY_SIZE: u64 = 128;

/// Messages that are neither saved nor dropped yet, in their order.
pub(crate) struct MessageSelector {
    rule: usize,
    policies: Vec<PolicyState>,
    queue: VecDeque<QueuedMessage>,
    /// Messages at the end of the queue that were not compared with the signals yet.
    fresh: usize,
    /// Messages before those in the queue whose packets are gone for lack of memory, and which may still be wanted.
    ghosts: VecDeque<QueueMark>,
    /// Of all packets that are held.
    bytes: u64,
    /// Messages that were compared with the signals.
    count: u64,
    /// The next signal.
    signal: u64,
    /// What was decided and not asked for yet.
    tally: Dropped,
}

/// Messages that are not recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// As the rule says.
    pub(crate) by_rule: u64,
    /// That were wanted, but had to leave memory before it was known.
    pub(crate) given_up: u64,
}

/// A message that waits.
pub(crate) struct QueuedMessage {
    mark: QueueMark,
    pub(crate) stamp: MessageStamp,
    pub(crate) packet: Box<[u8]>,
}

struct QueueMark {
    /// Nanoseconds since boot.
    time: u64,
    /// Counts the topic's messages that were compared with signals.
    number: u64,
    is_wanted: bool,
}

enum PolicyState {
    SaveAll { on: bool },
    DropAll,
    Time { prev: u64 },
    Count { prev: u64, next: u64, left: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Save,
    Drop,
    Defer,
}

impl MessageSelector {
    /// For a topic to which this rule applies.
    pub(crate) fn new(rule: usize, policies: &[Policy], signals: &SignalLog) -> MessageSelector {
        let state = |(number, policy): (usize, &Policy)| match policy.action {
            Action::SaveAll { ignore_control } => {
                PolicyState::SaveAll { on: ignore_control || signals.was_on((rule, number)) }
            }
            Action::DropAll => PolicyState::DropAll,
            Action::Time { prev, .. } => PolicyState::Time { prev: prev.as_nanos() as u64 },
            Action::Count { prev, next } => PolicyState::Count { prev, next, left: 0 },
        };
        MessageSelector {
            rule,
            policies: policies.iter().enumerate().map(state).collect(),
            queue: VecDeque::new(),
            fresh: 0,
            ghosts: VecDeque::new(),
            bytes: 0,
            count: 0,
            signal: signals.first(),
            tally: Dropped::default(),
        }
    }

    /// Takes a message.
    pub(crate) fn push(&mut self, time: u64, stamp: MessageStamp, packet: &[u8]) {
        let mark = QueueMark { time, number: 0, is_wanted: false };
        self.queue.push_back(QueuedMessage { mark, stamp, packet: packet.into() });
        self.fresh += 1;
        self.bytes += ENTRY_SIZE + packet.len() as u64;
    }

    /// Compares what was taken with the signals. `read_until`: what is not here is later than that.
    pub(crate) fn settle(&mut self, signals: &SignalLog, read_until: Option<u64>) {
        for index in self.queue.len() - self.fresh..self.queue.len() {
            // What is at the same time comes before the signal.
            let time = self.queue[index].mark.time;
            self.heed(signals, index, |signal| signal < time);
            let mark = &mut self.queue[index].mark;
            mark.number = self.count;
            self.count += 1;
            for state in &mut self.policies {
                match state {
                    PolicyState::SaveAll { on } => mark.is_wanted |= *on,
                    PolicyState::Count { left, .. } if *left > 0 => {
                        *left -= 1;
                        mark.is_wanted = true;
                    }
                    _ => {}
                }
            }
        }
        self.fresh = 0;
        if let Some(until) = read_until {
            let len = self.queue.len();
            self.heed(signals, len, |signal| signal <= until);
        }
    }

    /// Takes note of signals for as long as their times are such. So many messages of the queue came before them.
    fn heed(&mut self, signals: &SignalLog, len: usize, is_due: impl Fn(u64) -> bool) {
        while let Some(signal) = signals.find(&mut self.signal, self.rule).filter(|signal| is_due(signal.time)) {
            self.signal += 1;
            match (&mut self.policies[signal.policy.1], signal.event) {
                (PolicyState::SaveAll { on }, Event::SwitchedOn) => *on = true,
                (PolicyState::SaveAll { on }, Event::SwitchedOff) => *on = false,
                (PolicyState::Count { prev, next, left }, Event::Fired) => {
                    *left = *next;
                    let first = self.count.saturating_sub(*prev);
                    let before = self.queue.range_mut(..len).map(|held| &mut held.mark);
                    let last = before.rev().chain(self.ghosts.iter_mut().rev());
                    last.take_while(|mark| mark.number >= first).for_each(|mark| mark.is_wanted = true);
                }
                _ => {}
            }
        }
    }

    fn decide(&self, mark: &QueueMark, signals: &SignalLog) -> Decision {
        if mark.is_wanted {
            return Decision::Save;
        }
        let mut decision = Decision::Drop;
        for (number, state) in self.policies.iter().enumerate() {
            match *state {
                PolicyState::Time { .. } if signals.is_inside((self.rule, number), mark.time) => return Decision::Save,
                PolicyState::Time { prev }
                    if mark.time.saturating_add(prev).saturating_add(LATEST_SIGNAL) > signals.horizon() =>
                {
                    decision = Decision::Defer;
                }
                PolicyState::Count { prev, .. } if self.count - mark.number <= prev => decision = Decision::Defer,
                _ => {}
            }
        }
        decision
    }

    /// The next message to save, if it is decided. At the end, nothing more can make a message wanted.
    pub(crate) fn pop(&mut self, signals: &SignalLog, at_end: bool) -> Option<QueuedMessage> {
        let is_decided = |decision| decision != Decision::Defer || at_end;
        while let Some(ghost) = self.ghosts.front() {
            match self.decide(ghost, signals) {
                Decision::Save => self.tally.given_up += 1,
                decision if is_decided(decision) => self.tally.by_rule += 1,
                _ => break,
            }
            self.ghosts.pop_front();
            self.bytes -= ENTRY_SIZE;
        }
        // What is fresh was not compared yet.
        while self.queue.len() > self.fresh {
            let decision = self.decide(&self.queue.front()?.mark, signals);
            if !is_decided(decision) {
                return None;
            }
            let held = self.queue.pop_front()?;
            self.bytes -= ENTRY_SIZE + held.packet.len() as u64;
            if decision == Decision::Save {
                return Some(held);
            }
            self.tally.by_rule += 1;
        }
        None
    }

    /// Lets the oldest packet go. What was decided must have been popped.
    pub(crate) fn give_up(&mut self) {
        if let Some(held) = self.queue.pop_front() {
            self.bytes -= held.packet.len() as u64;
            self.ghosts.push_back(held.mark);
        } else if self.ghosts.pop_front().is_some() {
            self.bytes -= ENTRY_SIZE;
            self.tally.given_up += 1;
        }
    }

    /// The time of the oldest packet that is held.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.queue.front().map(|held| held.mark.time).or_else(|| self.ghosts.front().map(|ghost| ghost.time))
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.oldest().is_none()
    }

    /// Messages that wait.
    pub(crate) fn held(&self) -> usize {
        self.queue.len()
    }

    /// Memory that they take.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was not recorded since this was last asked.
    pub(crate) fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.tally)
    }
}

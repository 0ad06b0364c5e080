//! One topic over time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use a0_core::State;
use a0_core::layout::WORKSPACE;
use a0_std::DiscoveredTopic;

use super::look::Look;

/// Rates that are kept for the plot.
const HISTORY: usize = 240;

/// A topic, what was seen last, and what follows from what was seen before.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) topic: DiscoveredTopic,
    pub(super) look: Look,
    seen: Instant,
    /// Messages a second; `None` until the second look.
    pub(super) rate: Option<f64>,
    /// Bytes a second that went into the arena, headers included.
    pub(super) bandwidth: Option<f64>,
    /// Messages that came and went between two looks, so that nobody as slow as this can have seen them.
    pub(super) lost: u64,
    /// The last rates, the newest one at the end.
    pub(super) history: VecDeque<f64>,
}

impl Row {
    pub(super) fn new(topic: DiscoveredTopic, look: Look, now: Instant) -> Row {
        Row { topic, look, seen: now, rate: None, bandwidth: None, lost: 0, history: VecDeque::new() }
    }

    /// Takes another look into account.
    pub(super) fn update(&mut self, look: Look, now: Instant) {
        let elapsed = now.saturating_duration_since(self.seen);
        let change = match (self.look.messages(), look.messages()) {
            (Some(before), Some(now)) => Change::between(&before.state, &now.state),
            // All that is there came since.
            (None, Some(now)) if matches!(self.look, Look::New) => Change::between(&State::FRESH, &now.state),
            _ => None,
        };
        let rate = |count: f64| (elapsed > Duration::ZERO).then(|| count / elapsed.as_secs_f64());
        self.rate = change.and_then(|change| rate(change.messages as f64));
        self.bandwidth = change.and_then(|change| rate(change.bytes));
        self.lost = self.lost.saturating_add(change.map_or(0, |change| change.lost));
        if let Some(rate) = self.rate {
            if self.history.len() == HISTORY {
                self.history.pop_front();
            }
            self.history.push_back(rate);
        }
        (self.look, self.seen) = (look, now);
    }

    /// How much of the arena was ever used.
    pub(super) fn used(&self) -> Option<f64> {
        let messages = self.look.messages()?;
        let room = messages.arena.saturating_sub(WORKSPACE).max(1);
        Some(messages.state.high_water_mark.saturating_sub(WORKSPACE) as f64 / room as f64)
    }
}

/// What happened between two looks at a state.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    messages: u64,
    bytes: f64,
    lost: u64,
}

impl Change {
    /// `None` if the numbers went backwards: then this is another topic.
    fn between(before: &State, now: &State) -> Option<Change> {
        let messages = now.seq_high.checked_sub(before.seq_high)?;
        let lost = now.seq_low.saturating_sub(before.seq_high).saturating_sub(1).min(messages);
        let written = if messages == 0 { Some(0.0) } else { written(before, now) };
        // If all was overwritten meanwhile, what is there now stands for what is gone.
        let mean = now.high_water_mark.saturating_sub(WORKSPACE) as f64 / now.frame_count().max(1) as f64;
        Some(Change { messages, bytes: written.unwrap_or(mean * messages as f64), lost })
    }
}

/// Bytes from where the newest frame was to where it is now; `None` if that one is gone.
fn written(before: &State, now: &State) -> Option<f64> {
    if before.is_empty() || now.is_empty() || now.seq_low > before.seq_high {
        return None;
    }
    let distance = match now.off_tail.checked_sub(before.off_tail) {
        Some(distance) => distance,
        // It went on from the start of the arena, once: otherwise the old one would be gone.
        None => {
            let end = before.high_water_mark.max(now.high_water_mark);
            end.saturating_sub(before.off_tail) + now.off_tail.saturating_sub(WORKSPACE)
        }
    };
    Some(distance as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::top::look::Messages;
    use a0_std::Protocol;

    fn state(seq_low: u64, seq_high: u64, off_tail: u64, high_water_mark: u64) -> State {
        State { seq_low, seq_high, off_head: WORKSPACE, off_tail, high_water_mark }
    }

    #[test]
    fn changes() {
        let before = state(1, 10, 1000, 1100);
        let change = |now| Change::between(&before, &now).map(|change| (change.messages, change.bytes, change.lost));
        assert_eq!(change(before), Some((0, 0.0, 0)));
        assert_eq!(change(state(1, 12, 1208, 1300)), Some((2, 208.0, 0)));
        // Round the end of the arena: 100 to the end, 56 from the start.
        assert_eq!(change(state(5, 12, 200, 1100)), Some((2, 156.0, 0)));
        // 10 messages of 100 bytes are there, 15 of the 25 new ones are gone.
        assert_eq!(change(state(26, 35, 1044, 1144)), Some((25, 2500.0, 15)));
        assert_eq!(change(state(1, 9, 1000, 1100)), None);
        // Cleared, with one that nobody saw.
        let cleared = State { seq_low: 12, seq_high: 11, ..State::FRESH };
        assert_eq!(change(cleared), Some((1, 0.0, 1)));
        // Whatever a file says.
        let wild = State { seq_low: u64::MAX, seq_high: u64::MAX, off_head: 0, off_tail: 0, high_water_mark: u64::MAX };
        assert_eq!(change(wild).map(|change| change.0), Some(u64::MAX - 10));
    }

    #[test]
    fn a_row_over_time() {
        let messages = |seq_high: u64| {
            let state = state(1, seq_high, 144 + 100 * (seq_high - 1), 144 + 100 * seq_high);
            Look::Messages(Messages { state, latest: Some(60), arena: 10_144, owner: None, sleepers: false })
        };
        let topic = DiscoveredTopic::new(Protocol::PubSub, "t", "/t");
        let start = Instant::now();
        let mut row = Row::new(topic, Look::New, start);
        assert_eq!((row.rate, row.used()), (None, None));
        row.update(messages(10), start + Duration::from_secs(2));
        assert_eq!((row.rate, row.bandwidth, row.used()), (Some(5.0), Some(500.0), Some(0.1)));
        row.update(messages(10), start + Duration::from_secs(3));
        row.update(messages(20), start + Duration::from_secs(4));
        assert_eq!((row.rate, row.bandwidth), (Some(10.0), Some(1000.0)));
        assert_eq!(row.history, [5.0, 0.0, 10.0]);
        row.update(Look::Damaged("truncated".to_owned()), start + Duration::from_secs(5));
        assert_eq!((row.rate, row.bandwidth, row.lost), (None, None, 0));
        for second in 0..1000 {
            row.update(messages(20), start + Duration::from_secs(6 + second));
        }
        assert_eq!(row.history.len(), HISTORY);
    }
}

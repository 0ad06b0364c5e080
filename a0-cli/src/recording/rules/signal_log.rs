//! What triggers say, and what switches policies on and off.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use a0_std::{Clock, Init, SystemClock};

use super::signal::{Event, Signal};
use super::signal_source::SignalSource;
use super::timer::{Schedule, Timer};
use super::{Action, Rule, Rules, Trigger};
use crate::end::Outcome;
use crate::recording::Ages;

/// How long what happened is kept for topics that are found a little late, in nanoseconds.
const KEPT_NANOSECONDS: u64 = 10_000_000_000;

/// Everything that is listened to, and what has happened.
pub(crate) struct SignalLog {
    sources: Vec<SignalSource>,
    timers: Vec<Timer>,
    policies: BTreeMap<(usize, usize), SwitchState>,
    log: VecDeque<Signal>,
    /// How many were forgotten.
    forgotten: u64,
    /// Until when all is known.
    horizon: u64,
}

struct SwitchState {
    on: bool,
    /// The same before the first signal that is still known.
    on_first: bool,
    /// What a window in time reaches back and forth; `None` for other policies.
    reach: Option<(u64, u64)>,
    /// What is inside of windows; sorted, and none touches another.
    spans: Vec<(u64, u64)>,
}

impl SignalLog {
    /// Listens from now on, or also to what is there.
    pub(crate) fn new<'a>(rules: &'a Rules, history: bool, now: u64) -> Outcome<SignalLog> {
        let mut sources: BTreeMap<&str, SignalSource> = BTreeMap::new();
        let (mut timers, mut policies) = (vec![], BTreeMap::new());
        let init = if history { Init::Oldest } else { Init::AwaitNew };
        let of = |(number, rule): (usize, &'a Rule)| {
            (0..).zip(&rule.policies).map(move |(at, policy)| ((number, at), policy))
        };
        for (number, policy) in (0..).zip(&rules.rules).flat_map(of) {
            let on = policy.controls.is_empty();
            for topic in &policy.controls {
                SignalSource::of(&mut sources, topic, init)?.switches.push(number);
            }
            for trigger in &policy.triggers {
                let schedule = match trigger {
                    Trigger::PubSub { topic } => {
                        SignalSource::of(&mut sources, topic, init)?.fires.push(number);
                        continue;
                    }
                    // Both start with a signal.
                    Trigger::Rate { period } => Schedule::Rate { period: nanos(*period), next: now },
                    Trigger::Cron(cron) => Schedule::Cron { cron: cron.clone(), last: None },
                };
                timers.push(Timer { policy: number, schedule });
            }
            let reach = match policy.action {
                Action::Time { prev, next } => Some((nanos(prev), nanos(next))),
                _ => None,
            };
            policies.insert(number, SwitchState { on, on_first: on, reach, spans: vec![] });
        }
        let sources = sources.into_values().collect();
        let mut signals = SignalLog { sources, timers, policies, log: VecDeque::new(), forgotten: 0, horizon: 0 };
        signals.sources.iter_mut().for_each(SignalSource::discover);
        Ok(signals)
    }

    /// Takes note of what has happened until now.
    pub(crate) fn poll(&mut self, clock: &SystemClock, ages: &Ages) {
        let now = clock.mono().as_nanos();
        let (mut found, mut all) = (vec![], true);
        for source in &mut self.sources {
            all &= source.listen(clock, ages, &mut found);
        }
        let wall = clock.wall().secs();
        for timer in &mut self.timers {
            let policy = timer.policy;
            timer.schedule.until(now, wall, |time| found.push(Signal { time, policy, event: Event::Fired }));
        }
        found.sort_by_key(|signal| signal.time);
        found.into_iter().for_each(|signal| self.take(signal));
        if all {
            self.horizon = now;
        }
    }

    fn take(&mut self, signal: Signal) {
        let Some(state) = self.policies.get_mut(&signal.policy) else { return };
        match signal.event {
            Event::Fired if !state.on => return,
            Event::Fired => {}
            Event::SwitchedOn => state.on = true,
            Event::SwitchedOff => state.on = false,
        }
        match (signal.event, state.reach) {
            (Event::Fired, Some((prev, next))) => {
                insert(&mut state.spans, (signal.time.saturating_sub(prev), signal.time.saturating_add(next)));
            }
            _ => self.log.push_back(signal),
        }
    }

    /// The number of the first signal that is still known.
    pub(crate) fn first(&self) -> u64 {
        self.forgotten
    }

    /// Whether a policy was switched on before that.
    pub(crate) fn was_on(&self, policy: (usize, usize)) -> bool {
        self.policies.get(&policy).is_some_and(|state| state.on_first)
    }

    /// The first signal for one of this rule's policies from this number on, which becomes the signal's own.
    pub(crate) fn find(&self, number: &mut u64, rule: usize) -> Option<Signal> {
        *number = (*number).max(self.forgotten);
        while let Some(signal) = self.log.get((*number - self.forgotten) as usize) {
            if signal.policy.0 == rule {
                return Some(*signal);
            }
            *number += 1;
        }
        None
    }

    /// Whether a time is inside of a window.
    pub(crate) fn is_inside(&self, policy: (usize, usize), time: u64) -> bool {
        self.policies.get(&policy).is_some_and(|state| {
            let after = state.spans.partition_point(|span| span.1 < time);
            state.spans.get(after).is_some_and(|span| span.0 <= time)
        })
    }

    /// Until when all triggers are known.
    pub(crate) fn horizon(&self) -> u64 {
        self.horizon
    }

    /// Forgets what no message can depend on any more. All topics were read until now.
    pub(crate) fn forget(&mut self) {
        let until = self.horizon.saturating_sub(KEPT_NANOSECONDS);
        while let Some(signal) = self.log.front().copied().filter(|signal| signal.time < until) {
            self.log.pop_front();
            self.forgotten += 1;
            if let Some(state) = self.policies.get_mut(&signal.policy).filter(|_| signal.event != Event::Fired) {
                state.on_first = signal.event == Event::SwitchedOn;
            }
        }
        for state in self.policies.values_mut() {
            let gone = state.spans.partition_point(|span| span.1 < until);
            state.spans.drain(..gone);
        }
    }
}

/// Adds a span to others, sorted, and joins those that meet.
fn insert(spans: &mut Vec<(u64, u64)>, (mut start, mut end): (u64, u64)) {
    let first = spans.partition_point(|span| span.1 < start);
    let last = spans.partition_point(|span| span.0 <= end).max(first);
    for span in &spans[first..last] {
        (start, end) = (start.min(span.0), end.max(span.1));
    }
    spans.splice(first..last, [(start, end)]);
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_joined() {
        let mut spans = vec![];
        for span in [(10, 20), (40, 50), (30, 35), (20, 30), (60, 70), (0, 5), (45, 46)] {
            insert(&mut spans, span);
        }
        assert_eq!(spans, [(0, 5), (10, 35), (40, 50), (60, 70)]);
        insert(&mut spans, (1, 100));
        assert_eq!(spans, [(0, 100)]);
    }
}

//! Reading topics, choosing messages, and writing them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use a0_std::{Clock, DiscoveryEvent, Init, Message, SystemClock, TimeWall, keys};

use super::selection::{Candidate, Finder, Ruling};
use crate::console::complain;
use crate::end::{End, Outcome};
use crate::quantity::human;
use crate::recording::rules::Rules;
use crate::recording::rules::message_selector::{Dropped, MessageSelector};
use crate::recording::rules::signal_log::SignalLog;
use crate::recording::writer::{MessageStamp, RecordingWriter};
use crate::recording::{Ages, Counts, Subject};
use crate::tap::{Found, Tap};

/// Messages of one topic before the others have their turn.
const MESSAGE_BUDGET: u32 = 256;

/// Bytes of messages that may wait for rules to be applied to them.
const BYTE_BUDGET: u64 = 16 << 20;

/// What is recorded now.
pub(super) struct Recorder {
    finder: Finder,
    ruling: Option<Ruling>,
    taps: BTreeMap<PathBuf, Tapped>,
    times: Times,
    /// Bytes that may wait for triggers.
    buffer: u64,
    is_full: bool,
}

/// How old messages can be.
struct Times {
    clock: SystemClock,
    ages: Ages,
    /// What is earlier is not recorded; nanoseconds since boot.
    start: u64,
    /// Messages that are earlier cannot be new.
    since: Option<TimeWall>,
}

struct Tapped {
    subject: Subject,
    tap: Tap,
    /// The topic's file was removed.
    gone: bool,
    /// Whoever chooses messages; `None` if all are recorded.
    selector: Option<MessageSelector>,
    /// What is read was there before.
    past: bool,
    /// The latest time of a message.
    latest: u64,
    /// Until when all was read, in nanoseconds since boot; `None` if there may be more.
    read_until: Option<u64>,
}

impl Recorder {
    pub(super) fn new(finder: Finder, rules: Option<Rules>, history: bool, buffer: u64) -> Outcome<Recorder> {
        let (clock, has_rules) = (SystemClock, rules.is_some());
        let (wall, began) = (clock.wall(), clock.mono().as_nanos());
        let ruling = rules.map(|rules| Ruling::new(rules, history)).transpose()?;
        let start = ruling.as_ref().map_or(0, |ruling| ruling.start);
        let since = match has_rules {
            true => wall.checked_sub(Duration::from_nanos(began.saturating_sub(start))),
            false => Some(wall),
        };
        let times = Times { clock, ages: Ages { began }, start, since: since.filter(|_| !history) };
        let taps = BTreeMap::new();
        let mut recorder = Recorder { finder, ruling, taps, times, buffer, is_full: false };
        let init = if history || has_rules { Init::Oldest } else { Init::AwaitNew };
        recorder.discover(init, true);
        Ok(recorder)
    }

    /// Takes note of topics that come and go.
    fn discover(&mut self, init: Init, past: bool) {
        while let Some(event) = self.finder.next() {
            match event {
                DiscoveryEvent::Found(candidate) => match self.taps.get_mut(&candidate.path) {
                    Some(tapped) => {
                        tapped.gone = false;
                        tapped.tap.hurry();
                    }
                    None => self.begin(candidate, init, past),
                },
                DiscoveryEvent::Removed(candidate) => {
                    if let Some(tapped) = self.taps.get_mut(&candidate.path) {
                        tapped.gone = true;
                    }
                }
            }
        }
    }

    fn begin(&mut self, candidate: Candidate, init: Init, past: bool) {
        let (rule, selector) = match &mut self.ruling {
            None => (None, None),
            Some(ruling) => match ruling.admit(&candidate) {
                Some(admitted) => admitted,
                None => return ruling.leave_out(&candidate.path),
            },
        };
        let subject = Subject { rule, ..self.finder.subject(candidate) };
        match Tap::new(&subject.path, init) {
            Ok(tap) => {
                let path = subject.path.clone();
                self.taps
                    .insert(path, Tapped { subject, tap, gone: false, selector, past, latest: 0, read_until: None });
            }
            Err(end) => say_not_recorded(end),
        }
    }

    /// Has every topic looked for anew.
    pub(super) fn hurry(&mut self) {
        self.taps.values_mut().for_each(|tapped| tapped.tap.hurry());
    }

    /// Records what has come; gives whether that was nothing.
    pub(super) fn record(&mut self, writer: &mut RecordingWriter) -> Outcome<bool> {
        let looked = self.times.clock.mono().as_nanos();
        self.discover(Init::Oldest, false);
        let (mut idle, mut over) = (true, vec![]);
        let share = BYTE_BUDGET / self.taps.len().max(1) as u64;
        for (path, tapped) in &mut self.taps {
            match tapped.record(writer, &self.times, looked, share)? {
                Ok(true) => idle = false,
                Ok(false) => match tapped.look_after() {
                    Ok(false) if tapped.is_over() => over.push(path.clone()),
                    Ok(opened) => idle &= !opened,
                    Err(end) => {
                        say_not_recorded(end);
                        over.push(path.clone());
                    }
                },
                Err(end) => {
                    say_not_recorded(end);
                    over.push(path.clone());
                }
            }
        }
        self.choose(writer, false)?;
        for path in over {
            if let (Some(mut tapped), Some(ruling)) = (self.taps.remove(&path), &self.ruling) {
                tapped.write_chosen(writer, &ruling.signals, true)?;
            }
        }
        Ok(idle)
    }

    /// Applies the rules to what was read.
    fn choose(&mut self, writer: &mut RecordingWriter, at_end: bool) -> Outcome {
        let Some(ruling) = &mut self.ruling else { return Ok(()) };
        // After the topics: of what was read, it is known now which triggers came before.
        ruling.signals.poll(&self.times.clock, &self.times.ages);
        let signals = &ruling.signals;
        let mut all_read = true;
        for tapped in self.taps.values_mut() {
            all_read &= tapped.read_until.is_some() || !tapped.tap.is_there();
            if let Some(selector) = &mut tapped.selector {
                selector.settle(signals, if at_end { Some(u64::MAX) } else { tapped.read_until });
                tapped.write_chosen(writer, signals, at_end)?;
            }
        }
        self.make_room(writer)?;
        if let Some(ruling) = self.ruling.as_mut().filter(|_| all_read) {
            ruling.signals.forget();
        }
        Ok(())
    }

    /// Lets the oldest packets go that wait for triggers, until the others fit.
    fn make_room(&mut self, writer: &mut RecordingWriter) -> Outcome {
        let Some(ruling) = &self.ruling else { return Ok(()) };
        let bytes = |tapped: &Tapped| tapped.selector.as_ref().map_or(0, MessageSelector::bytes);
        let mut sum: u64 = self.taps.values().map(bytes).sum();
        while sum > self.buffer {
            let waits = self.taps.values_mut().filter(|tapped| bytes(tapped) > 0);
            let age = |tapped: &&mut Tapped| tapped.selector.as_ref().and_then(MessageSelector::oldest);
            let Some(oldest) = waits.min_by_key(age) else { break };
            sum -= bytes(oldest);
            oldest.selector.iter_mut().for_each(MessageSelector::give_up);
            oldest.write_chosen(writer, &ruling.signals, false)?;
            sum += bytes(oldest);
            if !std::mem::replace(&mut self.is_full, true) {
                let buffer = human(self.buffer);
                complain(format_args!(
                    "what waits for triggers takes more than {buffer}, so the oldest of it goes, and is counted as given up if \
                     it was wanted; give it more with --buffer, or shorten the windows"
                ));
            }
        }
        Ok(())
    }

    /// Decides about all that waits.
    pub(super) fn finish(&mut self, writer: &mut RecordingWriter) -> Outcome {
        self.choose(writer, true)
    }

    /// Topics of which nothing is recorded; `None` if there are no rules.
    pub(super) fn left_out(&self) -> Option<usize> {
        self.ruling.as_ref().map(|ruling| ruling.left_out.len())
    }

    /// `; N wait`, if any do.
    pub(super) fn waiting(&self) -> String {
        let choices = || self.taps.values().filter_map(|tapped| tapped.selector.as_ref());
        match choices().map(MessageSelector::held).sum::<usize>() {
            0 => String::new(),
            held => format!("; {held} wait ({})", human(choices().map(MessageSelector::bytes).sum())),
        }
    }
}

impl Tapped {
    /// Whether there is nothing more to record.
    fn is_over(&self) -> bool {
        self.gone && !self.tap.is_there() && self.selector.as_ref().is_none_or(MessageSelector::is_empty)
    }

    /// Finds out now and then whether there is another file, which may have messages.
    fn look_after(&mut self) -> Outcome<bool> {
        let was_there = self.tap.is_there();
        if !was_there && self.selector.is_some() {
            // Triggers are not known in time if a topic's first messages are not.
            self.tap.hurry();
        }
        let removed = self.tap.look_after(Instant::now())?;
        let opened = (removed || !was_there) && self.tap.is_there();
        if opened {
            self.read_until = None;
        }
        Ok(opened)
    }

    /// Records what has come, or has it chosen from; gives whether there was anything, or why the topic cannot be read any
    /// more.
    fn record(
        &mut self,
        writer: &mut RecordingWriter,
        times: &Times,
        looked: u64,
        share: u64,
    ) -> Outcome<Outcome<bool>> {
        self.read_until = None;
        let mut read = 0;
        for turn in 0..MESSAGE_BUDGET {
            let (missed, damaged) = match self.tap.read() {
                Ok(Found::Message(message)) => {
                    let time = times.ages.time(&message, times.clock.mono(), self.past);
                    if time >= times.start {
                        let mut stamp = stamp(&message, times.clock.wall(), times.since);
                        // In the order of the topic, even if a clock is put back.
                        stamp.log_time = stamp.log_time.max(self.latest);
                        self.latest = stamp.log_time;
                        let packet = message.packet().as_bytes();
                        match &mut self.selector {
                            None => {
                                let index = writer.topic(&self.subject);
                                writer.write(index, stamp, packet)?;
                            }
                            Some(selector) => {
                                selector.push(time, stamp, packet);
                                read += packet.len() as u64;
                            }
                        }
                    }
                    (message.missed(), 0)
                }
                Ok(Found::Damaged { missed }) => (missed, 1),
                Ok(Found::Nothing) => {
                    self.past = false;
                    // Of what is not open yet, there may be messages.
                    self.read_until = (self.tap.is_there() || self.gone).then_some(looked);
                    return Ok(Ok(turn > 0));
                }
                Err(end) => return Ok(Err(end)),
            };
            if missed > 0 || damaged > 0 {
                let index = writer.topic(&self.subject);
                writer.lost(index, Counts { missed, damaged, ..Counts::default() });
            }
            if read > share {
                break;
            }
        }
        Ok(Ok(true))
    }

    /// Writes what was chosen; takes note of what was not.
    fn write_chosen(&mut self, writer: &mut RecordingWriter, signals: &SignalLog, at_end: bool) -> Outcome {
        let Some(selector) = &mut self.selector else { return Ok(()) };
        while let Some(held) = selector.pop(signals, at_end) {
            let index = writer.topic(&self.subject);
            writer.write(index, held.stamp, &held.packet)?;
        }
        let Dropped { by_rule: dropped, given_up } = selector.take_dropped();
        if dropped > 0 || given_up > 0 {
            let index = writer.topic(&self.subject);
            writer.lost(index, Counts { dropped, given_up, ..Counts::default() });
        }
        Ok(())
    }
}

fn say_not_recorded(end: End) {
    if let End::Failed(reason) = end {
        complain(format_args!("not recorded: {reason}"));
    }
}

/// The times of a message. What others say about it counts where it can be true.
fn stamp(message: &Message<'_>, now: TimeWall, since: Option<TimeWall>) -> MessageStamp {
    let said = message.packet().header(keys::TIME_WALL).and_then(|text| TimeWall::parse(text.as_bytes()).ok());
    let true_time = said.filter(|said| *said <= now && since.is_none_or(|since| *said >= since));
    let log_time = true_time.and_then(nanos).or_else(|| nanos(now)).unwrap_or(0);
    MessageStamp { seq: message.seq(), log_time, publish_time: said.and_then(nanos).unwrap_or(log_time) }
}

/// Nanoseconds since the start of 1970.
fn nanos(time: TimeWall) -> Option<u64> {
    let span = time.checked_duration_since(TimeWall::UNIX_EPOCH)?;
    u64::try_from(span.as_nanos()).ok()
}

//! Topics that trigger policies, and that switch them on and off.

use std::collections::{BTreeMap, btree_map::Entry};
use std::path::PathBuf;
use std::time::Instant;

use a0_std::{Clock, DiscoveredTopic, DiscoveryEvent, DiscoverySync, Init, Message, Protocol, SystemClock};

use super::signal::{Event, Signal};
use crate::console::complain;
use crate::end::{End, Outcome};
use crate::recording::Ages;
use crate::tap::{Found, Tap};

/// Messages of one topic that are read before it is the others' turn.
const MESSAGE_BUDGET: u32 = 4096;

/// Topics whose messages mean something, and to which policies.
pub(super) struct SignalSource {
    discovery: DiscoverySync<DiscoveredTopic>,
    taps: BTreeMap<PathBuf, Tap>,
    pub(super) fires: Vec<(usize, usize)>,
    pub(super) switches: Vec<(usize, usize)>,
    /// Where what exists already is begun with.
    init: Init,
    /// What is read was there before.
    past: bool,
    /// What was complained about.
    told: Told,
}

/// Whether something was said already, which is enough.
#[derive(Default)]
struct Told {
    missed: bool,
    meaningless: bool,
}

impl SignalSource {
    /// The one for these topics.
    pub(super) fn of<'a, 'b>(
        sources: &'a mut BTreeMap<&'b str, SignalSource>,
        topic: &'b str,
        init: Init,
    ) -> Outcome<&'a mut SignalSource> {
        match sources.entry(topic) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let discovery = DiscoverySync::topics(Protocol::PubSub, topic)?;
                let (taps, fires, switches) = (BTreeMap::new(), vec![], vec![]);
                Ok(place.insert(SignalSource {
                    discovery,
                    taps,
                    fires,
                    switches,
                    init,
                    past: true,
                    told: Told::default(),
                }))
            }
        }
    }

    /// Looks for topics.
    pub(super) fn discover(&mut self) {
        while let Some(event) = self.discovery.read() {
            let (DiscoveryEvent::Found(topic) | DiscoveryEvent::Removed(topic)) = &event;
            if let Some(tap) = self.taps.get_mut(&topic.path) {
                tap.hurry();
            } else if matches!(event, DiscoveryEvent::Found(_)) {
                match Tap::new(&topic.path, self.init) {
                    Ok(tap) => drop(self.taps.insert(topic.path.clone(), tap)),
                    Err(end) => say_deaf(end),
                }
            }
        }
        // Whatever comes later is new.
        self.init = Init::Oldest;
    }

    /// Takes everything that was said; gives whether it has come to the end.
    pub(super) fn listen(&mut self, clock: &SystemClock, ages: &Ages, found: &mut Vec<Signal>) -> bool {
        self.discover();
        let (mut all, mut deaf) = (true, vec![]);
        for (path, tap) in &mut self.taps {
            if !tap.is_there() {
                tap.hurry();
            }
            let heard = tap.look_after(Instant::now()).and_then(|_| {
                hear(tap, &mut self.told.missed, |message| {
                    let time = ages.time(message, clock.mono(), self.past);
                    let event = match message.payload() {
                        b"on" => Some(Event::SwitchedOn),
                        b"off" => Some(Event::SwitchedOff),
                        _ => None,
                    };
                    let is_meaningless = event.is_none() && !self.switches.is_empty();
                    if is_meaningless && !std::mem::replace(&mut self.told.meaningless, true) {
                        complain(format_args!("{}: neither on nor off", path.display()));
                    }
                    found.extend(self.fires.iter().map(|policy| Signal { time, policy: *policy, event: Event::Fired }));
                    let switch =
                        |event| self.switches.iter().map(move |policy| Signal { time, policy: *policy, event });
                    found.extend(event.into_iter().flat_map(switch));
                })
            });
            match heard {
                Ok(ended) => all &= ended,
                Err(end) => {
                    say_deaf(end);
                    deaf.push(path.clone());
                }
            }
        }
        deaf.iter().for_each(|path| drop(self.taps.remove(path)));
        self.past &= !all;
        all
    }
}

/// Gives whether all was read.
fn hear(tap: &mut Tap, told: &mut bool, mut take: impl FnMut(&Message<'_>)) -> Outcome<bool> {
    for _ in 0..MESSAGE_BUDGET {
        let missed = match tap.read()? {
            Found::Message(message) => {
                take(&message);
                message.missed()
            }
            Found::Damaged { missed } => missed + 1,
            Found::Nothing => return Ok(true),
        };
        if missed > 0 && !std::mem::replace(told, true) {
            let path = tap.path().display();
            complain(format_args!("{path}: triggers were overwritten or damaged before they could be read"));
        }
    }
    Ok(false)
}

fn say_deaf(end: End) {
    if let End::Failed(reason) = end {
        complain(format_args!("not listened to: {reason}"));
    }
}

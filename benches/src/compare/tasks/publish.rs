//! The cost of a publish for the publisher.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use super::{Fan, receiver};
use crate::Result;
use crate::compare::control::Control;
use crate::compare::figures::Figures;
use crate::compare::part::{Part, Subscribers};
use crate::compare::peers::{Channel, Peer, Receive, Send};
use crate::topics::DEFAULT_ARENA;

/// Between two publishes to subscribers that should be asleep again.
const NAP: Duration = Duration::from_micros(100);

/// Small enough to be full before long while subscribers look on.
const SMALL_ARENA: u64 = 1 << 20;

pub(super) fn play<P: Peer>(part: &Part, count: u32, subscribers: Subscribers) -> Result<Option<Figures>> {
    let asleep = subscribers == Subscribers::Asleep;
    let least = if count == 0 { DEFAULT_ARENA } else { SMALL_ARENA };
    let channel = Channel { asleep, receivers: count, least, ..Channel::new(part, Channel::NAMES[0]) };
    let control = Control::open(&part.dir)?;
    if !part.is_first() {
        let mut receiver = receiver::<P>(&channel, part.process - 1)?;
        control.ready();
        loop {
            match subscribers {
                // They do nothing else either.
                Subscribers::Idle => std::thread::park(),
                Subscribers::Polling => drop(receiver.poll(|_| Ok(()))?),
                Subscribers::Asleep => receiver.wait(|_| Ok(()))?,
            }
        }
    }
    let _others = part.start_others(count)?;
    let mut sender = Fan::open::<P>(&channel)?;
    control.wait_ready(count)?;
    let payload = vec![7; part.size];
    fill(|| sender.send(&payload), part, channel.arena(), part.size)?;
    if asleep {
        return Figures::of_parts(part.span, || {
            let started = Instant::now();
            sender.send(&payload)?;
            let taken = started.elapsed();
            while started.elapsed() < taken + NAP {
                spin_loop();
            }
            Ok(taken.as_nanos() as f64)
        })
        .map(Some);
    }
    let mut figures = Figures::of(part.span, || sender.send(&payload))?;
    if subscribers == Subscribers::Polling
        && let Some(mean) = figures.mean
    {
        // Who queues messages takes many of them quickly, and then makes the publisher wait.
        figures.typical = mean;
    }
    Ok(Some(figures))
}

/// Publishes until what is kept is full, so that each publish pushes out others, but not for ever.
fn fill(mut send: impl FnMut() -> Result<()>, part: &Part, arena: u64, size: usize) -> Result<()> {
    let started = Instant::now();
    for _ in 0..2 * arena / (size as u64 + 64) {
        send()?;
        if started.elapsed() > part.span * 4 {
            break;
        }
    }
    Ok(())
}

/// Publishing with nobody there, into an arena of this size where one can be chosen.
pub(super) fn alone<P: Peer>(part: &Part, arena: u64) -> Result<Option<Figures>> {
    let channel = Channel { least: arena, ..Channel::new(part, Channel::NAMES[0]) };
    let mut sender = P::sender(&channel)?;
    let payload = vec![7; part.size];
    fill(|| sender.send(&payload), part, channel.arena(), part.size)?;
    Figures::of(part.span, || sender.send(&payload)).map(Some)
}

/// Publishing messages of all sizes, as many of each power of two.
pub(super) fn mix<P: Peer>(part: &Part) -> Result<Option<Figures>> {
    let channel = Channel::new(part, Channel::NAMES[0]);
    let mut sender = P::sender(&channel)?;
    let payload = vec![7; part.size];
    let sizes = super::sizes(part);
    let mut at = 0;
    let mut send = || {
        at = (at + 1) % sizes.len();
        sender.send(&payload[..sizes[at]])
    };
    fill(&mut send, part, channel.arena(), part.size / 16)?;
    Figures::of(part.span, send).map(Some)
}

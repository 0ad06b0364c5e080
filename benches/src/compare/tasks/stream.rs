//! As many messages as possible, and those that are there already.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use super::{Fan, receiver};
use crate::Result;
use crate::compare::control::{Control, Process};
use crate::compare::figures::Figures;
use crate::compare::part::Part;
use crate::compare::peers::{Channel, Peer, Receive, Send};

/// Messages between two looks whether it is over.
const BATCH: u32 = 64;

/// How long a message that was sent may stay away.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pauses between two looks at a channel that was empty.
const PAUSES: u32 = 64;

/// The state in which senders send.
const RUN: u32 = 1;

/// Processes: 1 to `senders` send, those behind receive; the first one keeps the time.
pub(super) fn play<P: Peer>(part: &Part, senders: u32, receivers: u32) -> Result<Option<Figures>> {
    let lossless = senders == 1 && receivers == 1;
    let channel = Channel { receivers, lossless, ..Channel::new(part, Channel::NAMES[0]) };
    let control = Control::open(&part.dir)?;
    let all = senders + receivers;
    match part.process {
        0 => {}
        process if process <= senders => return send::<P>(part, &channel, &control),
        process => return receive::<P>(&channel, process - senders - 1, process, &control),
    }
    let mut others = Vec::<Process>::new();
    for process in 1..=all {
        others.push(part.start(process)?);
    }
    control.wait_ready(all)?;
    control.set(RUN);
    std::thread::sleep(part.span / 4);
    let sum = || (senders + 1..=all).map(|process| control.told(process)).fold([0, 0], |[a, b], [c, d]| [a + c, b + d]);
    let (started, [first, first_missed]) = (Instant::now(), sum());
    std::thread::sleep(part.span);
    // On a busy machine nobody may have come to say anything.
    while sum()[0] == first && started.elapsed() < PATIENCE {
        std::thread::sleep(part.span);
    }
    let (taken, [last, last_missed]) = (started.elapsed().as_secs_f64(), sum());
    let (received, missed) = (last - first, last_missed - first_missed);
    let lost = P::COUNTS_LOSSES.then(|| 100.0 * missed as f64 / (received + missed).max(1) as f64);
    Ok(Some(Figures { lost, ..Figures::one(received as f64 / taken) }))
}

fn send<P: Peer>(part: &Part, channel: &Channel, control: &Control) -> Result<Option<Figures>> {
    let mut sender = Fan::open::<P>(channel)?;
    let payload = vec![7; part.size];
    control.ready();
    control.wait_state(RUN)?;
    loop {
        sender.send(&payload)?;
    }
}

fn receive<P: Peer>(channel: &Channel, index: u32, process: u32, control: &Control) -> Result<Option<Figures>> {
    let mut receiver = receiver::<P>(channel, index)?;
    control.ready();
    let mut count = 0;
    loop {
        for _ in 0..BATCH {
            let some = receiver.poll_some()?;
            count += some;
            if some == 0 {
                // Every look takes lines from the sender: not too often.
                (0..PAUSES).for_each(|_| spin_loop());
            }
        }
        control.tell(process, [count, receiver.missed()]);
    }
}

/// One process fills a channel while the one that measures looks away, and then reads it all.
pub(super) fn replay<P: Peer>(part: &Part) -> Result<Option<Figures>> {
    let channel = Channel { lossless: !P::OVERWRITES, ..Channel::new(part, Channel::NAMES[0]) };
    let control = Control::open(&part.dir)?;
    let count = (P::BACKLOG * 64 / (part.size as u64).max(64)).max(1);
    let payload = vec![7; part.size];
    if !part.is_first() {
        let mut sender = P::sender(&channel)?;
        control.ready();
        for round in 1.. {
            control.wait_state(2 * round - 1)?;
            for _ in 0..count {
                sender.send(&payload)?;
            }
            control.set(2 * round);
        }
    }
    let _other = part.start(1)?;
    let mut receiver = P::receiver(&channel)?;
    control.wait_ready(1)?;
    let mut round = 0;
    Figures::of_parts(part.span, || {
        round += 1;
        control.set(2 * round - 1);
        control.wait_state(2 * round)?;
        let begun = Instant::now();
        let mut taken = 0;
        while taken < count {
            let some = receiver.poll_some()?;
            taken += some;
            if some == 0 && begun.elapsed() > PATIENCE {
                return Err(format!("only {taken} of {count} messages were there").into());
            }
        }
        Ok(begun.elapsed().as_nanos() as f64 / taken as f64)
    })
    .map(Some)
}

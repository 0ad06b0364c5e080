//! A message there, and one of the same size back.

use super::Fan;
use crate::Result;
use crate::compare::control::Control;
use crate::compare::figures::Figures;
use crate::compare::part::Part;
use crate::compare::peers::{Channel, Peer, Receive, Send};

/// Small enough to be full at once, so that messages push out others.
const ARENA: u64 = 1 << 20;

/// Trips before any is timed: twice round an arena of the largest messages, of which the usual warm-up manages but one or
/// two, the rest on pages that are new to everybody.
const FIRST: u32 = 8;

pub(super) fn play<P: Peer>(part: &Part, asleep: bool) -> Result<Option<Figures>> {
    let [there, back] =
        Channel::NAMES.map(|name| Channel { asleep, lossless: true, least: ARENA, ..Channel::new(part, name) });
    let control = Control::open(&part.dir)?;
    // Each channel is opened at the same time by both sides: some wait for each other.
    if !part.is_first() {
        let mut receiver = P::receiver(&there)?;
        let mut sender = P::sender(&back)?;
        control.ready();
        loop {
            if asleep {
                receiver.wait(|payload| sender.send(payload))?;
            } else {
                receiver.poll(|payload| sender.send(payload))?;
            }
        }
    }
    let _other = part.start(1)?;
    let mut sender = Fan::open::<P>(&there)?;
    let mut receiver = P::receiver(&back)?;
    control.wait_ready(1)?;
    let payload = vec![7; part.size];
    let mut trip = || {
        sender.send(&payload)?;
        if asleep {
            return receiver.wait(|_| Ok(()));
        }
        while !receiver.poll(|_| Ok(()))? {}
        Ok(())
    };
    for _ in 0..FIRST {
        trip()?;
    }
    Figures::of(part.span, trip).map(Some)
}

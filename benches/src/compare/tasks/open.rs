//! Coming late: from opening to the first message, and opening what is there.

use std::time::Instant;

use crate::Result;
use crate::compare::control::Control;
use crate::compare::figures::Figures;
use crate::compare::part::Part;
use crate::compare::peers::{Channel, Peer, Receive, Send};

/// The other process sends all the time. This one is new, and has done nothing with the library yet.
pub(super) fn first_message<P: Peer>(part: &Part) -> Result<Option<Figures>> {
    let channel = Channel { late: true, ..Channel::new(part, Channel::NAMES[0]) };
    let control = Control::open(&part.dir)?;
    let payload = vec![7; part.size];
    if !part.is_first() {
        if !P::MULTICAST {
            // Waits in `sender` until there is a receiver.
            control.ready();
        }
        let mut sender = P::sender(&channel)?;
        sender.send(&payload)?;
        control.ready();
        loop {
            sender.send(&payload)?;
        }
    }
    let _other = part.start(1)?;
    control.wait_ready(1)?;
    let begun = Instant::now();
    let mut receiver = P::receiver(&channel)?;
    while !receiver.poll(|_| Ok(()))? {}
    Ok(Some(Figures::one(begun.elapsed().as_nanos() as f64)))
}

/// A channel that exists is opened for receiving and closed, again and again.
pub(super) fn again<P: Peer>(part: &Part) -> Result<Option<Figures>> {
    let channel = Channel { late: true, ..Channel::new(part, Channel::NAMES[0]) };
    let mut sender = P::sender(&channel)?;
    sender.send(&vec![7; part.size])?;
    Figures::of(part.span, || {
        drop(P::receiver(&channel)?);
        Ok(())
    })
    .map(Some)
}

//! What is there all the time: many topics, their memory, and subscribers that sleep.

use std::fs;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use crate::Result;
use crate::compare::control::{Control, wait};
use crate::compare::figures::Figures;
use crate::compare::part::Part;
use crate::compare::peers::{Channel, Peer, Receive, Send};

/// Channels whose memory is looked at together.
const TOGETHER: u32 = 64;

/// How long a subscriber has to fall asleep for good.
const SETTLE: Duration = Duration::from_millis(500);

/// A subscriber that is looked at sleeps for so many spans.
const SPANS: u32 = 8;

fn channels(part: &Part, count: u32) -> impl Iterator<Item = Channel> {
    let channel = Channel { small: true, ..Channel::new(part, Channel::NAMES[0]) };
    (0..count).map(move |index| channel.copy(index))
}

/// One process publishes on each topic in turn, the other one looks at each in turn.
pub(super) fn topics<P: Peer>(part: &Part, count: u32) -> Result<Option<Figures>> {
    let control = Control::open(&part.dir)?;
    if !part.is_first() {
        let mut receivers: Vec<_> =
            channels(part, count).map(|channel| P::receiver(&channel)).collect::<Result<_>>()?;
        control.ready();
        loop {
            for receiver in &mut receivers {
                while receiver.poll(|_| Ok(()))? {}
            }
        }
    }
    let _other = part.start(1)?;
    let mut senders: Vec<_> = channels(part, count).map(|channel| P::sender(&channel)).collect::<Result<_>>()?;
    control.wait_ready(1)?;
    let payload = vec![7; part.size];
    let mut at = 0;
    Figures::of(part.span, || {
        at = (at + 1) % senders.len();
        senders[at].send(&payload)
    })
    .map(Some)
}

/// Shared memory and memory of both processes, for each topic with a sender, a receiver and some messages.
pub(super) fn memory<P: Peer>(part: &Part) -> Result<Option<Figures>> {
    let control = Control::open(&part.dir)?;
    let mut channels = channels(part, TOGETHER + 1);
    // The first one pays for what all of them share.
    let first = channels.next().ok_or("no channel")?;
    if !part.is_first() {
        let mut receivers = vec![P::receiver(&first)?];
        let before = private()?;
        control.ready();
        control.wait_state(1)?;
        for channel in channels {
            receivers.push(P::receiver(&channel)?);
        }
        control.ready();
        control.wait_state(2)?;
        for receiver in &mut receivers {
            while !receiver.poll(|_| Ok(()))? {}
        }
        control.tell(1, [1, private()?.saturating_sub(before)]);
        loop {
            std::thread::park();
        }
    }
    let _other = part.start(1)?;
    let payload = vec![7; part.size];
    let mut senders = vec![P::sender(&first)?];
    control.wait_ready(1)?;
    let before = shared(part)? + private()?;
    control.set(1);
    for channel in channels {
        senders.push(P::sender(&channel)?);
    }
    control.wait_ready(2)?;
    for sender in &mut senders {
        for _ in 0..4 {
            sender.send(&payload)?;
        }
    }
    control.set(2);
    wait(|| control.told(1)[0] != 0)?;
    let bytes = (shared(part)? + private()? + control.told(1)[1]).saturating_sub(before);
    Ok(Some(Figures::one(bytes as f64 / f64::from(TOGETHER))))
}

/// Bytes of files in shared memory, whoever has made them.
fn shared(part: &Part) -> Result<u64> {
    let stat = statvfs(&part.dir)?;
    Ok((stat.f_blocks - stat.f_bfree) * stat.f_frsize)
}

/// Bytes that this process has in memory for itself.
fn private() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kilobytes: u64 = field(&status, "RssAnon:").ok_or("the kernel does not say what is in memory")?;
    Ok(kilobytes << 10)
}

fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// A subscriber sleeps and nobody publishes: percent of a core that it uses, or how often it wakes up in a second.
pub(super) fn idle<P: Peer>(part: &Part, cpu: bool) -> Result<Option<Figures>> {
    let channel = Channel { asleep: true, ..Channel::new(part, Channel::NAMES[0]) };
    let control = Control::open(&part.dir)?;
    if !part.is_first() {
        let mut receiver = P::receiver(&channel)?;
        control.ready();
        receiver.wait(|_| Ok(()))?;
        return Err("a message, though nobody has sent one".into());
    }
    let other = part.start(1)?;
    let _sender = P::sender(&channel)?;
    control.wait_ready(1)?;
    std::thread::sleep(SETTLE);
    let (begun, before) = (Instant::now(), of_threads(other.id())?);
    std::thread::sleep(part.span * SPANS);
    let (after, taken) = (of_threads(other.id())?, begun.elapsed());
    let [nanos, wakes] = [after[0] - before[0], after[1] - before[1]];
    let figure = if cpu { 100.0 * nanos as f64 / taken.as_nanos() as f64 } else { wakes as f64 / taken.as_secs_f64() };
    Ok(Some(Figures::one(figure)))
}

/// Nanoseconds on a core, and voluntary switches away from it, of all threads of a process.
fn of_threads(process: u32) -> Result<[u64; 2]> {
    let mut sum = [0, 0];
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?.path();
        let schedule = fs::read_to_string(thread.join("schedstat"))?;
        sum[0] += schedule.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
        let status = fs::read_to_string(thread.join("status"))?;
        sum[1] += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
    }
    Ok(sum)
}

//! Two processes on two cores.
//!
//! The parent measures, the child answers. A virtual core may be near or far from the other one, and that changes every
//! figure threefold: so the round trip of one raw cache line is measured first and last, figures are given as multiples of
//! it, and everything is measured again if it has moved meanwhile.

mod bare;
mod figures;
mod peer;
mod rpc;

use std::time::{Duration, Instant};

use a0_core::{Cursor, Select};

use crate::hot::Growing;
use crate::line::Line;
use crate::{Result, hot, pin, topics};
use bare::Bare;
use figures::Figures;
use peer::{Peer, Role};

/// Bytes of the raw topics: small enough to be full at once.
const ARENA: u64 = 1 << 20;

/// Payload of every message.
const SIZE: usize = 64;

/// Looks for news between two calls of a polling read.
pub(crate) const LOOKS: u32 = 64;

/// The line may move by this much between start and end.
const STEADY: f64 = 1.3;

/// Runs that are made before an unsteady line is put up with.
const TRIES: u32 = 3;

/// For each figure with two cores awake; sleeping ones take as many round trips as fit.
const SPAN: Duration = Duration::from_millis(1500);

/// Measures everything, or with the argument `rpc` only what concerns requests and replies, or plays the part of the child that the arguments ask for.
///
/// # Errors
/// If there is no shared memory, no second process, or a topic fails.
pub fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if peer::answer_if_asked(&arguments)? {
        return Ok(());
    }
    if let Some(at) = arguments.iter().position(|argument| argument == rpc::MODE) {
        return rpc::run(arguments.get(at + 1).map(String::as_str));
    }
    for attempt in 1..=TRIES {
        let (first, last) = measure()?;
        let moved = first.max(last) / first.min(last);
        println!("line round trip at the end: {last:.0} ns");
        if moved <= STEADY {
            return Ok(());
        }
        let then = if attempt < TRIES { "once more" } else { "ratios are doubtful" };
        println!("WARNING: the line has moved from {first:.0} to {last:.0} ns: {then}\n");
    }
    Ok(())
}

fn measure() -> Result<(f64, f64)> {
    pin::to(pin::core(0)?)?;

    let line = line()?;
    let first = line.typical;
    println!("{}", Figures::HEADING);
    line.print("raw cache line", None);
    bare()?.print("the lines of a 64 B message, no lock, no checks", Some(first));
    raw()?.print("raw 64 B, polled", Some(first));
    packets()?.print("packets with standard headers, 64 B, polled", Some(first));
    blocking(1)?.print("packets, asleep, two cores", Some(first));
    futex(1)?.print("plain futex, two cores", Some(first));
    blocking(0)?.print("packets, asleep, one core", Some(first));
    futex(0)?.print("plain futex, one core", Some(first));
    println!("\n{}", stream()?);
    Ok((first, self::line()?.typical))
}

fn line() -> Result<Figures> {
    let dir = topics::directory()?;
    let dir = dir.path();
    let line = Line::open(&dir.join(Role::LINE))?;
    let peer = Peer::start(Role::Line, dir, 1)?;
    let mut ball = 0;
    let figures = Figures::of(SPAN, || {
        line.serve(&mut ball);
        Ok(())
    });
    line.stop()?;
    peer.finish()?;
    figures
}

fn bare() -> Result<Figures> {
    let dir = topics::directory()?;
    let dir = dir.path();
    let (mut there, mut back) = (Bare::open(&dir.join(Role::THERE))?, Bare::open(&dir.join(Role::BACK))?);
    let peer = Peer::start(Role::EchoBare, dir, 1)?;
    let mut buffer = [0; SIZE];
    let figures = Figures::of(SPAN, || {
        there.send(&[7; SIZE]);
        back.receive(&mut buffer);
        Ok(())
    });
    there.send(&[]);
    peer.finish()?;
    figures
}

fn futex(core: usize) -> Result<Figures> {
    let dir = topics::directory()?;
    let dir = dir.path();
    let line = Line::open(&dir.join(Role::LINE))?;
    let peer = Peer::start(Role::Futex, dir, core)?;
    let mut ball = 0;
    let figures = Figures::of(SPAN, || line.serve_asleep(&mut ball));
    line.stop()?;
    peer.finish()?;
    figures
}

fn raw() -> Result<Figures> {
    let dir = topics::directory()?;
    let dir = dir.path();
    let there = topics::raw(&dir.join(Role::THERE), ARENA)?;
    let back = topics::raw(&dir.join(Role::BACK), ARENA)?;
    // In steady state every publish evicts.
    hot::fill(&there, SIZE)?;
    hot::fill(&back, SIZE)?;
    let mut cursor = Cursor::end(&back)?;
    let mut buffer = Growing::default();
    let peer = Peer::start(Role::EchoRaw, dir, 1)?;
    while back.read(&mut cursor, Select::Next, &mut buffer)?.is_none() {}
    let figures = Figures::of(SPAN, || {
        there.lock(None)?.push(&[7; SIZE])?;
        while !back.spin_for_news(&cursor, LOOKS) || back.read(&mut cursor, Select::Next, &mut buffer)?.is_none() {}
        Ok(())
    });
    there.lock(None)?.push(&[])?;
    peer.finish()?;
    figures
}

fn packets() -> Result<Figures> {
    let dir = topics::directory()?;
    let dir = dir.path();
    let there = peer::writer(dir, Role::THERE)?;
    let mut back = peer::reader(dir, Role::BACK)?;
    let peer = Peer::start(Role::EchoPackets, dir, 1)?;
    let figures = Figures::of(SPAN, || {
        there.write([7; SIZE])?;
        while back.read()?.is_none() {
            std::hint::spin_loop();
        }
        Ok(())
    });
    there.write([])?;
    peer.finish()?;
    figures
}

/// Each process has one core only, so its reader goes to sleep at once: what is measured is waking up.
fn blocking(core: usize) -> Result<Figures> {
    let dir = topics::directory()?;
    let dir = dir.path();
    let there = peer::writer(dir, Role::THERE)?;
    let mut back = peer::reader(dir, Role::BACK)?;
    let peer = Peer::start(Role::EchoBlocking, dir, core)?;
    let figures = Figures::of(SPAN, || {
        there.write([7; SIZE])?;
        back.read_blocking(None)?;
        Ok(())
    });
    there.write([])?;
    peer.finish()?;
    figures
}

fn stream() -> Result<String> {
    let dir = topics::directory()?;
    let dir = dir.path();
    let topic = topics::raw(&dir.join(Role::THERE), topics::DEFAULT_ARENA)?;
    let mut cursor = Cursor::end(&topic)?;
    let mut buffer = Growing::default();
    let peer = Peer::start(Role::Stream, dir, 1)?;
    let (mut taken, mut missed) = (0u64, 0u64);
    let mut started = None;
    let ended = loop {
        let Some(received) = topic.read(&mut cursor, Select::Next, &mut buffer)? else {
            // Every look at the topic takes the line from the publisher: not too often.
            (0..16).for_each(|_| std::hint::spin_loop());
            continue;
        };
        if received.len == 0 {
            break Instant::now();
        }
        started.get_or_insert_with(Instant::now);
        taken += 1;
        missed += received.missed;
    };
    peer.finish()?;
    let span = ended.duration_since(started.ok_or("no message came")?).as_secs_f64();
    let all = taken + missed;
    Ok(format!(
        "stream, raw 64 B, one publisher, one subscriber: {:.1} million/s published, {:.1} million/s received, {:.2} % lost",
        all as f64 / span / 1e6,
        taken as f64 / span / 1e6,
        100.0 * missed as f64 / all.max(1) as f64,
    ))
}

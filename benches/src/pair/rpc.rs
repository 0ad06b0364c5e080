//! Requests and replies between two processes.
//!
//! A reader spins only where another core could answer meanwhile, which it finds out once, from the cores it may run on. So
//! each section is a process of its own: one sees all cores first and pins its threads then, the other is pinned from
//! the start and goes to sleep at once.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use a0_std::{FileOptions, Request, RpcClient, RpcServer};

use super::figures::Figures;
use super::peer::{Peer, Role};
use super::{SIZE, SPAN, futex, line, packets, raw};
use crate::{Result, pin, topics};

/// First argument of this mode.
pub(super) const MODE: &str = "rpc";

/// Calls that are left unanswered.
const OUTSTANDING: u64 = 1000;

const TOPIC: &str = "bench";

/// Kept without an answer.
const HOLD: &[u8] = b"hold";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Polled,
    Asleep,
}

/// Measures both sections, or the one that is named.
pub(super) fn run(section: Option<&str>) -> Result<()> {
    match section {
        Some(name) if name == Section::Polled.name() => polled(),
        Some(name) if name == Section::Asleep.name() => asleep(),
        Some(other) => Err(format!("no section {other}").into()),
        None => [Section::Polled, Section::Asleep].into_iter().try_for_each(Section::start),
    }
}

impl Section {
    fn name(self) -> String {
        format!("{self:?}")
    }

    fn start(self) -> Result<()> {
        let root = topics::directory()?;
        let status =
            Command::new(std::env::current_exe()?).args([MODE, &self.name()]).env("A0_ROOT", root.path()).status()?;
        if status.success() { Ok(()) } else { Err(format!("{self:?}: {status}").into()) }
    }
}

fn client() -> Result<RpcClient> {
    Ok(RpcClient::with_options(TOPIC, &FileOptions::default())?)
}

/// Round trips of blocking calls; the first ones wait for the server.
fn calls(client: &RpcClient) -> Result<Figures> {
    first(client)?;
    Figures::of(SPAN, || {
        client.call([7; SIZE], None)?;
        Ok(())
    })
}

fn first(client: &RpcClient) -> Result<()> {
    for _ in 0..100 {
        if client.call([7; SIZE], Duration::from_millis(50)).is_ok() {
            return Ok(());
        }
    }
    Err("the server does not answer".into())
}

fn polled() -> Result<()> {
    let dir = topics::directory()?;
    let peer = Peer::start(Role::RpcPolled, dir.path(), 1)?;
    let client = client()?;
    // Sees all cores.
    first(&client)?;
    pin::to(pin::core(0)?)?;
    let typical = line()?.typical;
    println!("{}", Figures::HEADING);
    raw()?.print("raw 64 B, polled", Some(typical));
    packets()?.print("packets with standard headers, 64 B, polled", Some(typical));
    calls(&client)?.print("rpc call, 64 B, both spin", Some(typical));
    let few = sent(0)?;
    let many = sent(OUTSTANDING)?;
    println!("rpc sent from its callback: {few:.0} ns each; with {OUTSTANDING} calls outstanding: {many:.0} ns");
    println!("line round trip: {typical:.0} ns before, {:.0} ns behind\n", line()?.typical);
    client.send([], |_| {})?;
    peer.finish()
}

fn asleep() -> Result<()> {
    pin::to(pin::core(0)?)?;
    println!("{}", Figures::HEADING);
    for (core, place) in [(1, "two cores"), (0, "one core")] {
        let dir = topics::directory()?;
        let peer = Peer::start(Role::RpcAsleep, dir.path(), core)?;
        let client = client()?;
        calls(&client)?.print(&format!("rpc call, asleep, {place}"), None);
        futex(core)?.print(&format!("plain futex, {place}"), None);
        client.send([], |_| {})?;
        peer.finish()?;
    }
    Ok(())
}

/// Nanoseconds of a round trip whose callback sends the next one.
fn sent(outstanding: u64) -> Result<f64> {
    struct Game {
        client: RpcClient,
        count: AtomicU64,
        until: Instant,
        over: Sender<()>,
    }

    fn next(game: &Arc<Game>) {
        static PIN: Once = Once::new();
        let ours = Arc::clone(game);
        let send = game.client.send([7; SIZE], move |reply| {
            // The client's thread; it has begun to read before.
            PIN.call_once(|| drop(pin::core(0).and_then(pin::to)));
            if reply.is_ok() && Instant::now() < ours.until {
                ours.count.fetch_add(1, Ordering::Relaxed);
                next(&ours);
            } else {
                ours.over.send(()).ok();
            }
        });
        if send.is_err() {
            game.over.send(()).ok();
        }
    }

    let (over, ended) = mpsc::channel();
    let client = client()?;
    for _ in 0..outstanding {
        client.send(HOLD, |_| {})?;
    }
    first(&client)?;
    let begun = Instant::now();
    let game = Arc::new(Game { client, count: AtomicU64::new(0), until: begun + SPAN, over });
    next(&game);
    ended.recv()?;
    Ok(begun.elapsed().as_nanos() as f64 / game.count.load(Ordering::Relaxed) as f64)
}

/// The part of the server.
pub(super) fn serve(core: Option<usize>) -> Result<()> {
    let (over, ended) = mpsc::channel();
    let mut held: Vec<Request> = Vec::new();
    let mut pinned = core.is_none();
    let handler = move |request: Request| {
        if !pinned {
            // The server's thread; it has begun to read before.
            drop(core.map(pin::to));
            pinned = true;
        }
        match request.payload() {
            [] => drop(over.send(())),
            HOLD => held.push(request),
            payload => drop(request.reply(payload)),
        }
    };
    let server = RpcServer::new(TOPIC, handler, |_| {})?;
    ended.recv()?;
    server.close();
    Ok(())
}

//! AlephZero's own requests and replies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use a0_std::{Request, RpcClient, RpcServer, Wait};

use crate::Result;
use crate::compare::control::Control;
use crate::compare::figures::Figures;
use crate::compare::part::{Part, Task, Waiting};

const TOPIC: &str = "bench";

/// Kept without an answer.
const HOLD: &[u8] = b"hold";

pub(super) fn does(task: Task, size: usize) -> bool {
    match task {
        // The rest of the arena is for what comes meanwhile.
        Task::Rpc(_) => size <= 4 << 20,
        Task::RpcSend(_) => size != HOLD.len(),
        _ => false,
    }
}

pub(super) fn play(part: &Part) -> Result<Option<Figures>> {
    let control = Control::open(&part.dir)?;
    if !part.is_first() {
        return serve(part, &control).map(|()| None);
    }
    let _server = part.start(1)?;
    control.wait_ready(1)?;
    let client = RpcClient::with_options(TOPIC, wait(part))?;
    let payload = vec![7; part.size];
    // A reader spins only where it sees another core, which it finds out in its first call; so threads are tied to cores
    // afterwards, if they should spin.
    client.call(&payload, Duration::from_secs(10))?;
    let Task::RpcSend(outstanding) = part.task else {
        part.pin()?;
        let figures = Figures::of(part.span, || {
            client.call(&payload, None)?;
            Ok(())
        });
        return figures.map(Some);
    };
    sent(part, client, outstanding).map(Some)
}

/// How both sides wait.
fn wait(part: &Part) -> Wait {
    if part.task == Task::Rpc(Waiting::Polling) { Wait::Spin } else { Wait::default() }
}

/// Round trips whose callback sends the next one.
fn sent(part: &Part, client: RpcClient, outstanding: u32) -> Result<Figures> {
    struct Game {
        client: RpcClient,
        payload: Vec<u8>,
        core: usize,
        count: AtomicU64,
        until: Instant,
        over: Sender<()>,
    }

    fn next(game: &Arc<Game>) {
        static PIN: Once = Once::new();
        let ours = Arc::clone(game);
        let send = game.client.send(&game.payload, move |reply| {
            // The client's thread; it has begun to read before.
            PIN.call_once(|| drop(crate::pin::to(ours.core)));
            if reply.is_ok() && Instant::now() < ours.until {
                ours.count.fetch_add(1, Ordering::Relaxed);
                next(&ours);
            } else {
                // It is over already.
                ours.over.send(()).ok();
            }
        });
        if send.is_err() {
            game.over.send(()).ok();
        }
    }

    let (over, ended) = mpsc::channel();
    for _ in 0..outstanding {
        client.send(HOLD, |_| {})?;
    }
    client.call([], Duration::from_secs(10))?;
    let begun = Instant::now();
    let game = Arc::new(Game {
        client,
        payload: vec![7; part.size],
        core: part.core(),
        count: AtomicU64::new(0),
        until: begun + part.span,
        over,
    });
    next(&game);
    ended.recv()?;
    Ok(Figures::one(begun.elapsed().as_nanos() as f64 / game.count.load(Ordering::Relaxed).max(1) as f64))
}

fn serve(part: &Part, control: &Control) -> Result<()> {
    let mut held: Vec<Request> = Vec::new();
    let (mut pinned, polling) = (part.pinned, part.clone());
    let handler = move |request: Request| {
        if !pinned {
            // The server's thread; it has begun to read before.
            drop(polling.pin());
            pinned = true;
        }
        match request.payload() {
            HOLD => held.push(request),
            // Whoever asks then waits in vain, and says so.
            payload => drop(request.reply(payload)),
        }
    };
    let _server = RpcServer::with_options(TOPIC, wait(part), handler, |_| {})?;
    control.ready();
    loop {
        std::thread::park();
    }
}

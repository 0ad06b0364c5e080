//! What streams, descriptors and futures cost, beside a thread that waits by itself.
//!
//! `cargo run --release -p a0-std --example async_costs`; it plays both sides.

use std::pin::pin;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use a0_std::{Init, Publisher, Result, RpcClient, RpcServer, SubscriberFd, SubscriberStream, SubscriberSync, Wait};
use rustix::event::{PollFd, PollFlags, poll};
use smol::stream::StreamExt;

const HISTORY: u32 = 20_000;
const ROUNDS: u32 = 1_000;
const PATIENCE: Duration = Duration::from_secs(5);
/// So that whoever waits is asleep.
const PAUSE: Duration = Duration::from_micros(300);

/// Takes messages that are there already.
fn replay(name: &str, take_all: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    take_all()?;
    println!("{name:22} {:4} ns for a message that is there", started.elapsed().as_nanos() / u128::from(HISTORY));
    Ok(())
}

/// Waits for what says when it was sent.
fn waking(name: &str, epoch: Instant, mut wait: impl FnMut() -> Result<Vec<u8>>) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let sent = wait()?.try_into().map(u64::from_le_bytes).expect("a time");
        times.push(epoch.elapsed().saturating_sub(Duration::from_nanos(sent)));
    }
    times.sort_unstable();
    println!("{name:22} {:4} µs from sending until a sleeper has it", times[times.len() / 2].as_micros());
    Ok(())
}

fn time(epoch: Instant) -> [u8; 8] {
    (epoch.elapsed().as_nanos() as u64).to_le_bytes()
}

fn replays() -> Result<()> {
    let publisher = Publisher::new("example/costs/history")?;
    for n in 0..HISTORY {
        publisher.publish(n.to_le_bytes())?;
    }
    let mut sync = SubscriberSync::new("example/costs/history", Init::Oldest)?;
    replay("SubscriberSync", || {
        for _ in 0..HISTORY {
            assert!(sync.read()?.is_some());
        }
        Ok(())
    })?;
    let mut fd = SubscriberFd::new("example/costs/history", Init::Oldest)?;
    replay("SubscriberFd", || {
        for _ in 0..HISTORY {
            assert!(fd.read()?.is_some());
        }
        Ok(())
    })?;
    let stream = SubscriberStream::new("example/costs/history", Init::Oldest)?;
    replay("SubscriberStream", || {
        smol::block_on(stream.take(HISTORY as usize).try_for_each(|message| message.map(drop)))
    })
}

fn wakings(epoch: Instant) -> Result<()> {
    let mut sync = SubscriberSync::new("example/costs/now", Wait::Sleep)?;
    let mut fd = SubscriberFd::new("example/costs/now", ())?;
    let mut stream = pin!(SubscriberStream::new("example/costs/now", ())?);
    let publisher = Publisher::new("example/costs/now")?;
    scope(|scope| {
        let begin = || {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    sleep(PAUSE);
                    publisher.publish(time(epoch)).expect("there is room");
                }
            })
        };
        begin();
        waking("SubscriberSync", epoch, || Ok(sync.read_blocking(PATIENCE)?.payload().to_vec()))?;
        while fd.read()?.is_some() {}
        begin();
        waking("SubscriberFd", epoch, || {
            loop {
                if let Some(message) = fd.read()? {
                    return Ok(message.payload().to_vec());
                }
                poll(&mut [PollFd::new(&fd, PollFlags::IN)], None).expect("it can be polled");
            }
        })?;
        smol::block_on(stream.as_mut().take(2 * ROUNDS as usize).try_for_each(|message| message.map(drop)))?;
        begin();
        waking("SubscriberStream", epoch, || {
            Ok(smol::block_on(stream.next()).expect("it never ends")?.payload().to_vec())
        })
    })
}

fn calls(epoch: Instant) -> Result<()> {
    let answer = move |request: a0_std::Request| {
        sleep(PAUSE);
        drop(request.reply(time(epoch)));
    };
    let _server = RpcServer::new("example/costs", answer, |_| {})?;
    let client = RpcClient::new("example/costs")?;
    waking("RpcClient::call", epoch, || Ok(client.call("", PATIENCE)?.payload().to_vec()))?;
    waking("RpcClient::call_async", epoch, || Ok(smol::block_on(client.call_async("", PATIENCE))?.payload().to_vec()))
}

fn main() -> Result<()> {
    let epoch = Instant::now();
    replays()?;
    wakings(epoch)?;
    calls(epoch)
}

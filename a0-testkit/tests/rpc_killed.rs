//! Servers and clients that are killed in the middle of calls: nobody hangs, no reply is wrong, and every error is the right one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{Error, PacketBuf, PrpcClient, RpcClient};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

const TOPIC: &str = "killed";

/// Of each kind.
const KILLS: u32 = 100;

/// No call may end by it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Far more than a death may go unnoticed, and far less than the patience: a busy machine is slow.
const SOON: Duration = Duration::from_secs(15);

/// A peer that is killed when this is dropped.
struct Peer(Child);

impl Peer {
    fn start(root: &Path, arguments: &[&str]) -> Peer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rpc_peer"))
            .args(arguments)
            .env("A0_ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{arguments:?}");
        Peer(child)
    }

    /// Kills it; it must have lived until now.
    fn kill(&mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "it has ended by itself");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What happened to many calls.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicU64,
    gone: AtomicU64,
    /// The longest time from when the server was killed to when a call failed, in microseconds.
    latest: AtomicU64,
}

/// When the last server was killed, in microseconds from the start.
struct Clock {
    start: Instant,
    killed: AtomicU64,
}

impl Clock {
    fn now(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}

impl Tally {
    fn take(&self, clock: &Clock, text: &str, result: Result<PacketBuf, Error>) {
        match result {
            Ok(reply) => {
                assert!(reply.payload().iter().rev().eq(text.as_bytes()), "{text}: {reply:?}");
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.fail(clock, &error),
        }
    }

    fn fail(&self, clock: &Clock, error: &Error) {
        assert!(matches!(error, Error::ServerGone { .. }), "{error:?}");
        self.gone.fetch_add(1, Ordering::Relaxed);
        let late = clock.now().saturating_sub(clock.killed.load(Ordering::SeqCst));
        self.latest.fetch_max(late, Ordering::Relaxed);
    }
}

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir_in("/dev/shm").unwrap();
    // SAFETY: the first thing in this program's only test; nothing reads the environment meanwhile.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("A0_ROOT", root.path());
    }
    root
}

#[test]
fn killed_in_the_middle_of_calls() {
    let root = root();
    servers(root.path());
    clients(root.path());
}

fn servers(root: &Path) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let clock = Clock { start: Instant::now(), killed: AtomicU64::new(0) };
    let over = AtomicBool::new(false);
    let (calls, sends, streams) = (Tally::default(), Tally::default(), Tally::default());
    let mut server = Peer::start(root, &["serve", TOPIC]);
    thread::scope(|scope| {
        let client = RpcClient::new(TOPIC).unwrap();
        let mut clients = vec![];
        for name in ["a", "b"] {
            let (client, clock, over, tally) = (RpcClient::new(TOPIC).unwrap(), &clock, &over, &calls);
            clients.push(scope.spawn(move || {
                for n in 0u64.. {
                    let text = format!("{name} {n}");
                    tally.take(clock, &text, client.call(&text, PATIENCE));
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                }
            }));
        }
        let (tally, ours, ended) = (&sends, &clock, &over);
        clients.push(scope.spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                let (tell, told) = mpsc::channel();
                for n in 0..10 {
                    let tell = tell.clone();
                    let text = format!("sent {n}");
                    let callback = move |result| drop(tell.send((n, result)));
                    client.send_with(&[], text, PATIENCE, callback).unwrap();
                }
                drop(tell);
                for (n, result) in told {
                    tally.take(ours, &format!("sent {n}"), result);
                }
            }
        }));
        let (tally, ours, ended) = (&streams, &clock, &over);
        clients.push(scope.spawn(move || {
            let client = PrpcClient::new(TOPIC).unwrap();
            while !ended.load(Ordering::SeqCst) {
                let mut count = 0;
                for progress in client.stream("", PATIENCE).unwrap() {
                    match progress {
                        Ok(progress) => {
                            count += 1;
                            assert_eq!(progress.payload(), count.to_string().as_bytes());
                            tally.answered.fetch_add(u64::from(progress.done()), Ordering::Relaxed);
                        }
                        Err(error) => tally.fail(ours, &error),
                    }
                }
            }
        }));
        for kill in 0..KILLS {
            // Some of them at any time, the others in the middle of work: when one of each kind was answered.
            if let Some(tally) = [None, Some(&calls), Some(&sends), Some(&streams)][kill as usize % 4] {
                let before = tally.answered.load(Ordering::Relaxed);
                // One that ends has failed.
                while tally.answered.load(Ordering::Relaxed) == before && !clients.iter().any(|it| it.is_finished()) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            thread::sleep(Duration::from_micros(random.next_u64() % 20_000));
            clock.killed.store(clock.now(), Ordering::SeqCst);
            server.kill();
            if random.next_u64().is_multiple_of(2) {
                // Otherwise the next one comes before anybody has noticed.
                thread::sleep(Duration::from_millis(60));
            }
            server = Peer::start(root, &["serve", TOPIC]);
        }
        over.store(true, Ordering::SeqCst);
    });
    server.kill();
    for tally in [&calls, &sends, &streams] {
        println!("servers killed: {tally:?}");
        let [answered, gone, latest] =
            [&tally.answered, &tally.gone, &tally.latest].map(|count| count.load(Ordering::Relaxed));
        assert!(answered > 10 && gone > 10, "{tally:?}");
        assert!(Duration::from_micros(latest) < SOON, "{tally:?}");
    }
}

fn clients(root: &Path) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
    let mut server = Peer::start(root, &["serve", TOPIC]);
    let survivor = RpcClient::new(TOPIC).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let counted = scope.spawn(|| {
            let mut count = 0u64;
            while !over.load(Ordering::SeqCst) {
                let text = format!("survivor {count}");
                let reply = survivor.call(&text, PATIENCE).unwrap();
                assert!(reply.payload().iter().rev().eq(text.as_bytes()));
                count += 1;
            }
            count
        });
        for n in 0..KILLS / 2 {
            let names = [format!("{n} a"), format!("{n} b")];
            let mut clients = names.each_ref().map(|name| Peer::start(root, &["call", TOPIC, name]));
            for client in &mut clients {
                thread::sleep(Duration::from_micros(random.next_u64() % 10_000));
                client.kill();
            }
        }
        over.store(true, Ordering::SeqCst);
        let count = counted.join().unwrap();
        println!("clients killed: {count} calls of the survivor");
        assert!(count > 100);
    });
    server.kill();
}

//! The Rust side of the tests against the Python package; `interop/peer.py` takes the same commands.
//!
//! Every command says `ready` when it has opened its topics, waits for a line on its standard input where noted, and
//! ends with a report in one line of JSON.

mod cfg;
mod deadman;
mod log;
mod rpc;
mod tally;

use std::io::{BufRead, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::sleep;
use std::time::{Duration, Instant};

use a0_std::{
    Error, FileOptions, Init, Iter, Message, Mode, Packet, Publisher, ReaderOptions, Subscriber, SubscriberSync, Wait,
};
use clap::{Parser, ValueEnum};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use tally::{Tally, crc32};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Largest payload.
const LARGEST: usize = 100 << 10;

/// How long a blocked reader waits for anything at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// A moment in which no more messages must come.
const QUIET: Duration = Duration::from_millis(150);

#[derive(Parser)]
enum Command {
    /// Waits for a line, then publishes self-checking messages.
    Publish {
        topic: String,
        #[arg(long)]
        writer: String,
        /// How many; 0 for no end.
        #[arg(long)]
        count: u64,
        /// Messages per second; 0 for as many as possible.
        #[arg(long, default_value_t = 0)]
        rate: u64,
        /// Bytes of every payload; drawn at random if not given.
        #[arg(long)]
        size: Option<usize>,
        #[arg(long, default_value_t = 16 << 20)]
        arena: u64,
    },
    /// Waits for a line, then publishes the message that ends every `subscribe`.
    End { topic: String },
    /// Reads, blocking, until the end; checks everything.
    Subscribe {
        topic: String,
        #[arg(long, value_enum, default_value_t = Kind::Sync)]
        kind: Kind,
        #[arg(long, default_value_t = 16 << 20)]
        arena: u64,
        /// Microseconds to spend on each message: a reader that is behind stays among the oldest ones.
        #[arg(long, default_value_t = 0)]
        delay: u64,
        /// Without the right to write.
        #[arg(long)]
        read_only: bool,
    },
    /// Waits for a line, then reads what is there and shows it; threaded, the line says how many messages are to come.
    Show {
        topic: String,
        #[arg(long, value_enum, default_value_t = Kind::Sync)]
        kind: Kind,
        #[arg(long, default_value = "OLDEST")]
        init: String,
        #[arg(long, default_value = "NEXT")]
        iter: String,
        #[arg(long, default_value_t = 16 << 20)]
        arena: u64,
    },
    /// Publishes what it reads as JSON from its standard input, one message a line.
    Send {
        topic: String,
        #[arg(long, default_value_t = 16 << 20)]
        arena: u64,
    },
    /// Answers every message of one topic on another one.
    Echo {
        from: String,
        to: String,
        /// Without sleeping.
        #[arg(long)]
        spin: bool,
    },
    /// Waits for a line, then sends messages one by one, each when the one before was answered.
    Ping {
        to: String,
        from: String,
        #[arg(long)]
        count: u64,
        /// Milliseconds before each.
        #[arg(long, default_value_t = 0)]
        pause: u64,
        /// Waits for answers without sleeping.
        #[arg(long)]
        spin: bool,
    },
    #[command(flatten)]
    Cfg(cfg::Command),
    #[command(flatten)]
    Deadman(deadman::Command),
    #[command(flatten)]
    Log(log::Command),
    #[command(flatten)]
    Rpc(rpc::Command),
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Sync,
    Threaded,
    InPlace,
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("interop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<Value> {
    let file = |arena| FileOptions::default().size(arena);
    match command {
        Command::Publish { topic, writer, count, rate, size, arena } => {
            let publisher = Publisher::with_options(&topic, &file(arena))?;
            ready()?;
            wait_for_line()?;
            publish(&publisher, &writer, count, rate, size)
        }
        Command::End { topic } => {
            let publisher = Publisher::new(&topic)?;
            ready()?;
            wait_for_line()?;
            Ok(json!({ "seq": publisher.publish_with(&[("end", "")], "")?.seq }))
        }
        Command::Subscribe { topic, kind, arena, delay, read_only } => {
            let access = if read_only { Mode::ReadOnly } else { Mode::Shared };
            let file = file(arena).access(access);
            let options = ReaderOptions::default().init(Init::Oldest).iter(Iter::Next).file(file);
            let tally = Tally::new(Duration::from_micros(delay));
            match kind {
                Kind::Sync => subscribe_sync(&topic, options, tally),
                Kind::Threaded => subscribe_threaded(&topic, options, tally),
                Kind::InPlace => subscribe_in_place(&topic, options, tally),
            }
        }
        Command::Show { topic, kind, init, iter, arena } => {
            let init = match &*init {
                "OLDEST" => Init::Oldest,
                "MOST_RECENT" => Init::MostRecent,
                "AWAIT_NEW" => Init::AwaitNew,
                other => return Err(format!("no Init {other}").into()),
            };
            let iter = match &*iter {
                "NEXT" => Iter::Next,
                "NEWEST" => Iter::Newest,
                other => return Err(format!("no Iter {other}").into()),
            };
            show(&topic, kind, ReaderOptions::default().init(init).iter(iter).file(file(arena)))
        }
        Command::Send { topic, arena } => {
            let publisher = Publisher::with_options(&topic, &file(arena))?;
            ready()?;
            for line in stdin().lock().lines() {
                publisher.publish_packet(&packet(&serde_json::from_str(&line?)?)?)?;
            }
            Ok(Value::Null)
        }
        Command::Echo { from, to, spin } => {
            let mut reader = SubscriberSync::new(&from, strategy(spin))?;
            let publisher = Publisher::new(&to)?;
            ready()?;
            loop {
                let message = reader.read_blocking(PATIENCE)?;
                publisher.publish(message.payload())?;
                if message.payload() == b"end" {
                    return Ok(Value::Null);
                }
            }
        }
        Command::Ping { to, from, count, pause, spin } => {
            ping(&to, &from, count, Duration::from_millis(pause), strategy(spin))
        }
        Command::Cfg(command) => command.run(),
        Command::Deadman(command) => command.run(),
        Command::Log(command) => command.run(),
        Command::Rpc(command) => command.run(),
    }
}

fn ready() -> Result<()> {
    println!("ready");
    Ok(stdout().flush()?)
}

fn wait_for_line() -> Result<String> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line)
}

fn publish(publisher: &Publisher, writer: &str, count: u64, rate: u64, size: Option<usize>) -> Result<Value> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(count);
    let mut noise = vec![0; 2 * LARGEST];
    random.fill_bytes(&mut noise);
    let started = Instant::now();
    let mut longest = Duration::ZERO;
    let count = if count == 0 { u64::MAX } else { count };
    for n in 0..count {
        let mut below = |limit: usize| random.next_u64() as usize % limit;
        let start = below(LARGEST);
        let limit = match n % 1000 {
            0 => LARGEST,
            1..=39 => 16 << 10,
            40..=199 => 2 << 10,
            _ => 256,
        };
        // Both extremes are among them.
        let size = size.unwrap_or(match n {
            0 => 0,
            1 => LARGEST,
            _ => below(limit),
        });
        let payload = &noise[start..start + size];
        let headers = [("w", writer), ("n", &n.to_string()), ("crc", &crc32(payload).to_string())];
        let before = Instant::now();
        if n % 3 == 2 {
            let mut loan = publisher.loan_with(&headers, size)?;
            loan.with(|bytes| bytes.copy_from_slice(payload));
            loan.commit();
        } else {
            publisher.publish_with(&headers, payload)?;
        }
        longest = longest.max(before.elapsed());
        if rate != 0 {
            sleep(Duration::from_secs_f64((n + 1) as f64 / rate as f64).saturating_sub(started.elapsed()));
        }
    }
    Ok(json!({ "published": count, "longest_ms": longest.as_millis(), "seconds": started.elapsed().as_secs_f64() }))
}

fn subscribe_sync(topic: &str, options: ReaderOptions, mut tally: Tally) -> Result<Value> {
    let mut subscriber = SubscriberSync::new(topic, options)?;
    ready()?;
    while !tally.take(subscriber.read_blocking(PATIENCE))? {}
    Ok(tally.report())
}

/// What was copied in place is judged only if it was intact in the end.
fn subscribe_in_place(topic: &str, options: ReaderOptions, mut tally: Tally) -> Result<Value> {
    let mut subscriber = SubscriberSync::new(topic, options)?;
    ready()?;
    let mut payload = Vec::new();
    loop {
        let seen = subscriber.read_in_place_blocking(PATIENCE, |view| {
            payload.resize(view.len(), 0);
            let headers: Vec<_> = view.headers().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            view.copy_to(0, &mut payload).map(|()| (view.seq(), view.missed(), headers))
        });
        let end = match seen {
            Ok(Some((seq, missed, headers))) => {
                let headers: Vec<_> = headers.iter().map(|(key, value)| (&**key, &**value)).collect();
                tally.judge(seq, missed, &headers, &payload)
            }
            Ok(None) => return Err("the payload is shorter than it said".into()),
            Err(Error::Overwritten { seq, missed, .. }) => {
                tally.lose(seq, missed);
                false
            }
            Err(error) => tally.take(Err(error))?,
        };
        if end {
            return Ok(tally.report());
        }
    }
}

fn subscribe_threaded(topic: &str, options: ReaderOptions, mut tally: Tally) -> Result<Value> {
    let (tell, told) = mpsc::channel();
    let subscriber = Subscriber::with_errors(topic, options, move |message| {
        let end = tally.take(message).map_err(|error| error.to_string());
        if end != Ok(false) {
            // Nobody listens any more if a message came behind the end.
            tell.send(end.map(|_| tally.report())).ok();
        }
    })?;
    ready()?;
    let report = told.recv()??;
    subscriber.close();
    Ok(report)
}

fn text(message: &Message<'_>) -> Value {
    json!({
        "seq": message.seq(),
        "missed": message.missed(),
        "id": message.id(),
        "headers": message.headers().collect::<Vec<_>>(),
        "payload": String::from_utf8_lossy(message.payload()),
    })
}

fn show(topic: &str, kind: Kind, options: ReaderOptions) -> Result<Value> {
    match kind {
        Kind::InPlace => Err("show reads in other ways only".into()),
        Kind::Sync => {
            let mut subscriber = SubscriberSync::new(topic, options)?;
            ready()?;
            wait_for_line()?;
            let mut all = Vec::new();
            while let Some(message) = subscriber.read()? {
                all.push(text(&message));
            }
            Ok(all.into())
        }
        Kind::Threaded => {
            let all = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
            let theirs = Arc::clone(&all);
            let (start, started) = mpsc::channel::<()>();
            let subscriber = Subscriber::new(topic, options, move |message| {
                theirs.0.lock().unwrap_or_else(PoisonError::into_inner).push(text(&message));
                theirs.1.notify_all();
                // The first one is held back until the line has come; then the sender is gone.
                started.recv().ok();
            })?;
            ready()?;
            let expected: usize = wait_for_line()?.trim().parse()?;
            drop(start);
            let seen = all.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(all.1.wait_timeout_while(seen, PATIENCE, |seen| seen.len() < expected));
            sleep(QUIET);
            subscriber.close();
            let shown = std::mem::take(&mut *all.0.lock().unwrap_or_else(PoisonError::into_inner));
            Ok(shown.into())
        }
    }
}

fn packet(description: &Value) -> Result<Packet> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("not a string");
    let mut packet = Packet::new(text(&description["payload"])?);
    for header in description["headers"].as_array().ok_or("no headers")? {
        packet = packet.with_header(text(&header[0])?, text(&header[1])?);
    }
    if let Some(id) = description["id"].as_str() {
        packet = packet.with_id(a0_std::Id::parse(id.as_bytes())?);
    }
    Ok(packet)
}

fn strategy(spin: bool) -> Wait {
    if spin { Wait::Spin } else { Wait::default() }
}

fn ping(to: &str, from: &str, count: u64, pause: Duration, wait: Wait) -> Result<Value> {
    let publisher = Publisher::new(to)?;
    let mut reader = SubscriberSync::new(from, wait)?;
    ready()?;
    wait_for_line()?;
    let mut times = Vec::new();
    for n in 0..count {
        sleep(pause);
        let started = Instant::now();
        publisher.publish(n.to_string())?;
        let answer = reader.read_blocking(PATIENCE)?;
        if answer.payload() != n.to_string().as_bytes() {
            return Err(format!("the answer to {n} was {:?}", answer.payload()).into());
        }
        times.push(started.elapsed().as_micros() as u64);
    }
    publisher.publish("end")?;
    Ok(json!({ "micros": times }))
}

//! A server or a client in a process of its own, to be killed by `tests/rpc_killed.rs`.

use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use a0_std::{Connection, PrpcServer, Request, RpcClient, RpcServer, ServerStart};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Answers of a connection.
const STEPS: u32 = 50;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", topic] => serve(topic),
        ["call", topic, name] => call(topic, name),
        _ => Err("use: serve TOPIC, or: call TOPIC NAME".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rpc_peer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ready() -> Result<()> {
    println!("ready");
    Ok(stdout().flush()?)
}

/// Answers requests with themselves, backwards, and connections with numbers; until standard input is closed.
fn serve(topic: &str) -> Result<()> {
    let reply = |request: Request| {
        let backwards: Vec<u8> = request.payload().iter().rev().copied().collect();
        drop(request.reply(backwards));
    };
    let count = |connection: Connection| {
        // Elsewhere, or connections would be served one after the other.
        thread::spawn(move || {
            for n in 1..=STEPS {
                if connection.is_cancelled() || connection.send(n.to_string(), n == STEPS).is_err() {
                    return;
                }
                thread::sleep(Duration::from_micros(100));
            }
        });
    };
    let _rpc = RpcServer::with_options(topic, ServerStart::OldestUnanswered, reply, |_| {})?;
    let _prpc = PrpcServer::with_options(topic, ServerStart::OldestUnanswered, count, |_| {})?;
    ready()?;
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Calls for ever; fails at the first wrong reply.
fn call(topic: &str, name: &str) -> Result<()> {
    let client = RpcClient::new(topic)?;
    ready()?;
    for n in 0u64.. {
        let text = format!("{name} {n}");
        let reply = client.call(&text, Duration::from_secs(20))?;
        if !reply.payload().iter().rev().eq(text.as_bytes()) {
            return Err(format!("the reply to {text} was {reply:?}").into());
        }
    }
    Ok(())
}

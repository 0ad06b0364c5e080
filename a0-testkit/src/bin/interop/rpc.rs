//! Servers and clients of RPC and progressive RPC.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

use a0_std::{Connection, Error, Id, PacketBuf, PrpcClient, PrpcServer, Request, RpcClient, RpcServer, keys};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::{PATIENCE, Result, ready, wait_for_line};

/// Not answered, or only once.
const HOLD: &[u8] = b"hold";

/// Answers of a connection.
const STEPS: usize = 5;

/// Requests that are sent before their replies are waited for.
const BATCH: u64 = 10;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answers requests with their payloads backwards, until a line comes; says which were cancelled.
    RpcServe { topic: String },
    /// Waits for a line, then calls: half of it blocking, half of it with callbacks.
    RpcCall {
        topic: String,
        #[arg(long)]
        name: String,
        #[arg(long)]
        count: u64,
    },
    /// Makes a call that is not answered; says how it ends.
    RpcHold { topic: String },
    /// Waits for a line, then cancels a call.
    RpcCancel { topic: String, id: String },
    /// Answers connections with five numbered packets.
    PrpcServe { topic: String },
    /// Waits for a line, then connects.
    PrpcCall {
        topic: String,
        #[arg(long)]
        name: String,
        #[arg(long)]
        count: u64,
    },
    /// Opens a connection that gets one answer only; says how it ends.
    PrpcHold { topic: String },
    /// Waits for a line, then cancels a connection.
    PrpcCancel { topic: String, id: String },
}

impl Command {
    pub(crate) fn run(self) -> Result<Value> {
        match self {
            Command::RpcServe { topic } => serve(|cancelled| {
                let handler = |request: Request| {
                    if request.payload() != HOLD {
                        let backwards: Vec<u8> = request.payload().iter().rev().copied().collect();
                        drop(request.reply_with(&[("from", "rust")], backwards));
                    }
                };
                RpcServer::new(&topic, handler, cancelled)
            }),
            Command::RpcCall { topic, name, count } => call(&topic, &name, count),
            Command::RpcHold { topic } => {
                let client = RpcClient::new(&topic)?;
                ready()?;
                hold(client.call(HOLD, PATIENCE))
            }
            Command::RpcCancel { topic, id } => {
                let client = RpcClient::new(&topic)?;
                ready()?;
                wait_for_line()?;
                client.cancel(&id.parse()?)?;
                Ok(Value::Null)
            }
            Command::PrpcServe { topic } => serve(|cancelled| {
                let handler = |connection: Connection| {
                    for n in 0..STEPS {
                        let step = [connection.payload(), format!("/{n}").as_bytes()].concat();
                        drop(connection.send_with(&[("from", "rust")], step, n + 1 == STEPS));
                        if connection.payload() == HOLD {
                            break;
                        }
                    }
                };
                PrpcServer::new(&topic, handler, cancelled)
            }),
            Command::PrpcCall { topic, name, count } => connect(&topic, &name, count),
            Command::PrpcHold { topic } => {
                let client = PrpcClient::new(&topic)?;
                ready()?;
                let mut stream = client.stream(HOLD, PATIENCE)?;
                let first = stream.next().ok_or("nothing came")??;
                if first.payload() != b"hold/0" || first.done() {
                    return Err(format!("{first:?} came first").into());
                }
                hold(stream.next().ok_or("nothing more came")?.map(|progress| progress.into_packet()))
            }
            Command::PrpcCancel { topic, id } => {
                let client = PrpcClient::new(&topic)?;
                ready()?;
                wait_for_line()?;
                client.cancel(&id.parse()?)?;
                Ok(Value::Null)
            }
        }
    }
}

fn serve<S>(start: impl FnOnce(Box<dyn FnMut(Id) + Send>) -> Result<S, Error>) -> Result<Value> {
    let cancelled: Arc<Mutex<Vec<String>>> = Arc::default();
    let ours = Arc::clone(&cancelled);
    let on_cancel = move |id: Id| ours.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_string());
    let server = start(Box::new(on_cancel))?;
    ready()?;
    wait_for_line()?;
    drop(server);
    let cancelled = cancelled.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(json!({ "cancelled": *cancelled }))
}

fn hold(result: Result<PacketBuf, Error>) -> Result<Value> {
    match result {
        Err(Error::Cancelled { .. }) => Ok(json!({ "ended": "cancelled" })),
        Ok(reply) => Err(format!("{reply:?} came").into()),
        Err(error) => Err(error.into()),
    }
}

fn check(text: &str, reply: &PacketBuf) -> Result<()> {
    let depends = reply.header(keys::DEP).is_some() && reply.header(keys::DEP) == reply.header(keys::REQ_ID);
    if !reply.payload().iter().rev().eq(text.as_bytes()) || !depends || reply.header("from").is_none() {
        return Err(format!("the reply to {text} was {reply:?}").into());
    }
    Ok(())
}

fn call(topic: &str, name: &str, count: u64) -> Result<Value> {
    let client = RpcClient::new(topic)?;
    ready()?;
    wait_for_line()?;
    for n in 0..count / 2 {
        let text = format!("{name} {n}");
        check(&text, &client.call_with(&[("caller", name)], &text, PATIENCE)?)?;
    }
    for first in (count / 2..count).step_by(BATCH as usize) {
        let (tell, told) = mpsc::channel();
        for n in first..count.min(first + BATCH) {
            let text = format!("{name} {n}");
            let tell = tell.clone();
            let payload = text.clone();
            client.send_with(&[("caller", name)], payload, PATIENCE, move |reply| drop(tell.send((text, reply))))?;
        }
        drop(tell);
        for (text, reply) in told {
            check(&text, &reply?)?;
        }
    }
    Ok(json!({ "calls": count }))
}

fn connect(topic: &str, name: &str, count: u64) -> Result<Value> {
    let client = PrpcClient::new(topic)?;
    ready()?;
    wait_for_line()?;
    for n in 0..count {
        let text = format!("{name} {n}");
        let mut got = Vec::new();
        if n % 2 == 0 {
            for progress in client.stream(&text, PATIENCE)? {
                let progress = progress?;
                got.push((progress.done(), progress.into_packet()));
            }
        } else {
            let (tell, told) = mpsc::channel();
            client.connect(&text, move |progress| drop(tell.send(progress)))?;
            for progress in told {
                let progress = progress?;
                got.push((progress.done(), progress.into_packet()));
            }
        }
        let right = |(step, (done, packet)): (usize, &(bool, PacketBuf))| {
            packet.payload() == format!("{text}/{step}").as_bytes() && *done == (step + 1 == STEPS)
        };
        if got.len() != STEPS || !got.iter().enumerate().all(right) {
            return Err(format!("{text} got {got:?}").into());
        }
    }
    Ok(json!({ "calls": count }))
}

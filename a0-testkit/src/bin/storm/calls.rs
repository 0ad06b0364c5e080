//! Servers and clients of both kinds of calls.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use a0_std::{
    Connection, Error, PacketBuf, PrpcClient, PrpcServer, Request, RpcClient, RpcServer, ServerOptions, ServerStart,
};

use crate::orders::Outcome;
use crate::payload::Author;
use crate::stage::{Stage, existing};
use crate::stats::{Counter, Phase};

/// Answers of a connection.
const STEPS: u32 = 5;

/// Calls under way at once.
const BATCH: u64 = 5;

/// The reply to a request.
fn backwards(request: &[u8]) -> Vec<u8> {
    request.iter().rev().copied().collect()
}

/// An answer of a connection.
fn step(request: &[u8], n: u32) -> Vec<u8> {
    [n.to_string().as_bytes(), b" ", request].concat()
}

pub(crate) fn serve(stage: &Stage) -> Outcome {
    let options = ServerOptions::default().start(ServerStart::OldestUnanswered).file(existing());
    // A reply that cannot be sent shows as a call that hangs.
    let reply = |request: Request| drop(request.reply(backwards(request.payload())));
    let answer = |connection: Connection| {
        for n in 1..=STEPS {
            if connection.send(step(connection.payload(), n), n == STEPS).is_err() {
                return;
            }
        }
    };
    let _rpc = RpcServer::with_options(&stage.orders.topic, options.clone(), reply, |_| {})?;
    let _prpc = PrpcServer::with_options(&stage.orders.topic, options, answer, |_| {})?;
    stage.ready()?;
    while !stage.is_over(Phase::ReadersStop) {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Calls until it is told to leave.
pub(crate) fn call(stage: &Stage) -> Outcome {
    let rpc = RpcClient::with_options(&stage.orders.topic, &existing())?;
    let prpc = PrpcClient::with_options(&stage.orders.topic, &existing())?;
    let mut author = Author::new(stage.orders.seed, stage.orders.largest);
    stage.ready()?;
    while !stage.is_over(Phase::WritersStop) {
        let before = stage.role.get(Counter::Answered);
        match author.below(3) {
            0 => {
                author.next();
                check(stage, &author.payload, rpc.call(&author.payload, stage.patience()));
            }
            1 => send(stage, &rpc, &mut author)?,
            _ => stream(stage, &prpc, &mut author)?,
        }
        if stage.role.get(Counter::Answered) == before {
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// Several calls at once, answered by callback.
fn send(stage: &Stage, rpc: &RpcClient, author: &mut Author) -> Outcome {
    let (tell, told) = mpsc::channel();
    for _ in 0..BATCH {
        author.next();
        let (tell, payload) = (tell.clone(), author.payload.clone());
        let callback = move |result| drop(tell.send((payload, result)));
        rpc.send_with(&[], &author.payload, stage.patience(), callback)?;
    }
    drop(tell);
    for (payload, result) in told {
        check(stage, &payload, result);
    }
    Ok(())
}

fn stream(stage: &Stage, prpc: &PrpcClient, author: &mut Author) -> Outcome {
    author.next();
    let mut steps = 0;
    for progress in prpc.stream(&author.payload, stage.patience())? {
        match progress {
            Ok(progress) => {
                steps += 1;
                if progress.payload() != step(&author.payload, steps) || progress.done() != (steps == STEPS) {
                    stage.role.add(Counter::WrongReplies, 1);
                    return Ok(());
                }
                stage.role.add(Counter::Answered, u64::from(progress.done()));
            }
            Err(error) => failed(stage, &error),
        }
    }
    Ok(())
}

fn check(stage: &Stage, request: &[u8], result: Result<PacketBuf, Error>) {
    match result {
        Ok(reply) if reply.payload() == backwards(request) => stage.role.add(Counter::Answered, 1),
        Ok(_) => stage.role.add(Counter::WrongReplies, 1),
        Err(error) => failed(stage, &error),
    }
}

fn failed(stage: &Stage, error: &Error) {
    let counter = match error {
        Error::ServerGone { .. } => Counter::ServerGone,
        Error::RequestLost { .. } => Counter::RequestLost,
        Error::ReplyLost { .. } => Counter::ReplyLost,
        Error::Timeout { .. } => Counter::TimedOut,
        other => {
            eprintln!("storm: a call failed: {other}");
            Counter::WrongErrors
        }
    };
    stage.role.add(counter, 1);
}

//! The Rust side of `interop/discovery.py`. Says `ready`, waits for a line, and ends with a report in one line of JSON.

use std::io::{BufRead, stdin};
use std::time::Duration;

use a0_std::{DiscoveredTopic, DiscoveryEvent, DiscoverySync, Error, PathGlob, Protocol};
use clap::Parser;
use serde_json::{Value, json};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// How long anything may take to be discovered.
const PATIENCE: Duration = Duration::from_secs(20);

/// A moment in which nothing must be announced.
const QUIET: Duration = Duration::from_millis(200);

#[derive(Parser)]
enum Command {
    /// Waits for a line with a number; discovers so many topics, and whatever comes in the moment after.
    Discover { pattern: String },
    /// Waits for a line with pairs of a pattern and a path; reports which of them match.
    Glob,
}

fn main() -> Result<()> {
    let report = match Command::parse() {
        Command::Discover { pattern } => discover(&pattern)?,
        Command::Glob => glob()?,
    };
    println!("{report}");
    Ok(())
}

fn line() -> Result<String> {
    println!("ready");
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line)
}

fn discover(pattern: &str) -> Result<Value> {
    let mut discovery = DiscoverySync::topics(Protocol::ALL, pattern)?;
    let mut events = vec![];
    let mut note = |event: DiscoveryEvent<DiscoveredTopic>| {
        let (event, topic) = match event {
            DiscoveryEvent::Found(topic) => ("found", topic),
            DiscoveryEvent::Removed(topic) => ("removed", topic),
        };
        events.push(json!([event, topic.protocol.name(), topic.name]));
        events.len()
    };
    // What is there already is discovered before the others go on.
    while let Some(event) = discovery.read() {
        note(event);
    }
    let expected: usize = line()?.trim().parse()?;
    let mut patience = PATIENCE;
    loop {
        match discovery.read_blocking(patience) {
            Ok(event) => {
                if note(event) >= expected {
                    patience = QUIET;
                }
            }
            Err(Error::Timeout { .. }) => return Ok(json!(events)),
            Err(error) => return Err(error.into()),
        }
    }
}

fn glob() -> Result<Value> {
    let pairs: Vec<(String, String)> = serde_json::from_str(&line()?)?;
    let matches = pairs.iter().map(|(pattern, path)| Ok(PathGlob::new(pattern)?.matches(path)));
    Ok(json!(matches.collect::<a0_std::Result<Vec<bool>>>()?))
}

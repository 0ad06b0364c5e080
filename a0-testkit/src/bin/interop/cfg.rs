//! Configuration: patches at the same time, watchers, variables.

use std::io::{BufRead, stdin};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use a0_std::{Cfg, CfgVar};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::{PATIENCE, Result, ready, wait_for_line};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Waits for a line, then patches a member of its own into the configuration, again and again.
    #[command(name = "cfg-patch")]
    Patch {
        topic: String,
        #[arg(long)]
        name: String,
        /// How many; 0 for no end.
        #[arg(long)]
        count: u64,
    },
    /// Reads pairs of a configuration and a patch from its standard input, one a line; shows what comes of them.
    #[command(name = "cfg-apply")]
    Apply { topic: String },
    /// Watches until the configuration has a member `end`; shows the last one, and that member as a variable.
    #[command(name = "cfg-watch")]
    Watch { topic: String },
}

impl Command {
    pub(crate) fn run(self) -> Result<Value> {
        match self {
            Command::Patch { topic, name, count } => {
                let cfg = Cfg::new(&topic)?;
                ready()?;
                wait_for_line()?;
                patch(&cfg, &name, if count == 0 { u64::MAX } else { count })
            }
            Command::Apply { topic } => {
                let cfg = Cfg::new(&topic)?;
                ready()?;
                let mut results = Vec::new();
                for line in stdin().lock().lines() {
                    let (config, patch): (Value, Value) = serde_json::from_str(&line?)?;
                    cfg.write(config.as_str().ok_or("not a string")?)?;
                    cfg.merge_patch(patch.to_string())?;
                    let packet = cfg.read()?.ok_or("nothing there")?;
                    results.push(String::from_utf8(packet.into_payload())?);
                }
                Ok(results.into())
            }
            Command::Watch { topic } => watch(&Cfg::new(&topic)?),
        }
    }
}

fn patch(cfg: &Cfg, name: &str, count: u64) -> Result<Value> {
    let mut longest = Duration::ZERO;
    for n in 0..count {
        let before = Instant::now();
        cfg.merge_patch(json!({ name: { n.to_string(): n } }).to_string())?;
        longest = longest.max(before.elapsed());
    }
    Ok(json!({ "patched": count, "longest_ms": longest.as_millis() }))
}

fn watch(cfg: &Cfg) -> Result<Value> {
    let (tell, told) = mpsc::channel();
    let watcher = cfg.watch(move |message| {
        tell.send(serde_json::from_slice::<Value>(message.payload()).map_err(|error| error.to_string())).ok();
    })?;
    let mut end: CfgVar<u64> = cfg.var("/end/0");
    ready()?;
    let mut seen = 0;
    loop {
        let config = told.recv_timeout(PATIENCE)??;
        seen += 1;
        if config.get("end").is_some() {
            watcher.close();
            return Ok(json!({ "seen": seen, "config": config, "end": end.read()? }));
        }
    }
}

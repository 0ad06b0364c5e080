//! Deadmen: had, watched, and waited for.

use a0_core::Clock;
use a0_linux::SystemClock;
use a0_std::Deadman;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::{PATIENCE, Result, ready, wait_for_line};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Takes it, which may take a while, and then says `ready`. Releases it after a line.
    #[command(name = "deadman-take")]
    Take { topic: String },
    /// Waits until somebody has it, and until that one has it no more; says when.
    #[command(name = "deadman-watch")]
    Watch { topic: String },
    /// Waits until it has it itself, and ends at once; says when.
    #[command(name = "deadman-queue")]
    Queue { topic: String },
}

impl Command {
    pub(crate) fn run(self) -> Result<Value> {
        let now = || SystemClock.mono().as_nanos();
        match self {
            Command::Take { topic } => {
                let deadman = Deadman::new(&topic)?;
                let token = deadman.take(PATIENCE)?.token;
                let taken = now();
                ready()?;
                wait_for_line()?;
                let released = now();
                deadman.release()?;
                Ok(json!({ "token": token, "taken": taken, "released": released }))
            }
            Command::Watch { topic } => {
                let deadman = Deadman::new(&topic)?;
                ready()?;
                let token = deadman.wait_taken(PATIENCE)?;
                let taken = now();
                deadman.wait_released(token, PATIENCE)?;
                Ok(json!({ "token": token, "taken": taken, "released": now() }))
            }
            Command::Queue { topic } => {
                let deadman = Deadman::new(&topic)?;
                ready()?;
                let token = deadman.take(PATIENCE)?.token;
                Ok(json!({ "token": token, "taken": now() }))
            }
        }
    }
}

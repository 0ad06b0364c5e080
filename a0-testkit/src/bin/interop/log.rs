//! Log messages of each level, and listeners.

use std::sync::mpsc;

use a0_std::{Level, LogListener, Logger};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::{PATIENCE, Result, ready, wait_for_line};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Waits for a line, then logs one message of each level, and one that ends every listener.
    #[command(name = "log-write")]
    Write {
        topic: String,
        #[arg(long)]
        name: String,
    },
    /// Listens until that last message; shows all.
    #[command(name = "log-listen")]
    Listen {
        topic: String,
        #[arg(long)]
        level: String,
    },
}

impl Command {
    pub(crate) fn run(self) -> Result<Value> {
        match self {
            Command::Write { topic, name } => {
                let logger = Logger::new(&topic)?;
                ready()?;
                wait_for_line()?;
                for level in Level::ALL.iter().copied().filter(|level| *level != Level::Unknown) {
                    logger.log_with(level, &[("name", &name)], format!("{name} says {level}"))?;
                }
                logger.crit("end")?;
                Ok(Value::Null)
            }
            Command::Listen { topic, level } => {
                let (tell, told) = mpsc::channel();
                let listener = LogListener::new(&topic, Level::from_name(&level), (), move |message| {
                    let headers: Vec<_> = message.headers().collect();
                    let shown = json!({ "level": message.level().name(), "text": message.text(), "headers": headers });
                    tell.send(shown).ok();
                })?;
                ready()?;
                let mut heard = Vec::new();
                loop {
                    let message = told.recv_timeout(PATIENCE)?;
                    if message["text"] == "end" {
                        listener.close();
                        return Ok(heard.into());
                    }
                    heard.push(message);
                }
            }
        }
    }
}

//! `a0 deadman wait`.

use std::time::Duration;

use a0_std::{Deadman, Error, FileError, FileOptions, Mode};
use clap::Parser;

use super::state;
use crate::end::{End, Outcome};
use crate::quantity::seconds;
use crate::render::Format;
use crate::stop::Stop;

/// Wait until a deadman is released, or taken
///
/// Waits for the end of whoever has it now, and says at once if nobody has. With --taken it creates the deadman if it does
/// not exist, so that it does not matter who starts first.
#[derive(Debug, Parser)]
#[command(after_help = format!("\
Examples:
  a0 deadman wait robot && echo the robot is gone
  a0 deadman wait robot --taken --timeout 10 --format json | jq .pid

{}

Exit codes:
  1  an error
  3  the timeout has passed", state::JSON))]
pub(crate) struct Args {
    /// Name of the deadman
    topic: String,
    /// Until somebody has it
    #[arg(long)]
    taken: bool,
    /// Until whoever has it has released it or died; this is the default
    #[arg(long, conflicts_with = "taken")]
    released: bool,
    /// Give up after this time
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        stop.watch_output()?;
        let _hold = stop.hold();
        let waited = if self.taken { self.wait_taken(stop) } else { self.wait_released(stop) };
        match waited {
            Ok(deadman) => state::print(&self.topic, &deadman, self.format),
            Err(Error::Interrupted { .. }) => Ok(()),
            Err(Error::Timeout { .. }) => Err(End::TimedOut),
            Err(error) => Err(error.into()),
        }
    }

    fn wait_released(&self, stop: &Stop) -> Result<Deadman, Error> {
        let deadman = open(&self.topic, false)?;
        stop.interrupts(deadman.interrupter());
        deadman.wait_released(deadman.state()?.token, self.timeout)?;
        Ok(deadman)
    }

    fn wait_taken(&self, stop: &Stop) -> Result<Deadman, Error> {
        let deadman = open(&self.topic, true)?;
        stop.interrupts(deadman.interrupter());
        deadman.wait_taken(self.timeout)?;
        Ok(deadman)
    }
}

/// Opens a deadman, without the right to write if this user has not got it, or the programs that use it are in another PID
/// namespace.
fn open(topic: &str, create: bool) -> Result<Deadman, Error> {
    let options = FileOptions::default().create(create);
    match Deadman::with_options(topic, options.clone()) {
        Err(
            denied @ Error::File(
                FileError::PermissionDenied { .. } | FileError::OtherPidNamespace { .. } | FileError::Exclusive { .. },
            ),
        ) => {
            match Deadman::with_options(topic, options.access(Mode::ReadOnly)) {
                // It was creating it that is not permitted.
                Err(Error::File(FileError::NotFound { .. })) => Err(denied),
                read_only => read_only,
            }
        }
        shared => shared,
    }
}

//! `a0 deadman`.

mod look;
mod state;
mod take;
mod wait;

use clap::{Parser, Subcommand};

use crate::end::Outcome;
use crate::stop::Stop;
pub(crate) use look::{Look, process};

/// Tell others that a program lives, and wait for its end
///
/// A deadman is a name that one program at a time can take. It has it until it releases it or dies, however it dies; the
/// kernel sees to that, so nobody has to send or count heartbeats.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 deadman take robot -- ./robot --verbose            one robot at a time
  a0 deadman take robot --timeout 0 || echo it runs already
  a0 deadman wait robot && echo the robot is gone
  a0 deadman wait robot --taken --timeout 10
  a0 deadman state robot --format json | jq .taken")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Take(take::Args),
    Wait(wait::Args),
    State(state::Args),
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        match self.command {
            Command::Take(args) => args.run(stop),
            Command::Wait(args) => args.run(stop),
            Command::State(args) => args.run(),
        }
    }
}

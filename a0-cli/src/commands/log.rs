//! `a0 log`.

mod level;
mod tail;
mod write;

use clap::{Parser, Subcommand};

use crate::end::Outcome;
use crate::stop::Stop;

/// Write and read log messages
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 log tail robot                                     in one terminal: print what is logged
  a0 log write robot warn 'battery is low' -H left=7%   in another one: log")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Write(write::Args),
    Tail(tail::Args),
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        match self.command {
            Command::Write(args) => args.run(stop),
            Command::Tail(args) => args.run(stop),
        }
    }
}

//! `a0 log`.

mod tail;
mod write;

use a0_std::Level;
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

/// Parses a level in capital or small letters.
fn level(text: &str) -> Result<Level, String> {
    let known = Level::ALL.iter().copied().find(|level| level.name().eq_ignore_ascii_case(text));
    known.ok_or_else(|| "use crit, err, warn, info, dbg or unknown".to_owned())
}

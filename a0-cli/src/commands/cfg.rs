//! `a0 cfg`.

mod read;
mod watch;
mod write;

use clap::{Parser, Subcommand};

use crate::end::Outcome;
use crate::stop::Stop;

/// Read, write, patch and watch configurations
///
/// A configuration is the newest message of a topic of its own kind, mostly a JSON object. Programs in any language
/// read it, and change parts of it at the same time.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 cfg write robot '{\"motor\": {\"speed\": 1.5, \"on\": true}}' --if-empty
  a0 cfg patch robot '{\"motor\": {\"speed\": 2}}'          all else stays as it is
  a0 cfg read robot --pointer /motor/speed
  a0 cfg read robot | jq .motor
  a0 cfg write robot - < robot.json
  a0 cfg watch robot")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Read(read::Args),
    Write(write::Args),
    Patch(write::PatchArgs),
    Watch(watch::Args),
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        match self.command {
            Command::Read(args) => args.run(),
            Command::Write(args) => args.run(stop),
            Command::Patch(args) => args.run(stop),
            Command::Watch(args) => args.run(stop),
        }
    }
}

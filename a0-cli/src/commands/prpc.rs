//! `a0 prpc`.

mod call;
mod serve;

use a0_std::Protocol;
use clap::{Parser, Subcommand};

use crate::commands::rpc::traffic;
use crate::end::Outcome;
use crate::stop::Stop;

/// Call and serve: a request, and any number of replies
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 prpc serve count -- seq 5                          in one terminal: serve with a command
  a0 prpc call count                                    in another one: call it
  a0 prpc echo count                                    in a third one: look on")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Call(call::Args),
    Serve(serve::Args),
    /// Print connections, their progress and cancels as they pass
    Echo(traffic::Args),
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        match self.command {
            Command::Call(args) => args.run(stop),
            Command::Serve(args) => args.run(stop),
            Command::Echo(args) => args.run(Protocol::Prpc, stop),
        }
    }
}

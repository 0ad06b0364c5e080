//! `a0 rpc`.

pub(crate) mod call;
pub(crate) mod job;
mod serve;
pub(crate) mod traffic;

use a0_std::Protocol;
use clap::{Parser, Subcommand};

use crate::end::Outcome;
use crate::stop::Stop;

/// Call and serve: a request, and a reply
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 rpc serve sort -- sort                             in one terminal: serve with a command
  printf 'b\\na\\n' | xargs -0 a0 rpc call sort           in another one: call it
  a0 rpc echo sort                                      in a third one: look on")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Call(call::Args),
    Serve(serve::Args),
    /// Print requests, replies and cancels as they pass
    Echo(traffic::Args),
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        match self.command {
            Command::Call(args) => args.run(stop),
            Command::Serve(args) => args.run(stop),
            Command::Echo(args) => args.run(Protocol::Rpc, stop),
        }
    }
}

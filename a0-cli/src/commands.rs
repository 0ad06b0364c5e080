//! The commands, one file each.

mod bw;
mod cfg;
mod clear;
mod completions;
mod deadman;
mod delay;
mod demo;
mod doctor;
mod echo;
mod hz;
mod info;
mod log;
mod ls;
mod man;
mod prpc;
mod publish;
mod record;
mod replay;
mod rm;
mod rpc;
mod stat;
mod top;
mod verify;
mod watch;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::Cli;
use crate::end::Outcome;
use crate::stop::Stop;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Pub(publish::Args),
    Echo(echo::Args),
    Cfg(cfg::Args),
    Log(log::Args),
    Rpc(rpc::Args),
    Prpc(prpc::Args),
    Deadman(deadman::Args),
    Ls(ls::Args),
    Watch(watch::Args),
    Stat(stat::Args),
    Top(top::Args),
    Hz(hz::Args),
    Bw(bw::Args),
    Delay(delay::Args),
    Record(record::Args),
    Replay(replay::Args),
    Info(info::Args),
    Verify(verify::Args),
    Clear(clear::Args),
    Rm(rm::Args),
    Doctor(doctor::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    Man(man::Args),
    /// The other process of `a0 demo`. Not for users, so neither help nor completions mention it.
    #[command(skip)]
    DemoPeer(demo::PeerArgs),
}

impl Command {
    /// What the command line says. Ends the process where that is nothing that can be done.
    pub(crate) fn from_args() -> Command {
        let mut args = std::env::args_os().skip(1).peekable();
        match args.peek() {
            Some(first) if first == demo::PEER => Command::DemoPeer(demo::PeerArgs::parse_from(args)),
            _ => {
                let mut command = numbers_are_values(Cli::command());
                let cli = Cli::from_arg_matches(&command.get_matches_mut());
                cli.unwrap_or_else(|error| error.format(&mut command).exit()).command
            }
        }
    }

    /// Does it.
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        match self {
            Command::Pub(args) => args.run(stop),
            Command::Echo(args) => args.run(stop),
            Command::Cfg(args) => args.run(stop),
            Command::Log(args) => args.run(stop),
            Command::Rpc(args) => args.run(stop),
            Command::Prpc(args) => args.run(stop),
            Command::Deadman(args) => args.run(stop),
            Command::Ls(args) => args.run(),
            Command::Watch(args) => args.run(stop),
            Command::Stat(args) => args.run(),
            Command::Top(args) => args.run(stop),
            Command::Hz(args) => args.run(stop),
            Command::Bw(args) => args.run(stop),
            Command::Delay(args) => args.run(stop),
            Command::Record(args) => args.run(stop),
            Command::Replay(args) => args.run(stop),
            Command::Info(args) => args.run(),
            Command::Verify(args) => args.run(),
            Command::Clear(args) => args.run(),
            Command::Rm(args) => args.run(),
            Command::Doctor(args) => args.run(),
            Command::Demo(args) => args.run(stop),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
            Command::DemoPeer(args) => args.run(),
        }
    }
}

/// Has a negative number be what an option gets, so that it is refused with a reason. Otherwise clap takes it for an option
/// that does not exist, and advises to make it a topic.
fn numbers_are_values(command: clap::Command) -> clap::Command {
    let take = |arg: clap::Arg| match !arg.is_positional() && arg.get_action().takes_values() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    };
    command.mut_args(take).mut_subcommands(numbers_are_values)
}

/// How facts are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

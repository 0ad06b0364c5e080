//! The commands, one file each.
//!
//! A command has three lines here: its module, its variant of [`Command`], whose place is its place in the help, and its arm in
//! [`Command::run`]. Help, manual page and completions follow from its `Args`.

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

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::end::Outcome;
use crate::stop::Stop;

/// Publish, print, record, list, inspect and verify AlephZero topics.
///
/// A topic is a name that programs on one machine share. Its messages live in a file in shared memory, below A0_ROOT
/// (/dev/shm/alephzero unless set); whoever comes first creates it.
#[derive(Debug, Parser)]
#[command(name = "a0", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  a0 demo                         see it work, and how fast it is on this machine
  a0 echo chat                    in one terminal: print what comes
  a0 pub chat 'hello'             in another one: publish
  a0 ls                           which topics there are
  a0 watch                        which ones come and go
  a0 top                          all of them, live
  a0 hz cam/front                 how often messages come; see also bw and delay
  a0 record -o run.mcap           record all topics; see also replay and info
  a0 rpc serve shout -- tr a-z A-Z
  a0 rpc call shout hello         request and reply
  a0 doctor                       what is wrong, and what helps

Exit codes:
  0  done, or the reader of the output has closed it
  1  an error, said in one line that starts with 'a0: '
  2  wrong usage
  3  timed out
  129, 130, 143  ended by SIGHUP (the terminal was closed), SIGINT (Ctrl-C), SIGTERM

Environment:
  A0_ROOT                         directory of all topics
  A0_TOPIC_TMPL_PUBSUB, ..._RPC, ..._PRPC, ..._CFG, ..._LOG, ..._DEADMAN
                                  file names, such as {topic}.pubsub.a0";

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
    /// Returns the command that the command line asks for. Ends the process with a message if there is none.
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

    /// Runs the command.
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
            Command::Completions(args) => args.run(Cli::command()),
            Command::Man(args) => args.run(Cli::command()),
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

//! The `a0` command: publish, print, list, inspect and verify AlephZero topics.

mod commands;
mod console;
mod end;
mod follow;
mod gauge;
mod inspect;
mod payload;
mod quantity;
mod recording;
mod regular;
mod render;
mod stop;
mod tap;
mod target;
mod truncated;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;
use end::End;
use stop::Stop;

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
  0  done; also when whoever reads the output has closed it
  1  an error, said in one line that starts with 'a0: '
  2  wrong usage
  3  timed out
  129, 130, 143  ended by SIGHUP (the terminal was closed), SIGINT (Ctrl-C), SIGTERM

Environment:
  A0_ROOT                         directory of all topics
  A0_TOPIC_TMPL_PUBSUB, ..._RPC, ..._PRPC, ..._CFG, ..._LOG, ..._DEADMAN
                                  file names, such as {topic}.pubsub.a0";

fn main() -> ExitCode {
    let command = Command::from_args();
    truncated::install();
    let outcome = Stop::install().and_then(|stop| {
        let outcome = command.run(&stop);
        // Whatever a command makes of being stopped, this is why it ended.
        match outcome {
            Err(end @ End::Exited(_)) => Err(end),
            outcome => stop.reason().map_or(outcome, |reason| Err(reason.into())),
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => end.report(),
    }
}

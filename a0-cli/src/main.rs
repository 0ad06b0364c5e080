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

use commands::Command;
use end::End;
use stop::Stop;

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

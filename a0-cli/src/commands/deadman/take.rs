//! `a0 deadman take`.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use a0_std::{Deadman, DeadmanLayout, Error, Taken};
use clap::{Parser, ValueEnum};

use crate::console::{Escaped, output};
use crate::end::{End, Outcome};
use crate::quantity::seconds;
use crate::stop::Stop;

/// Between two looks whether it is still ours: somebody may have removed the file.
const OWNER_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Have a deadman, until interrupted or while a command runs
///
/// Waits until nobody else has it. If its file is removed, it is taken in a new one, unless somebody else was faster; without a
/// command, that is the end. With a command, SIGTERM and SIGHUP are passed on to it, and its exit code is that of
/// this one; should this process be killed, others see the deadman as free, although the command may live on.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 deadman take robot                                 until Ctrl-C
  a0 deadman take robot -- ./robot --verbose            one robot at a time
  a0 deadman take robot --timeout 0 || echo it runs already

Exit codes:
  that of the command, 128 + N if signal N has ended it; otherwise
  1  an error
  3  somebody else had it for too long")]
pub(crate) struct Args {
    /// Name of the deadman
    topic: String,
    /// Give up after this time
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Which programs of AlephZero 0.3 are to understand the file if it has to be created
    #[arg(long, value_enum, default_value_t = Layout::Cpp)]
    layout: Layout,
    /// What to run
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Layout {
    /// C and C++: 32 bytes
    Cpp,
    /// The Python package: 72 bytes
    Python,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        // Lives longer than the deadman, which is to be released.
        let _hold = stop.hold();
        let layout = match self.layout {
            Layout::Cpp => DeadmanLayout::Bytes32,
            Layout::Python => DeadmanLayout::Bytes72,
        };
        let deadman = Deadman::with_options(&self.topic, layout)?;
        if self.command.is_empty() {
            stop.watch_output()?;
        }
        stop.interrupts(deadman.interrupter());
        let taken = match deadman.take(self.timeout) {
            Ok(taken) => taken,
            Err(Error::Interrupted { .. }) => return Ok(()),
            Err(Error::Timeout { .. }) => return Err(End::TimedOut),
            Err(error) => return Err(error.into()),
        };
        match self.command.split_first() {
            Some((program, arguments)) => run(stop, Command::new(program).args(arguments)),
            None => self.keep(&deadman, taken, stop),
        }
    }

    /// Waits for the end.
    fn keep(&self, deadman: &Deadman, taken: Taken, stop: &Stop) -> Outcome {
        let mut output = output()?;
        let died = if taken.previous_owner_died { "; the owner before died" } else { "" };
        writeln!(output, "{}: taken, token {}{died}", Escaped(&self.topic), taken.token)?;
        output.flush()?;
        while stop.reason().is_none() {
            if !deadman.state()?.is_owner {
                let path = deadman.path().display();
                return Err(End::failed(format_args!("{path} was removed, and somebody else has taken the new one")));
            }
            stop.sleep_until(Instant::now() + OWNER_CHECK_INTERVAL);
        }
        Ok(())
    }
}

fn run(stop: &Stop, command: &mut Command) -> Outcome {
    match stop.run(command) {
        Ok(Some(status)) => Err(End::Exited(code(status))),
        Ok(None) => Ok(()),
        Err(error) => {
            let program = command.get_program().to_string_lossy();
            Err(End::failed(format_args!("cannot run {program}: {error}")))
        }
    }
}

/// The exit code, as shells give it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

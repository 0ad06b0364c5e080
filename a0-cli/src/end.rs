//! Why a command ended without having done all it was asked for, and the exit code for it.

use std::io;
use std::process::ExitCode;

use nix::sys::signal::Signal;

use crate::console::complain;

/// Result of a command.
pub(crate) type Outcome<T = ()> = Result<T, End>;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum End {
    /// Something failed, for this reason.
    Failed(String),
    /// Something failed and was said already.
    Told,
    /// Nothing more came in time.
    TimedOut,
    /// The command that was run has ended with this exit code.
    Exited(u8),
    /// Nobody reads the output any more, or a signal came.
    Stopped(StopReason),
}

impl End {
    pub(crate) fn failed(reason: impl ToString) -> End {
        End::Failed(reason.to_string())
    }

    /// Says what is still to be said; gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            End::Failed(reason) => {
                complain(reason);
                ExitCode::from(1)
            }
            End::Told => ExitCode::from(1),
            End::TimedOut => ExitCode::from(3),
            End::Exited(code) => ExitCode::from(code),
            End::Stopped(reason) => ExitCode::from(reason.exit_code()),
        }
    }
}

/// Why a command is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    Signal(Signal),
    ClosedPipe,
}

impl StopReason {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            StopReason::Signal(signal) => 128 + signal as i32 as u8,
            StopReason::ClosedPipe => 0,
        }
    }
}

impl From<a0_std::Error> for End {
    fn from(error: a0_std::Error) -> End {
        End::failed(error)
    }
}

impl From<StopReason> for End {
    fn from(reason: StopReason) -> End {
        End::Stopped(reason)
    }
}

/// For errors of standard output; all others say what they are about.
impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        match error.kind() {
            io::ErrorKind::BrokenPipe => End::Stopped(StopReason::ClosedPipe),
            _ => End::failed(format_args!("cannot write to standard output: {error}")),
        }
    }
}

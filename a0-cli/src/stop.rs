//! Ending in good order: SIGINT, SIGTERM, SIGHUP, and readers of the output that go away.
//!
//! Signals are blocked in all threads and taken by one that waits for them, so no code runs inside a signal handler.
//! What a command is in the middle of is left time to finish, as long as a [`Hold`] says so.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{DeadmanInterrupter, Interrupter};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::end::{End, Outcome, StopReason};

/// The signals that end a command. SIGHUP says that its terminal was closed.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// How long a command that asked for time is waited for: it may be stuck in a write to a pipe that nobody empties.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether and why to end. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    shared: Arc<StopState>,
    /// The signals that were blocked when this process was started.
    mask: SigSet,
}

#[derive(Debug, Default)]
struct StopState {
    state: Mutex<StopFacts>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct StopFacts {
    reason: Option<StopReason>,
    blocked: Option<Blocked>,
    /// Another program that runs on behalf of this one. Signals are its business then.
    program: Option<Pid>,
    holds: u32,
}

/// What may be in a wait that has to be interrupted.
#[derive(Debug)]
pub(crate) enum Blocked {
    Reader(Interrupter),
    Deadman(DeadmanInterrupter),
}

impl Blocked {
    fn interrupt(&self) {
        match self {
            Blocked::Reader(reader) => reader.interrupt(),
            Blocked::Deadman(deadman) => deadman.interrupt(),
        }
    }
}

impl From<Interrupter> for Blocked {
    fn from(reader: Interrupter) -> Blocked {
        Blocked::Reader(reader)
    }
}

impl From<DeadmanInterrupter> for Blocked {
    fn from(deadman: DeadmanInterrupter) -> Blocked {
        Blocked::Deadman(deadman)
    }
}

/// While it lives, the process is not ended right away. Its owner looks at [`Stop::reason`] often.
#[derive(Debug)]
pub(crate) struct Hold<'s> {
    stop: &'s Stop,
}

impl Stop {
    /// Starts waiting for signals. To be called before any other thread exists.
    pub(crate) fn install() -> Outcome<Stop> {
        let stop = Stop { shared: Arc::default(), mask: SigSet::thread_get_mask().map_err(End::failed)? };
        let mut signals = SigSet::from_iter(SIGNALS);
        if outlives_terminal() {
            signals.remove(Signal::SIGHUP);
        }
        signals.thread_block().map_err(End::failed)?;
        let watcher = stop.clone();
        spawn("a0-signals", move || {
            while let Ok(signal) = signals.wait() {
                if !watcher.passes_on(signal) {
                    watcher.end(StopReason::Signal(signal));
                }
            }
        })?;
        Ok(stop)
    }

    /// Ends the command as soon as nobody can read its output any more, even if it has nothing to write.
    pub(crate) fn watch_output(&self) -> Outcome {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        if !is_pipe(&output)? {
            return Ok(());
        }
        let watcher = self.clone();
        spawn("a0-output", move || {
            let mut pipe = [PollFd::new(output.as_fd(), PollFlags::empty())];
            while poll(&mut pipe, PollTimeout::NONE).is_ok() {
                // Nothing was asked for, so this is an error or a hang-up, which are never over.
                if pipe[0].any() == Some(true) {
                    watcher.end(StopReason::ClosedPipe);
                }
            }
        })
    }

    /// Why to end; `None` to go on.
    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.state().reason
    }

    /// Lets what belongs to this handle be interrupted when it is time to end.
    pub(crate) fn interrupts(&self, blocked: impl Into<Blocked>) {
        let (mut state, blocked) = (self.state(), blocked.into());
        if state.reason.is_some() {
            blocked.interrupt();
        }
        state.blocked = Some(blocked);
    }

    /// Starts another program, which finds its signals as this one has found them. All programs of others are started here.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mask = self.mask;
        let restore = move || Ok(mask.thread_set_mask()?);
        // SAFETY: changes the signal mask of the new process and does nothing else, which is allowed between fork and
        // exec.
        unsafe { command.pre_exec(restore) }.spawn()
    }

    /// Runs another program to its end. Meanwhile SIGTERM and SIGHUP go to that one, and SIGINT has no effect here: Ctrl-C
    /// reaches both. Gives `None` if it is time to end.
    pub(crate) fn run(&self, command: &mut Command) -> io::Result<Option<ExitStatus>> {
        // Locked, so that no signal comes between.
        let mut state = self.state();
        if state.reason.is_some() {
            return Ok(None);
        }
        let mut child = self.spawn(command)?;
        let pid = Pid::from_raw(child.id().cast_signed());
        state.program = Some(pid);
        drop(state);
        // Not taken note of by the kernel yet: until it is, the id belongs to no other process.
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::Error::EINTR) {}
        self.state().program = None;
        child.wait().map(Some)
    }

    /// Whether a signal is for the program that runs.
    fn passes_on(&self, signal: Signal) -> bool {
        let state = self.state();
        if let Some(program) = state.program.filter(|_| signal != Signal::SIGINT) {
            // Can only fail if it has just ended.
            let _ = kill(program, signal);
        }
        state.program.is_some()
    }

    /// Asks for time to finish.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.state().holds += 1;
        Hold { stop: self }
    }

    /// Sleeps until then, or until it is time to end.
    pub(crate) fn sleep_until(&self, then: Instant) {
        let mut state = self.state();
        while state.reason.is_none() {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Makes the command end: by itself if it asked for time, otherwise at once.
    fn end(&self, reason: StopReason) -> ! {
        let mut state = self.state();
        let reason = *state.reason.get_or_insert(reason);
        if let Some(blocked) = state.blocked.take() {
            blocked.interrupt();
        }
        self.shared.changed.notify_all();
        let deadline = Instant::now() + END_TIMEOUT;
        while state.holds > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        // With the state locked, so that nobody starts anything more.
        std::process::exit(reason.exit_code().into())
    }

    fn state(&self) -> MutexGuard<'_, StopFacts> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.stop.state().holds -= 1;
        self.stop.shared.changed.notify_all();
    }
}

/// Whether whoever started this process wants that (`nohup`). A signal that is waited for comes even if it is ignored.
fn outlives_terminal() -> bool {
    // SAFETY: no code of ours runs on that signal, before or after.
    match unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) } {
        Ok(SigHandler::SigIgn) => {
            // SAFETY: as above.
            let _ = unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) };
            true
        }
        _ => false,
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Outcome {
    match thread::Builder::new().name(name.to_owned()).spawn(run) {
        Ok(_) => Ok(()),
        Err(error) => Err(End::failed(format_args!("cannot start a thread: {error}"))),
    }
}

fn is_pipe(output: &OwnedFd) -> io::Result<bool> {
    let kind = std::fs::File::from(output.try_clone()?).metadata()?.file_type();
    Ok(kind.is_fifo() || kind.is_socket())
}

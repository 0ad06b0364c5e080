//! Counting the system calls of a publish, by tracing the process that does it.
//!
//! The other process stops itself between the parts of its work with a signal, which its tracer sees and swallows. What
//! is counted between two signals, less what an empty part has, is what the work has called. So no register has to be
//! looked at, and it is the same on every machine.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use a0_std::Writer;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::measure::Bench;
use super::peer::{PAYLOAD, Peer, Role, in_topic};
use super::place::{bare, small};
use crate::end::{End, Outcome};

/// The topic with a sleeping reader.
pub(super) const WATCHED: &str = "watched";

/// Publishes counted.
const PUBLISHES: u32 = 1000;
/// Publishes counted that wake somebody.
const WAKING: u32 = 50;
/// Time for the reader to fall asleep again.
const SLEEPER_PAUSE: Duration = Duration::from_millis(3);

/// The end of one part of the traced process's work.
const MARK: Signal = Signal::SIGUSR1;

/// System calls per publish.
#[derive(Debug)]
pub(super) struct Counts {
    raw: f64,
    packet: f64,
    waking: f64,
}

impl Counts {
    pub(super) fn rows(&self) -> [(f64, &'static str); 3] {
        [
            (self.raw, "system calls per publish, 64 B raw, nobody asleep (counted with ptrace)"),
            (self.packet, "system calls per publish, 64 B with id and five headers, nobody asleep"),
            (self.waking, "system calls per publish when a reader sleeps, to wake it"),
        ]
    }
}

/// Counts; or says why that was not possible.
pub(super) fn count(bench: &Bench<'_>) -> Outcome<Result<Counts, String>> {
    let _sleeper = Peer::start(bench.place, Role::Asleep)?;
    let mut peer = Peer::start_with_output(bench.place, Role::Traced, Stdio::piped())?;
    match trace(bench, Pid::from_raw(peer.id() as i32)) {
        Ok(parts) => match parts[..] {
            [empty, raw, packet, naps, waking, ..] => {
                let per = |more: u64, less: u64, times| (more as f64 - less as f64) / 2.0 / f64::from(times);
                Ok(Ok(Counts {
                    raw: per(raw, empty, PUBLISHES),
                    packet: per(packet, empty, PUBLISHES),
                    waking: per(waking, naps, WAKING),
                }))
            }
            _ => {
                let mut said = String::new();
                if let Some(output) = &mut peer.child.stdout {
                    // What it does not say cannot be shown.
                    let _ = output.read_to_string(&mut said);
                }
                bench.stop.reason().map_or(Ok(()), |reason| Err(End::from(reason)))?;
                Ok(Err(if said.is_empty() { "the traced process ended early".to_owned() } else { said }))
            }
        },
        Err(errno) => Ok(Err(format!("ptrace: {errno}"))),
    }
}

/// Stops for system calls, on entry and on return, in each part of the process's work.
fn trace(bench: &Bench<'_>, pid: Pid) -> Result<Vec<u64>, Errno> {
    let mut parts = vec![];
    let mut stops = 0;
    let mut started = false;
    loop {
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGSTOP) if !started => {
                started = true;
                ptrace::setoptions(pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL)?;
            }
            WaitStatus::PtraceSyscall(_) => stops += 1,
            WaitStatus::Stopped(_, MARK) => parts.push(std::mem::take(&mut stops)),
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => break,
            _ => {}
        }
        if bench.stop.reason().is_some() {
            break;
        }
        ptrace::syscall(pid, None)?;
    }
    // Before the first mark come preparations.
    Ok(parts.split_off(parts.len().min(1)))
}

/// The traced process.
pub(super) fn traced(dir: &Path) -> Outcome {
    let file = small(dir, "traced-raw")?;
    let (topic, error) = (bare(&file)?, in_topic(&file));
    let packets = Writer::new(&small(dir, "traced-packet")?).with_standard_headers();
    let watched = Writer::new(&small(dir, WATCHED)?).with_standard_headers();
    let raw = || topic.lock(None).and_then(|mut topic| topic.push(&PAYLOAD)).map(drop).map_err(&error);
    let packet = || Ok(packets.write(PAYLOAD).map(drop)?);
    // Fills the arenas, and does whatever is done only once.
    repeat(PUBLISHES, raw)?;
    repeat(PUBLISHES, packet)?;
    watched.write(PAYLOAD)?;

    if let Err(errno) = ptrace::traceme() {
        writeln!(io::stdout(), "ptrace: {errno}")?;
        return Ok(());
    }
    raise(Signal::SIGSTOP).map_err(End::failed)?;
    mark()?;
    mark()?;
    repeat(PUBLISHES, raw)?;
    mark()?;
    repeat(PUBLISHES, packet)?;
    mark()?;
    repeat(WAKING, || {
        thread::sleep(SLEEPER_PAUSE);
        Ok(())
    })?;
    mark()?;
    repeat(WAKING, || {
        thread::sleep(SLEEPER_PAUSE);
        Ok(watched.write(PAYLOAD).map(drop)?)
    })?;
    mark()
}

fn repeat(times: u32, mut once: impl FnMut() -> Outcome) -> Outcome {
    (0..times).try_for_each(|_| once())
}

fn mark() -> Outcome {
    raise(MARK).map_err(End::failed)
}

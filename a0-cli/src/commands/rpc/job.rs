//! Running a command for each request.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{File, FileOptions, PacketBuf, Protocol};
use clap::Args;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::console::complain;
use crate::end::{End, Outcome};
use crate::follow::going_on;
use crate::stop::Stop;

/// Between two looks whether a command is to be ended.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Between two looks whether the topic is still there: no more often than the server looks itself.
const FILE_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// From SIGTERM to SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// What to run, and how often at once.
#[derive(Debug, Args)]
pub(crate) struct Jobs {
    /// Name of the topic, such as robot/arm
    pub(crate) topic: String,
    /// Largest number of commands that run at the same time
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// The command, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// A request that a command is run for.
pub(crate) trait Call: Send + Sync + 'static {
    fn packet(&self) -> &PacketBuf;

    fn is_cancelled(&self) -> bool;

    /// Reads what the command writes, to its end; gives what is left to be sent then.
    fn relay(&self, output: ChildStdout) -> io::Result<Vec<u8>>;

    /// Sends the rest, when the command has done its work.
    fn done(&self, rest: &[u8]) -> a0_std::Result<()>;

    fn fail(&self, reason: &str) -> a0_std::Result<()>;
}

impl Jobs {
    /// Runs commands for the requests that `serve` sends until it is time to end. Sending one waits until a command can be run:
    /// meanwhile all others are in the topic and take no memory here.
    pub(crate) fn run<C: Call, S>(
        &self,
        protocol: Protocol,
        stop: &Stop,
        serve: impl FnOnce(&File, SyncSender<C>) -> a0_std::Result<S>,
    ) -> Outcome {
        let (send, requests) = mpsc::sync_channel(0);
        let requests = Mutex::new(requests);
        let _hold = stop.hold();
        let mut file = File::open(protocol.path(&self.topic)?, &FileOptions::default())?;
        let server = serve(&file, send)?;
        thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| self.work(stop, &requests));
            }
            while stop.reason().is_none() {
                stop.sleep_until(Instant::now() + FILE_CHECK_INTERVAL);
                if let Some(successor) = successor(&file) {
                    complain(going_on(file.path()));
                    file = successor;
                }
            }
            // The sender is gone with it, so the workers end.
            drop(server);
        });
        Ok(())
    }

    fn work<C: Call>(&self, stop: &Stop, requests: &Mutex<Receiver<C>>) {
        loop {
            let request = requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(request) = request else { return };
            // To the last one: the server does not end while it waits to send one.
            if stop.reason().is_some() || request.is_cancelled() {
                continue;
            }
            let id = *request.packet().id();
            let result = match self.carry_out(stop, &request) {
                Ok(rest) => request.done(&rest),
                Err(End::Failed(reason)) => {
                    complain(format_args!("{id}: {reason}"));
                    request.fail(&reason)
                }
                // Nobody waits.
                Err(_) => Ok(()),
            };
            if let Err(error) = result {
                complain(format_args!("{id}: {error}"));
            }
        }
    }

    /// Runs the command for a request. If that was cancelled, or it is time to end, ends the command.
    fn carry_out<C: Call>(&self, stop: &Stop, request: &C) -> Outcome<Vec<u8>> {
        // There is one: clap sees to it.
        let [program, arguments @ ..] = self.command.as_slice() else { return Err(End::Told) };
        let name = program.to_string_lossy();
        let mut command = Command::new(program);
        command.args(arguments).envs(environment(request.packet())).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Of its own, so that what it starts can be ended with it.
        command.process_group(0);
        let child = stop.spawn(&mut command);
        let mut child = child.map_err(|error| End::failed(format_args!("cannot run {name}: {error}")))?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return Err(End::Told) };
        let group = Pid::from_raw(child.id() as i32);
        let (over, ended) = mpsc::channel::<()>();
        let killed = thread::scope(|scope| {
            // A command need not read what it is given.
            scope.spawn(move || input.write_all(request.packet().payload()));
            let watcher =
                scope.spawn(move || watch(group, &ended, || request.is_cancelled() || stop.reason().is_some()));
            let relayed = request.relay(output);
            let status = child.wait();
            drop(over);
            let killed = watcher.join().unwrap_or(false);
            (!killed).then_some((relayed, status))
        });
        match killed {
            None => Err(End::Told),
            Some((Err(error), _)) => Err(End::failed(format_args!("cannot read what {name} writes: {error}"))),
            Some((Ok(_), Err(error))) => Err(End::failed(format_args!("{name}: {error}"))),
            Some((Ok(_), Ok(status))) if !status.success() => Err(End::failed(format_args!("{name}: {status}"))),
            Some((Ok(rest), Ok(_))) => Ok(rest),
        }
    }
}

/// The file that the server goes on with, once its own was removed and there is another one of that name.
fn successor(file: &File) -> Option<File> {
    if !file.is_removed().unwrap_or(false) {
        return None;
    }
    // Not one that it could not use, and none that it would not make.
    File::open(file.path(), &FileOptions::default().create(false)).ok()
}

/// Ends the commands of a group if it is time to; whether it was.
fn watch(group: Pid, ended: &Receiver<()>, is_time: impl Fn() -> bool) -> bool {
    while ended.recv_timeout(CANCEL_CHECK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        if !is_time() {
            continue;
        }
        // They may have ended by themselves right now.
        let _ = killpg(group, Signal::SIGTERM);
        if ended.recv_timeout(KILL_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            let _ = killpg(group, Signal::SIGKILL);
        }
        return true;
    }
    false
}

/// The id and the user's headers, as environment variables.
fn environment(packet: &PacketBuf) -> impl Iterator<Item = (String, String)> {
    let name = |key: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("A0_HEADER_{}", key.chars().map(plain).collect::<String>())
    };
    let headers = packet.headers().filter(|(key, _)| !key.starts_with("a0_"));
    let headers = headers.map(move |(key, value)| (name(key), value.to_owned()));
    std::iter::once(("A0_ID".to_owned(), packet.id().to_string())).chain(headers)
}

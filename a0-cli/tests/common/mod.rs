//! What the tests share: a topic directory of their own, and the `a0` command in it.
#![allow(
    dead_code,
    unreachable_pub,
    unsafe_code,
    clippy::unwrap_used,
    reason = "for tests, none of which uses all of it"
)]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use a0_testkit::until;
use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

/// A directory for topics, removed at the end.
pub struct Root(pub TempDir);

/// What a command has said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

impl Root {
    pub fn new() -> Root {
        // Commands inherit it if whoever runs the tests ignores that signal, as with `nohup`.
        // SAFETY: no code of ours runs on it.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }.unwrap();
        Root(tempfile::tempdir_in("/dev/shm").unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command with these arguments, split at spaces.
    pub fn command(&self, args: &str) -> Command {
        self.command_with(&args.split_whitespace().collect::<Vec<_>>())
    }

    pub fn command_with(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_a0"));
        command.args(args).env_clear().env("A0_ROOT", self.0.path()).env("RUST_BACKTRACE", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &str) -> Said {
        said(self.command(args).output().unwrap())
    }

    /// Runs it, and expects success without a complaint.
    pub fn ok(&self, args: &str) -> String {
        let said = self.run(args);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "a0 {args}: {said:?}");
        said.out
    }

    /// Runs it, and expects one line of complaint.
    pub fn fails(&self, args: &str) -> String {
        one_complaint(self.run(args))
    }

    /// Publishes lines.
    pub fn publish(&self, args: &str, input: &[u8]) -> Said {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        // It may end without reading everything.
        let _ = child.stdin.take().unwrap().write_all(input);
        said(child.wait_with_output().unwrap())
    }

    /// Starts it, for something to be done meanwhile.
    pub fn start(&self, args: &str) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// Waits until a topic has a file with content.
    pub fn await_topic(&self, topic: &str) {
        until(|| self.run(&format!("stat {topic}")).out.contains("initialized        yes"));
    }
}

pub fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Said { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code() }
}

/// The complaint of a command that failed as it should.
pub fn one_complaint(said: Said) -> String {
    assert_eq!(said.code, Some(1), "{said:?}");
    let complaint = said.err.strip_suffix('\n').unwrap();
    assert!(complaint.starts_with("a0: ") && !complaint.contains('\n'), "{said:?}");
    complaint["a0: ".len()..].to_owned()
}

pub fn send(child: &Child, signal: Signal) {
    send_to(child.id() as i32, signal);
}

pub fn send_to(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Waits until it takes signals itself. One that comes before that kills it.
pub fn await_signals(child: &Child) {
    until(|| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(blocked.trim(), 16).unwrap() & 1 << (Signal::SIGTERM as u32 - 1) != 0
    });
}

/// Waits for a child that must end soon; otherwise kills it, so that the test fails with what it has said.
pub fn finish(child: Child, within: Duration) -> Said {
    let (id, (sender, ended)) = (child.id() as i32, mpsc::channel());
    thread::spawn(move || sender.send(said(child.wait_with_output().unwrap())));
    ended.recv_timeout(within).unwrap_or_else(|_| {
        send_to(id, Signal::SIGKILL);
        // Not for ever: children of its own may have its output open.
        panic!("no end within {within:?}: {:?}", ended.recv_timeout(Duration::from_secs(5)));
    })
}

/// The two ends of a terminal of this size. No child of another test, which would keep it open, inherits them.
pub fn terminal(columns: u16, rows: u16) -> (PtyMaster, File) {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let mut options = File::options();
    options.read(true).write(true).custom_flags(libc::O_NOCTTY);
    let slave = options.open(ptsname_r(&master).unwrap()).unwrap();
    tcsetwinsize(&slave, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    (master, slave)
}

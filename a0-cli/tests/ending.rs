//! Signals and closed pipes.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use a0_testkit::until;
use common::{Root, await_signals, finish, send};
use nix::sys::signal::Signal;

/// Far more than it takes, for machines that are busy with other tests.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn signals_end_a_blocked_echo() {
    let root = Root::new();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        root.ok("pub t hello");
        let mut echo = root.start("echo t --init most-recent");
        let mut line = String::new();
        let mut out = BufReader::new(echo.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        send(&echo, signal);
        let said = finish(echo, SOON);
        assert_eq!((said.code, said.err.as_str()), (Some(code), ""));
    }
}

/// As with `nohup`.
#[test]
fn who_is_to_outlive_the_terminal_does() {
    let root = Root::new();
    let script = format!("trap '' HUP; exec {} echo t --init oldest", env!("CARGO_BIN_EXE_a0"));
    let mut echo = Command::new("sh");
    echo.args(["-c", &script]).env("A0_ROOT", root.0.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut echo = echo.spawn().unwrap();
    root.await_topic("t");
    send(&echo, Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(50));
    root.ok("pub t hello");
    let mut line = String::new();
    BufReader::new(echo.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "[1] hello\n");
    finish(echo, SOON);
}

#[test]
fn signals_end_a_publisher() {
    let root = Root::new();
    for (args, input) in [
        ("pub t x --rate 0.01", Stdio::null()),
        ("pub t x --count 10000000000", Stdio::null()),
        ("pub t", Stdio::piped()),
    ] {
        let mut publisher = root.command(args).stdin(input).spawn().unwrap();
        // Kept open: the end of the input would end it, too.
        let _input = publisher.stdin.take();
        root.await_topic("t");
        std::thread::sleep(Duration::from_millis(50));
        send(&publisher, Signal::SIGTERM);
        let said = finish(publisher, SOON);
        assert_eq!((said.code, said.err.as_str()), (Some(143), ""), "a0 {args}");
        assert!(root.ok("verify t").contains("sound"));
        root.ok("rm t");
    }
}

#[test]
fn a_reader_of_the_output_that_is_full_does_not_hold_it_up() {
    let root = Root::new();
    root.ok("pub t --size 1K --count 10000");
    // Nobody reads what it writes, so it is stuck in a write.
    let echo = root.start("echo t --init oldest --format raw");
    await_signals(&echo);
    std::thread::sleep(Duration::from_millis(300));
    send(&echo, Signal::SIGINT);
    let mut echo = echo;
    let mut code = None;
    until(|| {
        code = echo.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(130));
}

#[test]
fn a_closed_pipe_is_the_end() {
    let root = Root::new();
    root.ok("pub t --size 100 --count 10000");
    let mut echo = root.start("echo t --init oldest");
    drop(echo.stdout.take());
    let said = finish(echo, SOON);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));

    for args in ["ls", "stat t", "verify t", "completions bash", "--help"] {
        let mut command = root.start(args);
        drop(command.stdout.take());
        let said = finish(command, SOON);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "a0 {args}");
    }
}

#[test]
fn a_closed_pipe_is_noticed_without_writing() {
    let root = Root::new();
    root.ok("pub t hello");
    let mut echo = root.start("echo t --init most-recent");
    let mut line = String::new();
    BufReader::new(echo.stdout.take().unwrap()).read_line(&mut line).unwrap();
    // The pipe is closed now, and nothing more is published.
    assert_eq!(line, "[1] hello\n");
    let said = finish(echo, SOON);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn a_full_disk_is_an_error() {
    let root = Root::new();
    root.ok("pub t hello");
    for args in ["ls", "stat t", "verify t", "echo t --init oldest -n 1", "completions zsh"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let said = common::said(root.command(args).stdout(full).output().unwrap());
        let complaint = common::one_complaint(said);
        assert!(complaint.starts_with("cannot write to standard output: "), "{complaint}");
    }
}

#[test]
fn a_truncated_topic_is_an_error() {
    let root = Root::new();
    root.ok("pub t hello");
    let path = root.path("t.pubsub.a0");
    let mut echo = root.start("echo t --init oldest");
    let mut line = String::new();
    BufReader::new(echo.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "[1] hello\n");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let complaint = common::one_complaint(finish(echo, SOON));
    // It may look at the file before it reads, and says it in other words then.
    assert!(complaint.starts_with(&format!("{} was truncated ", path.display())), "{complaint}");
}

/// Sent by somebody, it says nothing of files.
#[test]
fn sigbus_from_elsewhere_kills() {
    let root = Root::new();
    let echo = root.start("echo t --timeout 20");
    root.await_topic("t");
    send(&echo, Signal::SIGBUS);
    let said = echo.wait_with_output().unwrap();
    assert_eq!((said.status.signal(), said.stderr.as_slice()), (Some(Signal::SIGBUS as i32), &b""[..]));
}

#[test]
fn signals_end_the_demo_and_leave_nothing() {
    let root = Root::new();
    let mut demo = root.start("demo");
    let mut out = BufReader::new(demo.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert!(first.contains("has started process"), "{first}");
    // Behind the first measurement, amid the others, which do not always have a topic.
    let mut lines = out.by_ref().lines();
    assert!(lines.any(|line| line.unwrap().contains("raw cache line")));
    let mut open = vec![];
    until(|| {
        open = demo_dirs(demo.id());
        open.len() == 1
    });
    send(&demo, Signal::SIGINT);
    let said = finish(demo, SOON);
    assert_eq!((said.code, said.err.as_str()), (Some(130), ""));
    assert!(!open[0].exists(), "{open:?} was left behind");
}

/// Directories of the topics that a process has mapped.
fn demo_dirs(pid: u32) -> Vec<std::path::PathBuf> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut dirs: Vec<_> = maps
        .lines()
        .filter_map(|line| Some(std::path::Path::new(&line[line.find("/dev/shm/a0-demo-")?..]).parent()?.to_owned()))
        .collect();
    dirs.dedup();
    dirs
}

//! `a0 deadman`, and what the other commands make of a deadman's file.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::common::{Root, await_signals, finish, one_complaint, said, send};
use a0_testkit::until;
use nix::sys::signal::Signal;
use serde_json::Value;

/// Far more than it takes, for machines that are busy with other tests.
const SOON: Duration = Duration::from_secs(10);

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// The first line of what it prints.
fn line(child: &mut Child) -> String {
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    // Open for as long as the test runs: a closed one would end it.
    std::mem::forget(out);
    line
}

fn taken(root: &Root, args: &str) -> Child {
    let mut child = root.start(args);
    let line = line(&mut child);
    assert!(line.contains(": taken, token "), "{line}");
    child
}

fn is_taken(root: &Root, topic: &str) -> bool {
    let said = root.run(&format!("deadman state {topic} --format json"));
    said.code == Some(0) && json(&said.out)["taken"] == true
}

#[test]
fn take_until_a_signal_comes() {
    let root = Root::new();
    for (n, (signal, code)) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)].into_iter().enumerate() {
        let owner = taken(&root, "deadman take robot");
        let facts = json(&root.ok("deadman state robot --format json"));
        assert_eq!((&facts["taken"], &facts["token"]), (&true.into(), &(n + 1).into()), "{facts}");
        assert_eq!((&facts["pid"], &facts["program"]), (&owner.id().into(), &"a0".into()), "{facts}");
        assert_eq!(root.ok("deadman state robot"), format!("robot: taken by process {} (a0)\n", owner.id()));
        assert_eq!(root.run("deadman take robot --timeout 0").code, Some(3));
        assert_eq!(root.run("deadman take robot --timeout 0.05 -- echo no").out, "");
        send(&owner, signal);
        assert_eq!(finish(owner, SOON).code, Some(code));
        assert_eq!(root.ok("deadman state robot"), "robot: free\n", "released, not died");
    }
    let mut owner = root.start("deadman take robot");
    drop(owner.stdout.take());
    assert_eq!(finish(owner, SOON).code, Some(0), "nobody reads what it says");
}

#[test]
fn a_death_is_told() {
    let root = Root::new();
    for layout in ["cpp", "python"] {
        let mut owner = taken(&root, &format!("deadman take {layout} --layout {layout}"));
        let waiter = root.start(&format!("deadman wait {layout} --format json"));
        std::thread::sleep(Duration::from_millis(100));
        owner.kill().unwrap();
        owner.wait().unwrap();
        let facts = json(&finish(waiter, SOON).out);
        assert_eq!((&facts["taken"], &facts["owner_died"]), (&false.into(), &true.into()), "{facts}");
        assert_eq!(root.ok(&format!("deadman state {layout}")), format!("{layout}: free, the last owner died\n"));
        let mut owner = root.start(&format!("deadman take {layout}"));
        assert_eq!(line(&mut owner), format!("{layout}: taken, token 2; the owner before died\n"));
        send(&owner, Signal::SIGTERM);
        finish(owner, SOON);
    }
    assert_eq!(fs::metadata(root.path("cpp.deadman")).unwrap().len(), 32);
    assert_eq!(fs::metadata(root.path("python.deadman")).unwrap().len(), 72);
}

#[test]
fn a_command_has_it_while_it_runs() {
    let root = Root::new();
    let run =
        |script: &str| said(root.command_with(&["deadman", "take", "job", "--", "sh", "-c", script]).output().unwrap());
    let a0 = env!("CARGO_BIN_EXE_a0");
    let inside = run(&format!("{a0} deadman state job; exit 7"));
    assert!(inside.out.starts_with("job: taken by process ") && inside.err.is_empty(), "{inside:?}");
    assert_eq!(inside.code, Some(7));
    assert_eq!(run("exit 0").code, Some(0));
    assert_eq!(run("kill -KILL $$").code, Some(137));
    assert_eq!(root.ok("deadman state job"), "job: free\n");
    let complaint = one_complaint(root.run("deadman take job -- /no/such/program"));
    assert!(complaint.starts_with("cannot run /no/such/program: "), "{complaint}");
}

#[test]
fn signals_are_for_the_command() {
    let root = Root::new();
    let start = |script: &str| {
        let mut child = root.command_with(&["deadman", "take", "job", "--", "sh", "-c", script]).spawn().unwrap();
        assert_eq!(line(&mut child), "ready\n");
        child
    };
    let gate = root.path("gate");
    let slow = start(&format!(
        "trap 'until [ -e {} ]; do sleep 0.05; done; exit 5' TERM; echo ready; while :; do sleep 0.1; done",
        gate.display()
    ));
    send(&slow, Signal::SIGINT);
    send(&slow, Signal::SIGTERM);
    // Longer than commands are left time for to end on a signal.
    std::thread::sleep(Duration::from_millis(2500));
    assert!(is_taken(&root, "job"));
    fs::write(gate, "").unwrap();
    assert_eq!(finish(slow, SOON).code, Some(5));
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let plain = start("echo ready; exec sleep 60");
        send(&plain, signal);
        assert_eq!(finish(plain, SOON).code, Some(code));
    }
    assert_eq!(root.ok("deadman state job"), "job: free\n");
}

#[test]
fn take_waits_for_its_turn() {
    let root = Root::new();
    let owner = taken(&root, "deadman take robot");
    let next = root.start("deadman take robot -- echo mine");
    std::thread::sleep(Duration::from_millis(100));
    send(&owner, Signal::SIGTERM);
    finish(owner, SOON);
    let said = finish(next, SOON);
    assert_eq!((said.out.as_str(), said.code), ("mine\n", Some(0)));
    // Interrupted while it waits.
    let _owner = Killed(taken(&root, "deadman take robot"));
    let next = root.start("deadman take robot -- echo mine");
    await_signals(&next);
    std::thread::sleep(Duration::from_millis(100));
    send(&next, Signal::SIGTERM);
    let said = finish(next, SOON);
    assert_eq!((said.out.as_str(), said.code), ("", Some(143)));
}

/// Ended at the end of the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn wait() {
    let root = Root::new();
    assert!(root.fails("deadman wait robot").contains("does not exist"));
    let waiter = root.start("deadman wait robot --taken --format json");
    until(|| root.path("robot.deadman").exists());
    let owner = taken(&root, "deadman take robot");
    let facts = json(&finish(waiter, SOON).out);
    assert_eq!((&facts["pid"], &facts["topic"]), (&owner.id().into(), &"robot".into()), "{facts}");
    assert_eq!(root.run("deadman wait robot --timeout 0.05").code, Some(3));
    assert_eq!(root.run("deadman wait robot --taken --released").code, Some(2));
    send(&owner, Signal::SIGTERM);
    finish(owner, SOON);
    assert_eq!(root.ok("deadman wait robot --released"), "robot: free\n");
    assert_eq!(root.run("deadman wait robot --taken --timeout 0.05").code, Some(3));

    let waiter = root.start("deadman wait robot --taken");
    await_signals(&waiter);
    std::thread::sleep(Duration::from_millis(100));
    send(&waiter, Signal::SIGINT);
    let said = finish(waiter, SOON);
    assert_eq!((said.code, said.err.as_str()), (Some(130), ""));
}

#[test]
fn removed_meanwhile() {
    let root = Root::new();
    let waiter = root.start("deadman wait robot --taken");
    until(|| root.path("robot.deadman").exists());
    root.ok("rm robot.deadman");
    let owner = taken(&root, "deadman take robot");
    assert!(finish(waiter, SOON).out.contains("taken by process"));
    fs::remove_file(root.path("robot.deadman")).unwrap();
    // It is taken in a new file, unless somebody else is faster.
    until(|| root.run("deadman state robot").out.contains(&format!("taken by process {}", owner.id())));
    send(&owner, Signal::SIGSTOP);
    fs::remove_file(root.path("robot.deadman")).unwrap();
    let other = taken(&root, "deadman take robot");
    send(&owner, Signal::SIGCONT);
    assert!(one_complaint(finish(owner, SOON)).contains("was removed, and somebody else has taken the new one"));
    send(&other, Signal::SIGTERM);
    finish(other, SOON);
}

#[test]
fn other_commands() {
    let root = Root::new();
    let owner = taken(&root, "deadman take robot");
    let list = root.ok("ls");
    assert!(list.contains("deadman") && list.contains("taken by process"), "{list}");
    let facts = json(&root.ok("stat robot.deadman --format json"));
    assert_eq!((&facts["taken"], &facts["pid"]), (&true.into(), &owner.id().into()), "{facts}");
    assert!(root.ok("stat robot.deadman").contains("taken              yes\n"));
    assert!(root.ok("verify robot.deadman").contains("sound; a deadman, taken by process"));
    assert!(root.fails("clear robot.deadman").ends_with("is a deadman, which has no messages"));
    assert!(root.fails("rm robot.deadman").contains("end that one first"));
    send(&owner, Signal::SIGTERM);
    finish(owner, SOON);
    root.ok("rm robot.deadman");
    assert!(root.fails("deadman state robot").contains("does not exist"));

    // An owner that does not exist, larger than any thread id of Linux.
    let mut bytes = [0; 32];
    bytes[16..20].copy_from_slice(&0x3FFF_FFF0_u32.to_le_bytes());
    fs::write(root.path("old.deadman"), bytes).unwrap();
    let verified = root.run("verify old.deadman");
    assert_eq!(verified.code, Some(1));
    assert!(verified.out.contains("which does not exist"), "{verified:?}");
    assert!(root.ok("deadman wait old").contains("the last owner died"));
    fs::write(root.path("odd.deadman"), [0; 40]).unwrap();
    assert!(root.fails("deadman take odd").contains("40 bytes"));
    // Its size alone makes nothing a deadman that is to be removed.
    fs::write(root.path("notes.txt"), [b'x'; 32]).unwrap();
    assert!(root.fails(&format!("rm {}", root.path("notes.txt").display())).contains("is no topic"));
    fs::write(root.path("cut.pubsub.a0"), *b"ALEPHZERO\x00\x03\x00\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").unwrap();
    assert!(root.fails("stat cut").contains("too small for a topic"));
    let mut quiet = root.command("ls").stdout(Stdio::null()).spawn().unwrap();
    assert!(quiet.wait().unwrap().success());
}

/// As in another container: thread ids mean something else there.
#[test]
fn the_deadman_of_another_pid_namespace_can_be_watched() {
    let root = Root::new();
    let owner = taken(&root, "deadman take robot");
    let there = ["--mount", "--pid", "--fork", "--mount-proc"];
    let said = root.unshared(
        &there,
        "\"$a0\" deadman state robot && \"$a0\" deadman wait robot --taken && \"$a0\" verify \"$A0_ROOT/robot.deadman\" && \
         \"$a0\" deadman wait robot --timeout 0.2",
    );
    assert_eq!(said.code, Some(3), "it was taken for dead: {said:?}");
    assert_eq!(said.out.matches("of PID namespace").count(), 3, "{said:?}");
    let said = root.unshared(&there, "\"$a0\" deadman take robot --timeout 0");
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("PID namespace"), "{said:?}");
    send(&owner, Signal::SIGTERM);
    finish(owner, SOON);
}

//! `a0 rpc` and `a0 prpc`.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use crate::common::{Root, finish, said, send};
use a0_std::{File, FileOptions, Packet, Writer, keys};
use a0_testkit::until;
use nix::sys::signal::Signal;
use serde_json::Value;

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// A server that is killed at the end of a test.
struct Server(Option<Child>);

impl Server {
    /// Starts it; it serves once it has its deadman.
    fn start(root: &Root, protocol: &str, topic: &str, command: &[&str]) -> Server {
        let args = [&[protocol, "serve", topic], command].concat();
        let child = root.command_with(&args).env("PATH", "/usr/bin:/bin").spawn().unwrap();
        // The file may be there already, from a server before it.
        until(|| root.run(&format!("deadman state {topic}.{protocol}")).out.contains(": taken by "));
        until(|| root.run(&format!("{protocol} call {topic} --timeout 10")).code != Some(3));
        Server(Some(child))
    }

    fn child(&self) -> &Child {
        self.0.as_ref().unwrap()
    }

    fn end(mut self, signal: Signal) -> crate::common::Said {
        send(self.child(), signal);
        finish(self.0.take().unwrap(), SOON)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn sh(script: &str) -> [&str; 4] {
    ["--", "sh", "-c", script]
}

#[test]
fn a_command_answers() {
    let root = Root::new();
    let server =
        Server::start(&root, "rpc", "greet", &sh("echo -n \"hello $(cat), $A0_HEADER_MY_KEY$A0_HEADER_NONE\""));
    let out = root.command_with(&["rpc", "call", "greet", "you there", "-H", "my-key=K"]).output().unwrap();
    assert_eq!((said(out).out.as_str()), "hello you there, K\n");
    let out = root.ok("rpc call greet you -H my-key=K --format json");
    let reply: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(reply["payload"], "hello you, K");
    assert_eq!(reply["headers"][5][0], "a0_rpc_type");
    let said = server.end(Signal::SIGTERM);
    assert_eq!((said.code, said.err.as_str()), (Some(143), ""));
}

#[test]
fn a_command_that_fails_fails_the_call() {
    let root = Root::new();
    let server = Server::start(&root, "rpc", "fail", &sh("read word; test \"$word\" != bad"));
    let complaint = root.fails("rpc call fail bad");
    assert!(complaint.contains("the server failed") && complaint.contains("exit status: 1"), "{complaint}");
    let said = server.end(Signal::SIGINT);
    assert_eq!(said.code, Some(130));
    assert!(said.err.lines().all(|line| line.starts_with("a0: ") && line.contains("exit status: 1")), "{said:?}");
    let server = Server::start(&root, "rpc", "nothing", &["--", "/no/such/command"]);
    assert!(root.fails("rpc call nothing").contains("cannot run"));
    drop(server);
}

#[test]
fn calls_end_in_time() {
    let root = Root::new();
    for protocol in ["rpc", "prpc"] {
        let said = root.run(&format!("{protocol} call nobody --timeout 0.1"));
        assert_eq!((said.code, said.out.as_str()), (Some(3), ""));
        assert_eq!(said.err, "a0: nobody: no reply within 100ms; is its server running?\n");
    }
    // Both were cancelled.
    for (protocol, kinds) in [("rpc", ["request", "cancel"]), ("prpc", ["connect", "cancel"])] {
        let out = root.ok(&format!("{protocol} echo nobody --init oldest --count 2"));
        let lines: Vec<_> = out.lines().map(|line| line.split(' ').collect::<Vec<_>>()).collect();
        assert_eq!([lines[0][1], lines[1][1]], kinds, "{out}");
        assert_eq!(lines[0][2], lines[1][2]);
    }
}

#[test]
fn a_server_that_dies_ends_its_calls() {
    let root = Root::new();
    let mut server = Server::start(&root, "rpc", "slow", &sh("read word; test -z \"$word\" || exec sleep 60"));
    let call = root.start("rpc call slow now --timeout 60");
    until(|| root.run("rpc echo slow --init oldest --timeout 0").out.contains(" now\n"));
    let child = server.0.as_mut().unwrap();
    child.kill().unwrap();
    let said = finish(call, SOON);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("the server is gone"), "{said:?}");
}

#[test]
fn commands_run_at_once() {
    let root = Root::new();
    let gate = root.path("gate");
    // Each waits for the other one.
    let script = format!(
        "read word; test -z \"$word\" && exit; echo x >> {0}; until [ $(wc -l < {0}) = 2 ]; do sleep 0.01; done",
        gate.display()
    );
    let _server = Server::start(&root, "rpc", "two", &[&["--jobs", "2"][..], &sh(&script)].concat());
    let calls = ["a", "b"].map(|word| root.start(&format!("rpc call two {word} --timeout 60")));
    for call in calls {
        assert_eq!(finish(call, SOON).code, Some(0));
    }
}

/// Nobody makes a server ask for memory by sending more than it has time for; and who is overwritten meanwhile is told.
#[test]
fn requests_that_wait_take_no_memory_of_the_server() {
    let root = Root::new();
    let gate = root.path("gate");
    let script = format!("read word; test \"$word\" != wait || until test -e {}; do sleep 0.01; done", gate.display());
    for (protocol, key, kind) in [("rpc", keys::RPC_TYPE, "request"), ("prpc", keys::PRPC_TYPE, "connect")] {
        let server = Server::start(&root, protocol, "busy", &sh(&script));
        let call = |what: &str| root.start(&format!("{protocol} call busy {what} --timeout 60"));
        let seen = || root.run(&format!("stat busy.{protocol}.a0 --format json")).out;
        let calls = ["wait", "next", "overwritten"].map(|what| {
            let before = seen();
            let call = call(what);
            until(|| seen() != before);
            call
        });
        let writer =
            Writer::new(&File::open(root.path(&format!("busy.{protocol}.a0")), &FileOptions::default()).unwrap());
        for _ in 0..300 {
            writer.write_packet(&Packet::new(vec![b' '; 300_000]).with_header(key, kind)).unwrap();
            // So that a server that takes all of them comes along.
            std::thread::sleep(Duration::from_millis(1));
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.child().id())).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.strip_suffix(" kB")).unwrap();
        assert!(memory.trim().parse::<u64>().unwrap() < 32 << 10, "{memory} KiB for 300 requests of 300 kB");
        std::fs::write(&gate, "").unwrap();
        // On a busy machine the client may be overtaken, too.
        let [.., third] = calls.map(|call| finish(call, SOON));
        assert!(third.code == Some(1) && third.err.contains(" overwritten"), "{third:?}");
        std::fs::remove_file(&gate).unwrap();
    }
}

#[test]
fn each_line_is_a_reply() {
    let root = Root::new();
    let _server = Server::start(&root, "prpc", "count", &sh("seq 3"));
    assert_eq!(root.ok("prpc call count"), "1\n2\n3\n");
    let out = root.ok("prpc call count --format json");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = lines.iter().map(|line| (line["payload"].as_str().unwrap(), line["done"] == true)).collect();
    assert_eq!(seen, [("1", false), ("2", false), ("3", false), ("", true)]);
}

#[test]
fn a_call_that_is_ended_ends_its_command() {
    let root = Root::new();
    let note = root.path("note");
    let script = format!(
        "read word; test -z \"$word\" && exit; trap 'echo ended > {0}; exit' TERM; echo begun; while :; do sleep 0.01; done",
        note.display()
    );
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let server = Server::start(&root, "prpc", "endless", &sh(&script));
        let mut call = root.start("prpc call endless go");
        let mut line = String::new();
        BufReader::new(call.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");
        send(&call, signal);
        assert_eq!(finish(call, SOON).code, Some(128 + signal as i32));
        until(|| note.exists());
        std::fs::remove_file(&note).unwrap();
        // And so does the end of the server.
        let mut call = root.start("prpc call endless go");
        BufReader::new(call.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        server.end(signal);
        until(|| note.exists());
        std::fs::remove_file(&note).unwrap();
        let said = finish(call, SOON);
        assert!(said.code == Some(1) && said.err.contains("the server is gone"), "{said:?}");
    }
}

/// Otherwise what they leave behind cannot be ended, and their traps never run.
#[test]
fn commands_find_their_signals_as_the_server_has_found_them() {
    let root = Root::new();
    // Of the signals that programs use: glibc has some of its own.
    let masks = |status: &str| {
        ["SigBlk:", "SigIgn:"].map(|key| {
            let mask = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            u64::from_str_radix(mask.trim(), 16).unwrap() as u32 & 0x7FFF_FFFF
        })
    };
    // What a program gets that is started like the server.
    let mut cat = std::process::Command::new("cat");
    let expected = masks(&said(cat.arg("/proc/self/status").output().unwrap()).out);
    let command = ["--", "cat", "/proc/self/status"];
    for protocol in ["rpc", "prpc"] {
        let _server = Server::start(&root, protocol, "status", &command);
        assert_eq!(masks(&root.ok(&format!("{protocol} call status"))), expected, "{protocol}");
    }
    let taken = root.command_with(&[&["deadman", "take", "status"], &command[..]].concat()).output().unwrap();
    assert_eq!(masks(&said(taken).out), expected);
}

#[test]
fn servers_say_that_they_move_on() {
    let root = Root::new();
    for protocol in ["rpc", "prpc"] {
        let mut server = Server::start(&root, protocol, "moving", &sh("cat"));
        let mut complaints = BufReader::new(server.0.as_mut().unwrap().stderr.take().unwrap());
        root.ok(&format!("rm moving.{protocol}.a0"));
        // Whose request makes the new file.
        assert_eq!(root.ok(&format!("{protocol} call moving again")), "again\n");
        let mut line = String::new();
        complaints.read_line(&mut line).unwrap();
        let path = root.path(&format!("moving.{protocol}.a0"));
        assert_eq!(line, format!("a0: {} was removed; going on with a new topic\n", path.display()));
        assert_eq!(server.end(Signal::SIGTERM).code, Some(143));
    }
}

#[test]
fn traffic_is_printed() {
    let root = Root::new();
    let _server = Server::start(&root, "rpc", "seen", &sh("read word; echo -n \"$word\"; test \"$word\" != bad"));
    root.ok("rpc call seen good -H k=v");
    root.fails("rpc call seen bad");
    // The calls that waited for the server come first.
    let all = root.run("rpc echo seen --init oldest --timeout 0").out;
    let skipped = all.lines().count() - 4;
    let lines: Vec<_> = all.lines().skip(skipped).map(|line| line.splitn(4, ' ').collect::<Vec<_>>()).collect();
    let shown: Vec<_> = lines.iter().map(|line| (line[1], line[3])).collect();
    assert_eq!(shown[..3], [("request", "{k=v} good"), ("response", "good"), ("request", "bad")]);
    assert!(shown[3].1.starts_with("failed: sh: exit status: 1"), "{all}");
    assert_eq!(lines[0][2], lines[1][2]);
    let out = root.run("rpc echo seen --init oldest --timeout 0 --format json").out;
    let [first, second] = [0, 1].map(|n| serde_json::from_str::<Value>(out.lines().nth(skipped + n).unwrap()).unwrap());
    assert_eq!((&first["type"], &second["type"]), (&"request".into(), &"response".into()));
    assert_eq!((&first["call"], &second["call"]), (&first["id"], &first["id"]));
}

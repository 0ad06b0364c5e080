//! `a0 cfg` and `a0 log`.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

use std::io::{BufRead, BufReader};
use std::sync::mpsc;
use std::time::Duration;

use crate::common::{Root, Said, finish, one_complaint, said, send, terminal};
use a0_std::{File, FileOptions, Writer};
use a0_testkit::{bare, until};
use nix::sys::signal::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

fn run(root: &Root, args: &[&str]) -> Said {
    said(root.command_with(args).output().unwrap())
}

fn ok(root: &Root, args: &[&str]) -> String {
    let said = run(root, args);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{args:?}: {said:?}");
    said.out
}

fn fails(root: &Root, args: &[&str]) -> String {
    one_complaint(run(root, args))
}

#[test]
fn write_patch_and_read() {
    let root = Root::new();
    assert_eq!(ok(&root, &["cfg", "write", "robot", r#" {"motor": {"speed": 1.5, "on": true}}"#]), "");
    assert_eq!(root.ok("cfg read robot"), " {\"motor\": {\"speed\": 1.5, \"on\": true}}\n");
    assert_eq!(ok(&root, &["cfg", "patch", "robot", r#"{"motor": {"speed": 2, "on": null}, "name": "é"}"#]), "");
    assert_eq!(root.ok("cfg read robot"), "{\"motor\":{\"speed\":2},\"name\":\"é\"}\n");
    assert_eq!(root.ok("cfg read robot --pointer /motor/speed"), "2\n");
    assert_eq!(root.ok("cfg read robot -p /name"), "\"é\"\n");
    assert!(root.path("robot.cfg.a0").exists());
    assert_eq!(root.ok("cfg write robot -1.5"), "");
    assert_eq!(root.ok("cfg read robot"), "-1.5\n");
}

#[test]
fn standard_input() {
    let root = Root::new();
    assert_eq!(root.publish("cfg write robot -", b"{\"a\": 1,\n \"b\": 2}\n").code, Some(0));
    assert_eq!(root.ok("cfg read robot"), "{\"a\": 1,\n \"b\": 2}\n");
    assert_eq!(root.publish("cfg patch robot -", b"{\"a\":null}").code, Some(0));
    assert_eq!(root.ok("cfg read robot"), "{\"b\":2}\n");
    // Endless input.
    let mut command = root.command("cfg write robot -");
    command.stdin(std::fs::File::open("/dev/zero").unwrap());
    let complaint = one_complaint(said(command.output().unwrap()));
    assert!(complaint.contains("JSON"), "{complaint}");
    let mut command = root.command("cfg write robot - --raw");
    command.stdin(std::fs::File::open("/dev/zero").unwrap());
    let complaint = one_complaint(said(command.output().unwrap()));
    assert!(complaint.contains("robot.cfg.a0"), "{complaint}");
    assert_eq!(root.ok("cfg read robot"), "{\"b\":2}\n");
}

#[test]
fn only_if_empty() {
    let root = Root::new();
    root.ok("cfg write robot 1 --if-empty");
    root.ok("cfg write robot 2 --if-empty");
    assert_eq!(root.ok("cfg read robot"), "1\n");
}

#[test]
fn what_is_no_json_is_refused() {
    let root = Root::new();
    for command in ["write", "patch"] {
        let complaint = fails(&root, &["cfg", command, "robot", "{a: 1}"]);
        assert!(complaint.contains("not valid JSON"), "{complaint}");
    }
    assert!(root.fails("cfg read robot").contains("nobody has written it"));
    root.ok("cfg write robot anything --raw");
    assert_eq!(root.ok("cfg read robot"), "anything\n");
    let complaint = root.fails("cfg patch robot {}");
    assert!(complaint.contains("robot.cfg.a0") && complaint.contains("config is not valid JSON"), "{complaint}");
    let complaint = root.fails("cfg read robot --pointer /a");
    assert!(complaint.contains("config is not valid JSON"), "{complaint}");
    root.ok("cfg write robot {}");
    let complaint = root.fails("cfg read robot --pointer /a");
    assert!(complaint.contains("nothing at /a"), "{complaint}");
    assert!(root.fails("cfg read robot --pointer a").contains("JSON pointer"));
}

#[test]
fn reading_waits_if_asked_to() {
    let root = Root::new();
    let complaint = root.fails("cfg read robot");
    assert!(complaint.contains("robot.cfg.a0"), "{complaint}");
    assert!(!root.path("robot.cfg.a0").exists(), "reading has created it");
    let late = root.run("cfg read robot --timeout 0.05");
    assert_eq!((late.code, late.out.as_str(), late.err.as_str()), (Some(3), "", ""));
    let reader = root.start("cfg read robot --timeout 20 --pointer /a");
    std::thread::sleep(Duration::from_millis(50));
    ok(&root, &["cfg", "write", "robot", r#"{"a":[1]}"#]);
    assert_eq!(finish(reader, SOON).out, "[1]\n");
    let reader = root.start("cfg read other --timeout 20");
    until(|| root.path("other.cfg.a0").exists());
    std::thread::sleep(Duration::from_millis(50));
    send(&reader, Signal::SIGINT);
    assert_eq!(finish(reader, SOON).code, Some(130));
}

/// The removal is found out right behind a message of somebody who has not noticed.
#[test]
fn watching_goes_on_behind_the_last_message_of_a_removed_topic() {
    let root = Root::new();
    let path = root.path("robot.cfg.a0");
    let writer = Writer::new(&File::open(&path, &FileOptions::default()).unwrap());
    writer.write("1").unwrap();
    let mut watch = root.start("cfg watch robot");
    let (tell, told) = mpsc::channel();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    std::thread::spawn(move || lines.for_each(|line| drop(tell.send(line.unwrap()))));
    assert_eq!(told.recv_timeout(SOON).unwrap(), "[1] 1");
    std::thread::sleep(Duration::from_millis(300));
    std::fs::remove_file(&path).unwrap();
    writer.write("2").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    root.ok("cfg write robot 3");
    while told.recv_timeout(SOON).unwrap() != "[1] 3" {}
    send(&watch, Signal::SIGTERM);
    assert_eq!(finish(watch, SOON).code, Some(143));
}

#[test]
fn watching() {
    let root = Root::new();
    root.ok("cfg write robot 1");
    let mut watch = root.start("cfg watch robot");
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "[1] 1");
    ok(&root, &["cfg", "write", "robot", "{\n}"]);
    assert_eq!(lines.next().unwrap(), "[2] {\\n}");
    // Removed and made again.
    root.ok("rm robot.cfg.a0");
    root.ok("cfg write robot 3");
    assert_eq!(lines.next().unwrap(), "[1] 3");
    send(&watch, Signal::SIGTERM);
    let said = finish(watch, SOON);
    assert_eq!(said.code, Some(143));
    assert!(said.err.contains("was removed"), "{said:?}");

    let out = root.ok("cfg watch robot -n 1 --format json");
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&object["topic"], &object["payload"]), (&"robot".into(), &"3".into()));
    let said = root.run("cfg watch robot --timeout 0");
    assert_eq!((said.code, said.out.as_str()), (Some(3), "[1] 3\n"));
}

#[test]
fn logging() {
    let root = Root::new();
    let tail = root.start("log tail robot --init oldest --count 3");
    ok(&root, &["log", "write", "robot", "info", "two words", "-H", "k=v"]);
    root.ok("log write robot dbg no");
    ok(&root, &["log", "write", "robot", "CRIT", "several\nlines\x1b[2J\n"]);
    root.ok("log write robot err -x");
    let said = finish(tail, SOON);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let lines: Vec<_> = said.out.lines().collect();
    // The time, to the millisecond.
    let text = |line: &str| {
        let shape: String = line[..24].chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z");
        line[24..].to_owned()
    };
    assert_eq!(text(lines[0]), " INFO    two words {k=v}");
    assert_eq!((text(lines[1]).as_str(), lines[2]), (" CRIT    several", "    lines\\u{1b}[2J"));
    assert_eq!(text(lines[3]), " ERR     -x");
    assert_eq!(lines.len(), 4);
}

#[test]
fn levels_and_starting_points() {
    let root = Root::new();
    for level in ["crit", "err", "warn", "info", "dbg", "unknown"] {
        root.ok(&format!("log write robot {level} {level}"));
    }
    root.ok("pub robot nothing");
    let texts = |args: &str| {
        let said = root.run(&format!("log tail robot --timeout 0 {args}"));
        assert_eq!(said.code, Some(3), "{said:?}");
        said.out.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts(""), "");
    assert_eq!(texts("--init oldest"), "crit err warn info");
    assert_eq!(texts("--init oldest --level err"), "crit err");
    assert_eq!(texts("--init oldest --level unknown"), "crit err warn info dbg unknown");
    assert_eq!(texts("--init most-recent --level unknown"), "unknown");
    assert_eq!(root.run("log tail robot --level loud").code, Some(2));
    assert_eq!(root.run("log write robot loud x").code, Some(2));
}

#[test]
fn log_lines_for_programs() {
    let root = Root::new();
    root.ok("log write robot warn text -H k=v");
    let out = root.ok("log tail robot --init oldest -n1 --format json");
    let object: Value = serde_json::from_str(&out).unwrap();
    let keys: Vec<_> = object.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["topic", "seq", "id", "headers", "payload", "missed", "level", "time"]);
    assert_eq!((&object["level"], &object["payload"]), (&"WARN".into(), &"text".into()));
    assert_eq!(object["time"].as_str().unwrap().len(), 35);
    assert_eq!(object["headers"][5][0], "a0_log_level");
    assert_eq!(object["headers"][6], serde_json::json!(["k", "v"]));
    // No colours in a pipe.
    assert!(!root.ok("log tail robot --init oldest -n1").contains('\x1b'));
}

#[test]
fn colours_on_a_terminal_only() {
    let root = Root::new();
    root.ok("log write robot warn careful");
    for (no_color, expected) in [("", "\x1b[33mWARN   \x1b[m careful"), ("1", "Z WARN    careful")] {
        let (master, slave) = terminal(0, 0);
        let mut command = root.command("log tail robot --init oldest -n1");
        let status = command.stdout(slave).env("NO_COLOR", no_color).status().unwrap();
        assert!(status.success());
        let mut line = String::new();
        BufReader::new(master).read_line(&mut line).unwrap();
        assert!(line.trim_end().ends_with(expected), "{line:?}");
        assert_eq!(line.contains('\x1b'), no_color.is_empty(), "{line:?}");
    }
}

#[test]
fn damaged_messages_are_reported_and_passed_over() {
    let root = Root::new();
    root.ok("log write robot info first");
    let file = a0_std::File::open(root.path("robot.log.a0"), &Default::default()).unwrap();
    bare(&file).lock(None).unwrap().push(b"garbage").unwrap();
    root.ok("log write robot info last");
    let said = root.run("log tail robot --init oldest -n2");
    assert_eq!(said.code, Some(0));
    assert!(said.err.contains("message 2") && said.out.lines().count() == 2, "{said:?}");
}

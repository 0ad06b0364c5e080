//! `a0 hz`, `a0 bw` and `a0 delay`.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

use crate::common::{Root, finish, send, terminal};
use crate::sandbox::without_privileges;
use a0_std::{Clock, File, FileOptions, Packet, SystemClock, TimeMono, Writer, keys};
use a0_testkit::{bare, until};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

/// Far more than it takes, for machines that are busy with other tests.
const SOON: Duration = Duration::from_secs(10);

/// A gauge whose lines are read as they come.
struct Gauge {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Gauge {
    /// Starts it; the topic's state is known to it once the first line is there.
    fn start(root: &Root, args: &str) -> (Gauge, Value) {
        let mut child = root.start(&format!("{args} --format json --window 0.05"));
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut gauge = Gauge { child, lines };
        let first = gauge.next();
        (gauge, first)
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// The lines from here to where so many messages were counted in all, whether they could be read or not.
    fn until_counted(&mut self, expected: u64) -> Vec<Value> {
        let (mut lines, mut counted) = (vec![], 0);
        let started = Instant::now();
        while counted < expected {
            assert!(started.elapsed() < SOON, "{counted} of {expected}: {lines:?}");
            let line = self.next();
            counted += ["messages", "missed", "damaged"].map(|key| line[key].as_u64().unwrap()).iter().sum::<u64>();
            lines.push(line);
        }
        assert_eq!(counted, expected);
        lines
    }

    fn end(self) -> String {
        send(&self.child, Signal::SIGINT);
        let said = finish(self.child, SOON);
        assert_eq!(said.code, Some(130), "{said:?}");
        said.err
    }
}

fn writer(root: &Root, name: &str) -> Writer {
    Writer::new(&File::open(root.path(name), &FileOptions::default().size(1 << 16)).unwrap())
}

fn sent_at(time: TimeMono) -> Packet {
    Packet::new("x").with_header(keys::TIME_MONO, time.to_text().to_string())
}

fn total(lines: &[Value], key: &str) -> u64 {
    lines.iter().map(|line| line[key].as_u64().unwrap()).sum()
}

#[test]
fn rates_and_intervals() {
    let root = Root::new();
    let (mut hz, first) = Gauge::start(&root, "hz t");
    assert_eq!((&first["topic"], &first["there"], &first["rate"]), (&"t".into(), &false.into(), &0.0.into()));
    assert!(!root.path("t.pubsub.a0").exists());
    let topic = writer(&root, "t.pubsub.a0");
    for millis in [0, 10, 20, 30] {
        topic.write_packet(&sent_at(TimeMono::from_nanos(1_000_000 * millis))).unwrap();
    }
    topic.write_packet(&Packet::new("without a time")).unwrap();
    topic.write_packet(&Packet::new("nor this").with_header(keys::TIME_MONO, "soon")).unwrap();
    bare(topic.file()).lock(None).unwrap().push(b"no packet").unwrap();
    let lines = hz.until_counted(7);
    assert_eq!([total(&lines, "messages"), total(&lines, "damaged"), total(&lines, "without_time")], [6, 1, 2]);
    for line in &lines {
        let all = line["messages"].as_f64().unwrap() + line["damaged"].as_f64().unwrap();
        assert!((line["rate"].as_f64().unwrap() * line["seconds"].as_f64().unwrap() - all).abs() < 1e-6, "{line}");
        // Read in one turn or in several, each follows 10 ms after the one before.
        for point in ["min", "mean", "p50", "p99", "max"] {
            assert!(line["interval_ms"].is_null() || line["interval_ms"][point] == 10.0, "{line}");
        }
    }
    assert!(lines.iter().any(|line| line["there"] == true && !line["interval_ms"].is_null()));
    // Another topic of that name.
    root.ok("rm t");
    let topic = writer(&root, "t.pubsub.a0");
    topic.write_packet(&sent_at(TimeMono::from_nanos(0))).unwrap();
    hz.until_counted(1);
    let path = root.path("t.pubsub.a0");
    assert_eq!(hz.end(), format!("a0: {} was removed; going on with a new topic\n", path.display()));
}

#[test]
fn losses_are_counted() {
    let root = Root::new();
    let topic = writer(&root, "t.pubsub.a0");
    let (mut hz, _) = Gauge::start(&root, "hz t");
    topic.write_packet(&sent_at(TimeMono::from_nanos(0))).unwrap();
    hz.until_counted(1);
    send(&hz.child, Signal::SIGSTOP);
    waitpid(Pid::from_raw(hz.child.id() as i32), Some(WaitPidFlag::WUNTRACED)).unwrap();
    for number in 1..=2000 {
        topic.write_packet(&sent_at(TimeMono::from_nanos(number * 1_000_000))).unwrap();
    }
    let there = topic.file().state().unwrap().frame_count();
    send(&hz.child, Signal::SIGCONT);
    let lines = hz.until_counted(2000);
    assert_eq!((total(&lines, "messages"), total(&lines, "missed")), (there, 2000 - there));
    assert!(there < 1000);
    let interval = lines.iter().find(|line| !line["interval_ms"].is_null()).unwrap();
    // Not the one over the gap.
    assert_eq!(interval["interval_ms"]["max"], 1.0);
    assert_eq!(hz.end(), "");
}

#[test]
fn sizes_and_bandwidth() {
    let root = Root::new();
    let topic = writer(&root, "t.rpc.a0");
    let (mut bw, first) = Gauge::start(&root, "bw t --protocol rpc");
    assert_eq!((&first["there"], &first["bytes"], &first["size"]), (&true.into(), &0.into(), &Value::Null));
    for payload in ["", "1234567890"] {
        topic.write_packet(&Packet::new(payload)).unwrap();
    }
    let lines = bw.until_counted(2);
    assert_eq!(total(&lines, "bytes"), 10);
    for line in lines.iter().filter(|line| line["messages"] == 2) {
        let size = &line["size"];
        assert_eq!([&size["min"], &size["mean"], &size["max"]], [&0.0, &5.0, &10.0]);
        assert!((line["bytes_per_second"].as_f64().unwrap() * line["seconds"].as_f64().unwrap() - 10.0).abs() < 1e-6);
    }
    bw.end();
}

#[test]
fn delays() {
    let root = Root::new();
    let topic = writer(&root, "t.pubsub.a0");
    let (mut delay, _) = Gauge::start(&root, "delay t");
    let now = SystemClock.mono();
    let long = Duration::from_secs(7);
    topic.write_packet(&sent_at(TimeMono::from_nanos(now.as_nanos().saturating_sub(long.as_nanos() as u64)))).unwrap();
    topic.write_packet(&sent_at(now.checked_add(Duration::from_secs(3600)).unwrap())).unwrap();
    topic.write_packet(&Packet::new("without a time")).unwrap();
    let lines = delay.until_counted(3);
    assert_eq!((total(&lines, "ahead"), total(&lines, "without_time")), (1, 1));
    let measured: Vec<_> = lines.iter().filter(|line| !line["delay_ms"].is_null()).collect();
    assert_eq!(measured.len(), 1);
    let shown = measured[0]["delay_ms"]["min"].as_f64().unwrap();
    let limit = (SystemClock.mono().as_nanos() - now.as_nanos()) as f64 / 1e6 + 7000.0;
    assert!((7000.0..=limit).contains(&shown) || now.as_nanos() < long.as_nanos() as u64, "{shown} of {limit}");
    assert!(measured[0]["looked_every_ms"].as_f64().unwrap() > 0.0);
    delay.end();
}

#[test]
fn watching_leaves_no_trace() {
    let root = Root::new();
    root.ok("pub t hello --arena 65536");
    let path = root.path("t.pubsub.a0");
    std::fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let before = std::fs::read(&path).unwrap();
    for (args, shown) in [
        ("hz t --duration 0.05", "t  0.00 Hz; 0 messages\n"),
        ("bw t --duration 0.05", "t  0 B/s; 0 messages\n"),
        ("delay t --window 0.05 -n 1", "t  0 messages; nothing to measure\n"),
    ] {
        let said = without_privileges(&root.command(args), root.0.path());
        assert_eq!((said.code, said.err.as_str(), said.out.as_str()), (Some(0), "", shown), "{args}");
    }
    assert!(std::fs::read(&path).unwrap() == before);
    assert_eq!(std::fs::read_dir(root.0.path()).unwrap().count(), 1);
}

/// Not cut off by a terminal of 80 columns.
#[test]
fn what_was_counted_comes_first() {
    let root = Root::new();
    let mut publisher = root.start("pub t hello --rate 200");
    root.await_topic("t");
    for (command, then) in [
        ("hz", " messages; interval ms: min "),
        ("bw", " messages; size: min 5 B"),
        ("delay", " messages; delay ms: min "),
    ] {
        let mut line = String::new();
        until(|| {
            line = root.ok(&format!("{command} t --window 0.5 -n 1"));
            line.contains(then)
        });
        assert!(line.find(then).is_some_and(|at| at < 40), "{line}");
    }
    publisher.kill().unwrap();
    publisher.wait().unwrap();
}

#[test]
fn lines_are_renewed_on_a_terminal_that_can() {
    let root = Root::new();
    root.ok("pub t hello");
    for (term, columns, live) in [("xterm", 12, true), ("dumb", 12, false), ("xterm", 0, false)] {
        let (mut master, slave) = terminal(columns, 5);
        let mut command = root.command("hz t none --window 0.02 -n 2");
        let mut child = command.stdout(slave).env("TERM", term).spawn().unwrap();
        drop(command);
        let mut shown = Vec::new();
        // An error once nobody has the other end any more.
        let _ = master.read_to_end(&mut shown);
        assert!(child.wait().unwrap().success());
        let shown = String::from_utf8(shown).unwrap();
        let again = "\rt  0.00 Hz; \x1b[K\r\n\rnone  not th\x1b[K\r\n";
        match live {
            true => assert_eq!(shown, format!("{again}\x1b[2A{again}")),
            false => assert_eq!(shown, "t  0.00 Hz; 0 messages\r\nnone  not there yet\r\n".repeat(2)),
        }
    }
}

#[test]
fn wrong_and_hostile_arguments() {
    let root = Root::new();
    let said = crate::common::said(root.command_with(&["hz", "a\x1b[2Jb", "-d", "0.01"]).output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (Some(0), "a\\u{1b}[2Jb  not there yet\n"));
    for args in ["hz", "hz t --window 0", "hz t --window 1e300", "bw t --protocol x", "delay t --count -1"] {
        assert_eq!(root.run(args).code, Some(2), "{args}");
    }
    assert!(root.fails("hz /x --protocol rpc").contains("starts with '/'"));
    std::fs::File::create(root.path("bad.pubsub.a0")).unwrap().write_all(&[7; 500]).unwrap();
    assert!(root.fails("bw bad").contains("bad.pubsub.a0"));
    std::fs::write(root.path("d.deadman"), [0; 32]).unwrap();
    assert!(root.fails("bw d.deadman").contains("a deadman has no messages"));
}

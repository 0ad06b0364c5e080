//! `a0 record`, `a0 replay` and `a0 info`.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

#[path = "../common/mod.rs"]
mod common;
mod content;
mod greedy;
mod losses;
#[path = "../common/recorder.rs"]
mod recorder;
mod replayed;
#[path = "../common/sandbox.rs"]
mod sandbox;

use std::path::Path;
use std::time::Duration;

use a0_std::{File, FileOptions, Init, Mode, PacketBuf, ReaderSync, Writer};
use common::Root;
use nix::sys::signal::Signal;
use recorder::{end, info, numbered, record, stop};
use serde_json::Value;

fn messages(root: &Root, file: &Path) -> u64 {
    info(root, file)["messages"].as_u64().unwrap()
}

fn writer(root: &Root, name: &str, size: u64) -> Writer {
    Writer::new(&File::open(root.path(name), &FileOptions::default().size(size)).unwrap())
}

/// All packets of a topic.
fn packets(root: &Root, name: &str) -> Vec<PacketBuf> {
    let file = File::open(root.path(name), &FileOptions::default().access(Mode::ReadOnly)).unwrap();
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    let mut packets = vec![];
    while let Some(message) = reader.read().unwrap() {
        packets.push(PacketBuf::from(message.packet()));
    }
    packets
}

#[test]
fn what_is_replayed_is_what_was_recorded() {
    for compression in ["none", "zstd", "lz4"] {
        let (root, other) = (Root::new(), Root::new());
        root.ok("pub old before");
        let file = root.path("run.mcap");
        let recorder = record(&root, &file, &format!("--compression {compression}"));
        root.ok("pub old now -H unit=mm -H unit=again");
        root.ok("pub new/topic --size 3K --count 20");
        root.ok("log write robot warn careful");
        root.ok("cfg write settings {\"a\":1}");
        let line = stop(recorder);
        assert!(line.starts_with(&format!("{}: 23 messages of 4 topics in ", file.display())), "{line}");
        let facts = info(&root, &file);
        assert_eq!((&facts["complete"], &facts["problem"]), (&true.into(), &Value::Null));
        let line = other.ok(&format!("replay {} --rate 100", file.display()));
        assert!(line.starts_with("23 messages in ") && line.contains("; late by "), "{line}");
        for name in ["new/topic.pubsub.a0", "robot.log.a0", "settings.cfg.a0"] {
            let recorded = packets(&root, name);
            assert!(!recorded.is_empty());
            assert_eq!(packets(&other, name), recorded, "{name}");
        }
        assert_eq!(packets(&other, "old.pubsub.a0"), packets(&root, "old.pubsub.a0")[1..]);
    }
}

#[test]
fn ends_of_recordings() {
    let root = Root::new();
    let [a, b] = ["a.mcap", "b.mcap"].map(|name| root.path(name));
    // SIGHUP is what comes when the terminal is closed.
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let recorder = record(&root, &a, "");
        root.ok("pub t x");
        assert_eq!(end(recorder, signal).code, Some(code));
        assert_eq!((&info(&root, &a)["complete"], messages(&root, &a)), (&true.into(), 1));
        std::fs::remove_file(&a).unwrap();
        root.ok("clear t");
    }
    root.ok("pub t x");
    root.ok(&format!("record --history --duration 0.05 -o {}", b.display()));
    assert_eq!((&info(&root, &b)["complete"], messages(&root, &b)), (&true.into(), 1));
    let complaint = root.fails(&format!("record -o {}", b.display()));
    assert_eq!(complaint, format!("{} exists already; choose another name, or remove it", b.display()));
    let complaint = root.fails("record -o /nowhere/x.mcap");
    assert!(complaint.starts_with("cannot create /nowhere/x.mcap: No such file"), "{complaint}");
}

/// It would end when it comes to that file.
#[test]
fn parts_of_an_earlier_recording() {
    let root = Root::new();
    for (name, in_the_way) in [("run.mcap", "run.0007.mcap"), ("run", "run.0000")] {
        let [file, in_the_way] = [name, in_the_way].map(|name| root.path(name));
        std::fs::write(&in_the_way, "").unwrap();
        let complaint = root.fails(&format!("record -o {} --split-time 1", file.display()));
        assert_eq!(complaint, format!("{} exists already; choose another name, or remove it", in_the_way.display()));
        assert!(!numbered(&file, 0).exists());
        root.ok(&format!("record -o {} --duration 0", file.display()));
    }
}

#[test]
fn splits() {
    let (root, other) = (Root::new(), Root::new());
    let file = root.path("run.mcap");
    let recorder = record(&root, &file, "--split-size 64K --flush 0.01");
    for _ in 0..4 {
        root.ok("pub t --size 10K --count 20");
        std::thread::sleep(Duration::from_millis(30));
    }
    let line = stop(recorder);
    let parts: Vec<_> = (0..).map(|number| numbered(&file, number)).take_while(|part| part.exists()).collect();
    assert!(parts.len() > 1 && line.contains(&format!(" in {} files", parts.len())), "{line}");
    for part in &parts {
        assert_eq!(info(&root, part)["complete"], true);
        other.ok(&format!("replay {} --rate 1000", part.display()));
    }
    assert_eq!(packets(&other, "t.pubsub.a0"), packets(&root, "t.pubsub.a0"));
}

//! Where replayed messages go, and when.

use std::time::{Duration, Instant};

use a0_std::{Packet, TimeWall, keys};
use nix::sys::signal::Signal;

use crate::common::Root;
use crate::recorder::{end, info, record, stop};
use crate::{messages, packets, writer};
use a0_testkit::until;

/// A packet of so many seconds after some moment in the past.
fn sent_at(seconds: f64) -> Packet {
    let time = TimeWall::new(1_700_000_000, 0).unwrap().checked_add(Duration::from_secs_f64(seconds)).unwrap();
    Packet::new(format!("{seconds}")).with_header(keys::TIME_WALL, time.to_text().to_string())
}

#[test]
fn parts_of_a_recording() {
    let root = Root::new();
    let file = root.path("run.mcap");
    let [a, b] = ["a.pubsub.a0", "cam/b.pubsub.a0"].map(|name| writer(&root, name, 1 << 16));
    for tenth in 0..50 {
        for topic in [&a, &b] {
            topic.write_packet(&sent_at(f64::from(tenth) / 10.0)).unwrap();
        }
    }
    root.ok(&format!("record --history --duration 0.05 -o {}", file.display()));
    let facts = info(&root, &file);
    assert_eq!((&facts["messages"], &facts["seconds"]), (&100.into(), &4.9.into()));
    assert!((facts["topics"][0]["rate"].as_f64().unwrap() - 10.0).abs() < 1e-9);
    let replay = |args: &str| {
        let other = Root::new();
        other.ok(&format!("replay {} --rate 100 {args}", file.display()));
        let count = |name| if other.path(name).exists() { packets(&other, name).len() } else { 0 };
        ["a.pubsub.a0", "cam/b.pubsub.a0", "x/y.pubsub.a0"].map(count)
    };
    assert_eq!(replay(""), [50, 50, 0]);
    assert_eq!(replay("cam/**"), [0, 50, 0]);
    assert_eq!(replay("--start 1 --end 2 a"), [11, 0, 0]);
    assert_eq!(replay("--topic-map cam/b=x/y a c*/*"), [50, 0, 50]);
    // As long as it took, divided by the rate; and what is left out takes no time.
    for (args, least, most) in [("--rate 10", 0.49, 4.0), ("--start 4.8", 0.1, 3.0)] {
        // A busy machine may take longer, but not each time.
        let in_time = (0..10).any(|_| {
            let (other, started) = (Root::new(), Instant::now());
            other.ok(&format!("replay {} {args}", file.display()));
            let took = started.elapsed().as_secs_f64();
            assert!(took >= least, "{args}: {took} s");
            took < most
        });
        assert!(in_time, "{args}: it takes {most} s");
    }
    let other = Root::new();
    let complaint = other.fails(&format!("replay {} --loop nothing", file.display()));
    assert!(complaint.contains(": nothing in it is to be replayed: "), "{complaint}");
    let player = other.start(&format!("replay {} --loop --rate 1000", file.display()));
    // A file that is there is not yet a topic.
    other.await_topic("a");
    until(|| packets(&other, "a.pubsub.a0").len() > 120);
    let line = stop(player);
    assert!(line.contains(" messages in "), "{line}");
}

#[test]
fn a_topic_that_is_too_small() {
    let (root, other) = (Root::new(), Root::new());
    let file = root.path("run.mcap");
    let recorder = record(&root, &file, "");
    root.ok("pub t --size 64K");
    stop(recorder);
    other.ok("pub t x --arena 8K");
    let complaint = other.fails(&format!("replay {}", file.display()));
    assert!(complaint.contains("t.pubsub.a0: a message of 65"), "{complaint}");
    let (_, remedy) = complaint.split_once("then replay with ").unwrap();
    other.ok("rm t");
    other.ok(&format!("replay {} {remedy}", file.display()));
    assert_eq!(packets(&other, "t.pubsub.a0"), packets(&root, "t.pubsub.a0"));
}

#[test]
fn topics_that_are_removed_meanwhile() {
    let (root, other) = (Root::new(), Root::new());
    let file = root.path("run.mcap");
    let recorder = record(&root, &file, "--flush 0.01");
    root.ok("pub t --size 10 --count 5");
    until(|| messages(&root, &file) == 5);
    root.ok("rm t");
    root.ok("pub t again");
    until(|| messages(&root, &file) == 6);
    assert_eq!(info(&root, &file)["topics"][0]["missed"], 0);
    stop(recorder);
    let player = other.start(&format!("replay {} --loop --rate 0.2", file.display()));
    let there = other.path("t.pubsub.a0");
    until(|| there.exists());
    other.ok("rm t");
    until(|| there.exists());
    let said = end(player, Signal::SIGINT);
    assert_eq!(said.err, format!("a0: {} was removed; going on with a new topic\n", there.display()));
}

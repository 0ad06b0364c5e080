//! `a0 record`, `a0 replay` and `a0 info`.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;
#[path = "common/sandbox.rs"]
mod sandbox;

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use a0_std::{File, FileOptions, Init, Mode, Packet, PacketBuf, ReaderSync, TimeWall, Writer, keys};
use common::{Root, Said, finish, one_complaint, said, send, until};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Far more than it takes, for machines that are busy with other tests.
const SOON: Duration = Duration::from_secs(10);

/// Starts recording into a file.
fn record(root: &Root, file: &Path, args: &str) -> Child {
    let recorder = root.start(&format!("record -o {} {args}", file.display()));
    until(|| file.exists() || numbered(file, 0).exists());
    recorder
}

fn numbered(file: &Path, number: u32) -> PathBuf {
    file.with_extension(format!("{number:04}.mcap"))
}

fn end(recorder: Child, signal: Signal) -> Said {
    send(&recorder, signal);
    finish(recorder, SOON)
}

/// Ends it with Ctrl-C; what it says.
fn stop(recorder: Child) -> String {
    let said = end(recorder, Signal::SIGINT);
    assert_eq!((said.code, said.err.as_str()), (Some(130), ""), "{said:?}");
    said.out
}

fn info(root: &Root, file: &Path) -> Value {
    let said = root.ok(&format!("info --format json {}", file.display()));
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{said:?}: {error}"))
}

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
        packets.push(PacketBuf::try_from(message.packet()).unwrap());
    }
    packets
}

/// A packet of so many seconds after some moment in the past.
fn sent_at(seconds: f64) -> Packet {
    let time = TimeWall::new(1_700_000_000, 0).unwrap().checked_add(Duration::from_secs_f64(seconds)).unwrap();
    Packet::new(format!("{seconds}")).with_header(keys::TIME_WALL, time.to_text().to_string())
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
fn a_killed_recorder_leaves_what_was_flushed() {
    let (root, other) = (Root::new(), Root::new());
    let file = root.path("run.mcap");
    let mut recorder = record(&root, &file, "--flush 0.02 --compression zstd");
    root.ok("pub t --size 1K --count 100");
    until(|| messages(&root, &file) == 100);
    let mut publisher = root.start("pub t --size 1K --rate 2000");
    until(|| messages(&root, &file) > 200);
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    publisher.kill().unwrap();
    publisher.wait().unwrap();
    let facts = info(&root, &file);
    assert_eq!(facts["complete"], false);
    assert!(facts["problem"].as_str().unwrap().contains("it has no end"), "{facts}");
    assert_eq!((&facts["topics"][0]["missed"], &facts["topics"][0]["damaged"]), (&0.into(), &Value::Null));
    let replayed = other.run(&format!("replay {} --rate 1000", file.display()));
    assert_eq!(replayed.code, Some(0));
    assert!(replayed.err.contains("it has no end") && replayed.err.lines().count() == 1, "{replayed:?}");
    let replayed = packets(&other, "t.pubsub.a0");
    assert_eq!(replayed.len() as u64, facts["messages"].as_u64().unwrap());
    assert_eq!(packets(&root, "t.pubsub.a0")[..replayed.len()], replayed);
}

#[test]
fn ends_of_recordings() {
    let root = Root::new();
    let [a, b] = ["a.mcap", "b.mcap"].map(|name| root.path(name));
    let recorder = record(&root, &a, "");
    root.ok("pub t x");
    assert_eq!(end(recorder, Signal::SIGTERM).code, Some(143));
    assert_eq!((&info(&root, &a)["complete"], messages(&root, &a)), (&true.into(), 1));
    root.ok(&format!("record --history --duration 0.05 -o {}", b.display()));
    assert_eq!((&info(&root, &b)["complete"], messages(&root, &b)), (&true.into(), 1));
    let complaint = root.fails(&format!("record -o {}", b.display()));
    assert_eq!(complaint, format!("{} exists already; choose another name, or remove it", b.display()));
    let complaint = root.fails("record -o /nowhere/x.mcap");
    assert!(complaint.starts_with("cannot create /nowhere/x.mcap: No such file"), "{complaint}");
}

#[test]
fn losses_are_counted_and_kept() {
    let root = Root::new();
    let [ended, killed] = ["ended.mcap", "killed.mcap"].map(|name| root.path(name));
    let topic = writer(&root, "t.pubsub.a0", 4096);
    let one = || {
        topic.write(b"x").unwrap();
    };
    let recorders = [record(&root, &ended, "--flush 0.02"), record(&root, &killed, "--flush 0.02")];
    one();
    until(|| [&ended, &killed].iter().all(|file| messages(&root, file) == 1));
    recorders.iter().for_each(|recorder| send(recorder, Signal::SIGSTOP));
    (0..500).for_each(|_| one());
    topic.file().transport().lock(None).unwrap().push(b"no packet").unwrap();
    one();
    recorders.iter().for_each(|recorder| send(recorder, Signal::SIGCONT));
    until(|| [&ended, &killed].iter().all(|file| messages(&root, file) > 1));
    let [first, mut second] = recorders;
    second.kill().unwrap();
    second.wait().unwrap();
    let line = stop(first);
    let facts = info(&root, &ended);
    let [messages, missed, damaged] =
        ["messages", "missed", "damaged"].map(|key| facts["topics"][0][key].as_u64().unwrap());
    assert!(missed > 0, "{facts}");
    assert_eq!((messages + missed + damaged, damaged), (503, 1));
    assert!(line.contains(&format!("; {missed} missed, 1 damaged")), "{line}");
    // The one whose recorder was killed tells by the numbers.
    let facts = info(&root, &killed);
    let [messages, missed] = ["messages", "missed"].map(|key| facts["topics"][0][key].as_u64().unwrap());
    assert!(missed > 1 && messages + missed == 503, "{facts}");
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

#[test]
fn a_full_disk_is_said_and_costs_only_what_was_not_written() {
    let root = Root::new();
    let script = "$a0 record -o $A0_ROOT/r.mcap --flush 0.05 & \
        while [ ! -s $A0_ROOT/r.mcap ]; do sleep 0.01; done; \
        $a0 pub t --size 64K --arena 1M --count 60 --rate 200; \
        wait $!; echo $?; $a0 info --format json $A0_ROOT/r.mcap";
    let said = root.in_tmpfs("size=3m", script);
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines[0], "1", "{said:?}");
    let facts: Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(facts["complete"], false);
    let recorded = facts["messages"].as_u64().unwrap();
    assert!(recorded > 0 && recorded < 60, "{facts}");
    assert!(said.err.contains("r.mcap: No space left on device"), "{said:?}");
    let promised = said.err.split("the first ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(promised.parse::<u64>().unwrap() <= recorded, "{said:?}");
    assert_eq!(said.err.lines().count(), 1, "{said:?}");
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
    assert_eq!(replay("--protocol cfg"), [0, 0, 0]);
    // As long as it took, divided by the rate; and what is left out takes no time.
    for (args, least, most) in [("--rate 10", 0.49, 4.0), ("--start 4.8", 0.1, 3.0)] {
        let (other, started) = (Root::new(), Instant::now());
        other.ok(&format!("replay {} {args}", file.display()));
        let took = started.elapsed().as_secs_f64();
        assert!(took >= least && took < most, "{args}: {took} s");
    }
    let other = Root::new();
    let complaint = other.fails(&format!("replay {} --loop nothing", file.display()));
    assert!(complaint.ends_with("nothing in it is to be replayed"), "{complaint}");
    let player = other.start(&format!("replay {} --loop --rate 1000", file.display()));
    until(|| other.path("a.pubsub.a0").exists() && packets(&other, "a.pubsub.a0").len() > 120);
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

#[test]
fn a_topic_that_cannot_be_read_costs_no_other_one() {
    let root = Root::new();
    fs::write(root.path("bad.pubsub.a0"), vec![0x5a; 1 << 16]).unwrap();
    let file = root.path("run.mcap");
    let recorder = record(&root, &file, "");
    root.ok("pub t x");
    let said = end(recorder, Signal::SIGINT);
    assert!(said.err.starts_with("a0: not recorded: ") && said.err.contains("bad.pubsub.a0"), "{said:?}");
    assert_eq!((said.err.lines().count(), messages(&root, &file)), (1, 1));
}

/// A file that no recorder has made.
fn made(root: &Root, topic: &str, encoding: &str, data: &[u8]) -> PathBuf {
    let mut writer = mcap::Writer::new(Cursor::new(vec![])).unwrap();
    let metadata = BTreeMap::from([("protocol".to_owned(), "pubsub".to_owned())]);
    let channel_id = writer.add_channel(0, topic, encoding, &metadata).unwrap();
    let header = mcap::records::MessageHeader { channel_id, sequence: 1, log_time: 5, publish_time: 5 };
    writer.write_to_known_channel(&header, data).unwrap();
    writer.finish().unwrap();
    let path = root.path("made.mcap");
    fs::write(&path, writer.into_inner().into_inner()).unwrap();
    path
}

#[test]
fn recordings_of_others() {
    let root = Root::new();
    let replay = |path: &Path| root.run(&format!("replay {}", path.display()));
    let foreign = replay(&made(&root, "t", "json", b"{}"));
    assert!(foreign.err.contains("t: not replayed: its messages are no AlephZero packets"), "{foreign:?}");
    // Nobody else decides that files outside of A0_ROOT are written to.
    let packet = [&[b'a'; 36][..], b"\0", &[0; 8], &53_u64.to_le_bytes(), b"payload"].concat();
    let evil = replay(&made(&root, "../evil", "alephzero/packet", &packet));
    assert!(evil.err.contains("../evil: not replayed"), "{evil:?}");
    assert!(!root.path("../evil.pubsub.a0").exists());
    let absolute = made(&root, "/dev/shm/evil", "alephzero/packet", &packet);
    assert!(replay(&absolute).err.contains("/dev/shm/evil: not replayed"));
    let mapped = root.ok(&format!("replay {} --topic-map /dev/shm/evil=good", absolute.display()));
    assert!(mapped.starts_with("1 messages in ") && root.path("good.pubsub.a0").exists(), "{mapped}");
    let broken = replay(&made(&root, "t", "alephzero/packet", b"no packet"));
    assert!(broken.out.contains("0 messages in ") && broken.out.contains("; 1 were no packets"), "{broken:?}");
    let sound = replay(&made(&root, "sound", "alephzero/packet", &packet));
    assert_eq!((sound.code, sound.err.as_str()), (Some(0), ""));
    assert_eq!(packets(&root, "sound.pubsub.a0")[0].payload(), b"payload");
}

#[test]
fn whatever_is_left_of_a_file() {
    let root = Root::new();
    let file = root.path("run.mcap");
    for compression in ["none", "zstd", "lz4"] {
        let _ = fs::remove_file(&file);
        let recorder = record(&root, &file, &format!("--flush 0.01 --compression {compression}"));
        for number in 1..=3 {
            root.ok("pub t --size 700 --count 4");
            until(|| messages(&root, &file) == 4 * number);
        }
        stop(recorder);
        let sound = fs::read(&file).unwrap();
        let damaged = root.path("damaged.mcap");
        let look = |bytes: &[u8]| {
            fs::write(&damaged, bytes).unwrap();
            let said = said(root.command(&format!("info --format json {}", damaged.display())).output().unwrap());
            if said.code != Some(0) {
                one_complaint(said);
                return None;
            }
            Some(serde_json::from_str::<Value>(&said.out).unwrap())
        };
        let mut before = 0;
        for len in (0..sound.len()).step_by(613) {
            let Some(facts) = look(&sound[..len]) else {
                assert!(len < 8, "{len}");
                continue;
            };
            let left = facts["messages"].as_u64().unwrap();
            assert!(facts["complete"] == false && left >= before, "{len}: {facts}");
            before = left;
        }
        assert_eq!(before, 12);
        let mut flips = vec![];
        for at in (8..sound.len()).step_by(401) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            if let Some(facts) = look(&bytes) {
                let whole = facts["messages"] == 12;
                assert!(whole || facts["problem"].is_string(), "{at}: {facts}");
                flips.push(facts["messages"].as_u64().unwrap());
            }
        }
        // Most of the file is messages, and a chunk that is damaged costs no other one.
        let one_lost = flips.iter().filter(|messages| (8..12).contains(*messages)).count();
        assert!(compression != "none" || one_lost > flips.len() / 2, "{flips:?}");
        // Not even the first one, in which the channel is.
        assert!(flips.iter().filter(|messages| **messages < 8).count() <= 1, "{flips:?}");
    }
}

#[test]
fn files_that_are_made_to_harm() {
    let root = Root::new();
    let file = root.path("bad.mcap");
    let entry = |op: u8, len: u64, body: &[u8]| [&[op][..], &len.to_le_bytes(), body].concat();
    let header = entry(1, 8, &[0; 8]);
    let chunk = |size: u64, records: &[u8]| {
        let mut body = [&[0; 16][..], &size.to_le_bytes(), &[0; 8]].concat();
        body.extend((records.len() as u64).to_le_bytes());
        body.extend(records);
        entry(6, body.len() as u64, &body)
    };
    for bad in [
        entry(6, u64::MAX, b""),
        entry(5, 1 << 62, b"x"),
        entry(9, 1, b"x"),
        entry(9, 32, &[0; 32]),
        entry(2, 3, b"xyz"),
        entry(15, 0, b""),
        chunk(u64::MAX, b""),
        chunk(41, &entry(9, 32, &[0; 32])),
        chunk(9, &entry(5, 1 << 40, b"")),
        chunk(13, &entry(4, 4, &[0xff; 4])),
    ] {
        fs::write(&file, [mcap::MAGIC, &header, &bad].concat()).unwrap();
        for command in ["info", "replay"] {
            let said = root.run(&format!("{command} {}", file.display()));
            assert!([Some(0), Some(1)].contains(&said.code), "{bad:?}: {said:?}");
            assert!(!said.err.contains("panicked"), "{bad:?}: {said:?}");
        }
    }
    for content in [&b""[..], b"x", b"not an MCAP file at all"] {
        fs::write(&file, content).unwrap();
        for command in ["info", "replay"] {
            let complaint = root.fails(&format!("{command} {}", file.display()));
            assert_eq!(complaint, format!("{}: not an MCAP file", file.display()));
        }
    }
    assert!(root.fails(&format!("info {}", root.0.path().display())).contains("Is a directory"));
    assert!(root.fails("info /nowhere").contains("cannot read /nowhere: No such file"));
}

//! Files that no recorder has made, or not like this.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Root, one_complaint, said};
use crate::recorder::{record, stop};
use crate::{messages, packets};
use a0_testkit::until;

/// A file that no recorder has made.
fn made(root: &Root, topic: &str, encoding: &str, data: &[u8]) -> PathBuf {
    claimed(root, "pubsub", topic, encoding, data)
}

/// One that says which protocol it is of.
fn claimed(root: &Root, protocol: &str, topic: &str, encoding: &str, data: &[u8]) -> PathBuf {
    let mut writer = mcap::Writer::new(Cursor::new(vec![])).unwrap();
    let metadata = BTreeMap::from([("protocol".to_owned(), protocol.to_owned())]);
    let channel_id = writer.add_channel(0, topic, encoding, &metadata).unwrap();
    let header = mcap::records::MessageHeader { channel_id, sequence: 1, log_time: 5, publish_time: 5 };
    writer.write_to_known_channel(&header, data).unwrap();
    writer.finish().unwrap();
    let path = root.path("made.mcap");
    fs::write(&path, writer.into_inner().into_inner()).unwrap();
    path
}

/// A packet without headers.
fn packet() -> Vec<u8> {
    [&[b'a'; 36][..], b"\0", &[0; 8], &53_u64.to_le_bytes(), b"payload"].concat()
}

/// Whatever a recording claims, servers get no requests that were not asked for, and deadmen stay what they are.
#[test]
fn what_was_not_asked_for_is_not_replayed() {
    let root = Root::new();
    let replay = |protocol: &str, name: &str, args: &str| {
        let path = claimed(&root, protocol, name, "alephzero/packet", &packet());
        let said = root.run(&format!("replay {} {args}", path.display()));
        assert!(said.out.starts_with("1 messages in ") != said.err.contains("not replayed"), "{name}: {said:?}");
        (said.err, ["robot.rpc.a0", "robot.prpc.a0", "robot.deadman"].map(|name| root.path(name).exists()))
    };
    for (protocol, name, args, why) in [
        ("file", "robot.rpc.a0", "", "it would be the rpc topic robot, and --protocol rpc was not asked for"),
        ("file", "robot.prpc.a0", "", "it would be the prpc topic robot, and --protocol prpc was not asked for"),
        ("file", "robot.prpc.a0", "-p rpc", "it would be the prpc topic robot, and --protocol prpc was not asked for"),
        ("file", "robot.deadman", "", "it would be the deadman robot, which has no messages"),
        ("file", "x", "-m x=robot.rpc.a0", "it would be the rpc topic robot"),
        ("file", "x", "-m x=robot.deadman", "it would be the deadman robot"),
        ("file", ".//robot.rpc.a0", "", "no name for a topic"),
        ("file", "sub//robot.rpc.a0", "", "no name for a topic"),
        ("file", "../robot.rpc.a0", "", "no name for a topic"),
        ("pubsub", "./t", "", "no name for a topic"),
    ] {
        let (complaint, exist) = replay(protocol, name, args);
        assert!(complaint.contains(&format!("a0: {name}: not replayed: {why}")), "{name} {args}: {complaint}");
        assert_eq!(exist, [false; 3], "{name} {args}");
    }
    // With a template like this one, it would be the topic of a server that has this name.
    let path = claimed(&root, "pubsub", "robot.rpc.a0", "alephzero/packet", &packet());
    let said = said(
        root.command(&format!("replay {}", path.display())).env("A0_TOPIC_TMPL_PUBSUB", "{topic}").output().unwrap(),
    );
    assert!(said.err.contains("it would be the rpc topic robot"), "{said:?}");
    for to in ["/dev/shm/x", "../x", "a/../../x", "a//x", "./x"] {
        let said = root.run(&format!("replay {} -m robot.rpc.a0={to}", path.display()));
        assert_eq!(said.code, Some(2), "{to}: {said:?}");
        assert!(said.err.contains(&format!("'{to}' is no name below A0_ROOT")), "{said:?}");
    }
    assert_eq!(replay("file", "robot.rpc.a0", "-p rpc").1, [true, false, false]);
    assert_eq!(replay("file", "t.pubsub.a0", "").0, "");
}

#[test]
fn recordings_of_others() {
    let root = Root::new();
    let replay = |path: &Path| root.run(&format!("replay {}", path.display()));
    let foreign = replay(&made(&root, "t", "json", b"{}"));
    assert!(foreign.err.contains("t: not replayed: its messages are no AlephZero packets"), "{foreign:?}");
    // Nobody else decides that files outside of A0_ROOT are written to.
    let packet = packet();
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
    assert!(root.fails("replay /dev/null").starts_with("/dev/null is a pipe or a device: "));
    assert!(root.fails("info /nowhere").contains("cannot read /nowhere: No such file"));
}

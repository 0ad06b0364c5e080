//! What is not recorded, and what is left when a recorder dies.

use std::fs;
use std::os::unix::fs::FileExt;

use a0_core::layout::{FRAME_HEADER, WORKSPACE, frame, page};
use a0_std::{File, FileOptions, Writer};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{Root, send};
use crate::recorder::{end, info, record, stop};
use crate::{messages, packets, writer};
use a0_testkit::{bare, until};

#[test]
fn a_killed_recorder_leaves_what_was_flushed() {
    let (root, other) = (Root::new(), Root::new());
    let file = root.path("run.mcap");
    let mut recorder = record(&root, &file, "--flush 0.02 --compression zstd");
    root.ok("pub t --size 1K --count 100");
    until(|| messages(&root, &file) == 100);
    // Not so many that the first ones are overwritten.
    let mut publisher = root.start("pub t --size 1K --rate 2000 --count 5000");
    until(|| messages(&root, &file) > 200);
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    publisher.kill().unwrap();
    publisher.wait().unwrap();
    let facts = info(&root, &file);
    assert_eq!(facts["complete"], false);
    assert!(facts["problem"].as_str().unwrap().contains("it has no end"), "{facts}");
    assert_eq!((&facts["topics"][0]["missed"], &facts["topics"][0]["damaged"]), (&0.into(), &Value::Null));
    // It does not say at its end what is in it.
    let complaint = other.fails(&format!("replay {} --topic-map tt=u", file.display()));
    assert!(complaint.starts_with("--topic-map tt=u: there is no topic tt in "), "{complaint}");
    assert!(!other.path("t.pubsub.a0").exists());
    let replayed = other.run(&format!("replay {} --rate 1000", file.display()));
    assert_eq!(replayed.code, Some(0));
    assert!(replayed.err.contains("it has no end") && replayed.err.lines().count() == 1, "{replayed:?}");
    let replayed = packets(&other, "t.pubsub.a0");
    assert_eq!(replayed.len() as u64, facts["messages"].as_u64().unwrap());
    assert_eq!(packets(&root, "t.pubsub.a0")[..replayed.len()], replayed);
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
    bare(topic.file()).lock(None).unwrap().push(b"no packet").unwrap();
    one();
    recorders.iter().for_each(|recorder| send(recorder, Signal::SIGCONT));
    let known = |file| {
        let facts = info(&root, file);
        ["messages", "missed"].map(|key| facts["topics"][0][key].as_u64().unwrap_or(0)).iter().sum::<u64>()
    };
    until(|| [&ended, &killed].into_iter().all(|file| known(file) == 503));
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
fn a_full_disk_is_said_and_costs_only_what_was_not_written() {
    let root = Root::new();
    // Publishes until it is full, which takes longer if the recorder is slow and misses something.
    let script = "timeout 60 $a0 record -o $A0_ROOT/r.mcap --flush 0.05 & recorder=$!; \
        while [ ! -s $A0_ROOT/r.mcap ]; do sleep 0.01; done; \
        $a0 pub t --size 64K --arena 1M --rate 200 & publisher=$!; \
        wait $recorder; echo $?; kill $publisher; wait $publisher; $a0 info --format json $A0_ROOT/r.mcap";
    let said = root.in_tmpfs("size=3m", script);
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines[0], "1", "{said:?}");
    let facts: Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(facts["complete"], false);
    let recorded = facts["messages"].as_u64().unwrap();
    assert!(recorded > 0 && recorded < 60, "{facts}");
    assert!(
        said.err.contains("r.mcap: No space left on device (os error 28): make room, or record elsewhere; the first "),
        "{said:?}"
    );
    let promised = said.err.split("the first ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(promised.parse::<u64>().unwrap() <= recorded, "{said:?}");
    assert_eq!(said.err.lines().count(), 1, "{said:?}");
}

#[test]
fn a_disk_that_is_full_from_the_start() {
    let root = Root::new();
    let script = "head -c 2M /dev/zero >$A0_ROOT/full; $a0 record -o $A0_ROOT/r.mcap; echo $?; ls $A0_ROOT";
    let said = root.in_tmpfs("size=1m", script);
    assert_eq!(said.out, "1\nfull\n", "{said:?}");
    assert!(
        said.err.ends_with("r.mcap: No space left on device (os error 28): make room, or record elsewhere\n"),
        "{said:?}"
    );
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

/// A file of a few pages whose one message says that it has a terabyte, which nobody has.
#[test]
fn a_topic_that_says_it_is_huge_costs_no_other_one() {
    let root = Root::new();
    let file = root.path("run.mcap");
    let recorder = record(&root, &file, "--flush 0.01");
    root.ok("pub t before");
    until(|| messages(&root, &file) == 1);
    let (path, size) = (root.path("huge.pubsub.a0"), 1_u64 << 40);
    let topic = File::open(&path, &FileOptions::default().size(size).reserve(false)).unwrap();
    Writer::new(&topic).write("x").unwrap();
    until(|| messages(&root, &file) == 2);
    let start = WORKSPACE;
    let huge = fs::File::options().write(true).open(&path).unwrap();
    huge.write_all_at(&(size - start - FRAME_HEADER).to_le_bytes(), frame::data_size(start).offset()).unwrap();
    for number in [0, 1] {
        huge.write_all_at(&size.to_le_bytes(), page::high_water_mark(number).offset()).unwrap();
    }
    // Another recorder finds it like this, and goes on.
    let second = root.path("second.mcap");
    let other = record(&root, &second, "--history --flush 0.01");
    root.ok("pub t behind");
    until(|| messages(&root, &second) == 2);
    assert_eq!(info(&root, &second)["messages"], 2);
    for command in ["echo huge --init oldest --timeout 0.1", "verify huge", "doctor", "ls", "stat huge"] {
        let said = root.run(command);
        assert!([Some(0), Some(1), Some(3)].contains(&said.code), "{command}: {said:?}");
    }
    assert_eq!(end(recorder, Signal::SIGINT).code, Some(130));
    let said = end(other, Signal::SIGINT);
    assert!(said.code == Some(130) && (said.out.contains("1 damaged") || said.err.contains("huge")), "{said:?}");
}

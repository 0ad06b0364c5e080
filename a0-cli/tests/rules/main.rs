//! `a0 record --rules`.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

#[path = "../common/mod.rs"]
mod common;
mod files;
#[path = "../common/recorder.rs"]
mod recorder;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use a0_std::{File, FileOptions, Packet, PacketView, TimeMono, Writer, keys};
use a0_testkit::until;
use common::Root;
use nix::sys::signal::Signal;
use recorder::{end, info, stop};
use serde_json::{Value, json};

/// A rule about a pub/sub topic.
fn rule(topic: &str, policies: Value) -> Value {
    json!({"protocol": "pubsub", "topic": topic, "policies": policies})
}

/// A policy with windows round the messages of a topic.
fn window(kind: &str, prev: impl Into<Value>, next: impl Into<Value>, trigger: &str) -> Value {
    let triggers = json!([{"type": "pubsub", "args": {"topic": trigger}}]);
    json!({"type": kind, "args": {"save_prev": prev.into(), "save_next": next.into()}, "triggers": triggers})
}

/// Makes a file with these rules, and more that they say.
fn write_rules(root: &Root, rules: Value, more: Value) -> PathBuf {
    let mut all = json!({"rules": rules});
    all.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let path = root.path("rules.json");
    fs::write(&path, all.to_string()).unwrap();
    path
}

/// Starts recording by rules; gives the recorder and the recording.
fn record(root: &Root, rules: Value, args: &str) -> (Child, PathBuf) {
    let (rules, file) = (write_rules(root, rules, json!({})), root.path("run.mcap"));
    let _ = fs::remove_file(&file);
    let recorder = recorder::record(root, &file, &format!("--rules {} {args}", rules.display()));
    (recorder, file)
}

/// Records by rules what is there already.
fn filter(root: &Root, rules: Value, args: &str) -> (BTreeMap<String, Vec<String>>, String) {
    let (rules, file) = (write_rules(root, rules, json!({})), root.path("run.mcap"));
    let _ = fs::remove_file(&file);
    let (rules, path) = (rules.display(), file.display());
    let line = root.ok(&format!("record --history --duration 0.02 -o {path} --rules {rules} {args}"));
    (saved(&file), line)
}

/// The payloads of all topics, in the order of the file, which must be that of their times.
fn saved(file: &Path) -> BTreeMap<String, Vec<String>> {
    let (bytes, mut payloads) = (fs::read(file).unwrap(), BTreeMap::<_, Vec<_>>::new());
    let mut times = BTreeMap::new();
    // Without an end if the recorder was killed.
    for message in mcap::MessageStream::new_with_options(&bytes, mcap::read::Options::IgnoreEndMagic.into()).unwrap() {
        let Ok(message) = message else { break };
        let name = message.channel.topic.clone();
        let before = times.insert(name.clone(), (message.log_time, message.sequence));
        assert!(before.is_none_or(|before| before.0 <= message.log_time && before.1 < message.sequence), "{name}");
        let packet = PacketView::parse(&message.data).unwrap();
        payloads.entry(name).or_default().push(String::from_utf8(packet.payload().to_vec()).unwrap());
    }
    payloads
}

fn writer(root: &Root, name: &str) -> Writer {
    Writer::new(&File::open(root.path(name), &FileOptions::default().size(1 << 16)).unwrap())
}

/// Messages of so many milliseconds after the start of the machine, with the times as payloads.
fn history(root: &Root, topic: &str, times: impl IntoIterator<Item = u64>) {
    for time in times {
        say(root, topic, time, &time.to_string());
    }
}

fn say(root: &Root, topic: &str, time: u64, what: &str) {
    let time = TimeMono::from_nanos(time * 1_000_000).to_text().to_string();
    let packet = Packet::new(what).with_header(keys::TIME_MONO, time);
    writer(root, &format!("{topic}.pubsub.a0")).write_packet(&packet).unwrap();
}

fn one(topic: &str, payloads: &[&str]) -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([(topic.to_owned(), payloads.iter().map(|payload| (*payload).to_owned()).collect())])
}

#[test]
fn the_first_rule_that_matches_counts() {
    let root = Root::new();
    for topic in ["a", "b", "c/d"] {
        root.ok(&format!("pub {topic} {topic}"));
    }
    root.ok("log write a info from-log");
    let rules = || {
        json!([
            rule("b", json!([{"type": "drop_all"}])),
            rule("*", json!([{"type": "save_all"}])),
            rule("a", json!([{"type": "drop_all"}])),
        ])
    };
    let (rules_file, file) = (write_rules(&root, rules(), json!({})), root.path("run.mcap"));
    let said = root.run(&format!("record --duration 0.02 -o {} --rules {}", file.display(), rules_file.display()));
    assert_eq!(saved(&file), one("a", &["a"]));
    assert!(
        said.out.contains(": 1 messages of 1 topics in ")
            && said.out.contains("; 0 dropped by rule, 3 topics left out")
    );
    let warning = "rules[2] never applies: the first rule that matches counts, which is rules[1]";
    assert_eq!(said.err, format!("a0: {}: {warning}\n", rules_file.display()));
    // The command line chooses first.
    let other = json!([rule("**/*", json!([{"type": "save_all"}]))]);
    assert_eq!(filter(&root, other, "c/* --protocol pubsub").0, one("c/d", &["c/d"]));
    assert_eq!(filter(&root, json!([]), "").0, BTreeMap::new());
    assert_eq!(filter(&root, json!([rule("a", json!([]))]), "").0, BTreeMap::new());
}

#[test]
fn windows_in_time() {
    let root = Root::new();
    history(&root, "t", (10..=100).step_by(10));
    history(&root, "alarm/x", [45, 60]);
    history(&root, "button", [100]);
    let policies = |policies: Value| filter(&root, json!([rule("t", policies)]), "");
    let (kept, line) = policies(json!([window("time", "15ms", "5ms", "alarm/*")]));
    assert_eq!(kept, one("t", &["30", "40", "50", "60"]));
    assert!(line.contains(": 4 messages of 1 topics in ") && line.contains("; 6 dropped by rule"), "{line}");
    assert_eq!(policies(json!([window("time", "0s", "5ms", "alarm/x")])).0, one("t", &["50", "60"]));
    // Longer than the history; more than once; and what two policies save is saved once.
    assert_eq!(
        policies(json!([window("time", "1h", "0s", "alarm/x")])).0,
        one("t", &["10", "20", "30", "40", "50", "60"])
    );
    let two = json!([
        window("time", "45ms", "0s", "alarm/x"),
        window("count", 5, 0, "alarm/x"),
        window("count", 2, 0, "button")
    ]);
    assert_eq!(policies(two).0, one("t", &["10", "20", "30", "40", "50", "60", "90", "100"]));
    assert_eq!(policies(json!([window("time", "1h", "1h", "nothing")])).0, BTreeMap::new());
    let facts = info(&root, &root.path("run.mcap"));
    assert_eq!((&facts["topics"][0]["dropped"], &facts["topics"][0]["missed"]), (&10.into(), &0.into()));
}

#[test]
fn windows_of_messages() {
    let root = Root::new();
    history(&root, "t", (10..=100).step_by(10));
    history(&root, "alarm", [45, 50, 85]);
    history(&root, "first", [5]);
    history(&root, "at-first", [10]);
    history(&root, "last", [200]);
    let keep = |prev, next, trigger: &str| {
        filter(&root, json!([rule("t", json!([window("count", prev, next, trigger)]))]), "").0
    };
    assert_eq!(keep(2, 1, "alarm"), one("t", &["30", "40", "50", "60", "70", "80", "90"]));
    assert_eq!(keep(0, 1, "alarm"), one("t", &["50", "60", "90"]));
    assert_eq!(keep(1, 0, "alarm"), one("t", &["40", "50", "80"]));
    // A trigger in a window begins another one, and adds nothing to it.
    assert_eq!(keep(0, 2, "alarm"), one("t", &["50", "60", "70", "90", "100"]));
    // Before the first message, with it, and after the last one; windows longer than what there is.
    assert_eq!(keep(3, 2, "first"), one("t", &["10", "20"]));
    assert_eq!(keep(3, 1, "at-first"), one("t", &["10", "20"]));
    assert_eq!(keep(2, 2, "last"), one("t", &["90", "100"]));
    assert_eq!(keep(1000, 1000, "alarm")["t"].len(), 10);
}

#[test]
fn triggers_of_time_fire_at_the_start() {
    let root = Root::new();
    history(&root, "t", [10, 20, 30]);
    for trigger in
        [json!({"type": "rate", "args": {"period": 3600}}), json!({"type": "cron", "args": {"pattern": "0 0 0 1 1 *"}})]
    {
        let policy = json!({"type": "count", "args": {"save_prev": 2}, "triggers": [trigger]});
        assert_eq!(filter(&root, json!([rule("t", json!([policy]))]), "").0, one("t", &["20", "30"]));
    }
    // And again and again.
    let policy =
        json!({"type": "count", "args": {"save_next": 1}, "triggers": [{"type": "rate", "args": {"hz": 100}}]});
    let (recorder, file) = record(&root, json!([rule("t", json!([policy]))]), "--flush 0.01");
    until(|| {
        root.ok("pub t x");
        saved(&file).get("t").is_some_and(|kept| kept.len() >= 3)
    });
    stop(recorder);
}

#[test]
fn switches() {
    let root = Root::new();
    for (time, what) in [(25, "on"), (45, "what?"), (65, "off"), (85, "on")] {
        say(&root, "switch", time, what);
    }
    history(&root, "t", (10..=100).step_by(10));
    history(&root, "alarm", [15, 35, 75]);
    let keep = |policy: &Value, name: &str, wraps: Value| {
        let mut rule = rule("t", json!([policy]));
        rule.as_object_mut().unwrap().extend(wraps.as_object().cloned().unwrap());
        let mut more = json!({});
        if name == "global" {
            more["trigger_control_topic"] = "switch".into();
        }
        let (rules, file) = (write_rules(&root, json!([rule]), more), root.path("run.mcap"));
        let _ = fs::remove_file(&file);
        let args = format!("record --history --duration 0.02 -o {} --rules {}", file.display(), rules.display());
        let said = root.run(&args);
        assert!(said.err.contains("switch.pubsub.a0: neither on nor off") && said.err.lines().count() == 1, "{said:?}");
        saved(&file)
    };
    let while_on = one("t", &["30", "40", "50", "60", "90", "100"]);
    let all = json!({"type": "save_all"});
    assert_eq!(keep(&all, "global", json!({})), while_on);
    assert_eq!(keep(&all, "rule", json!({"trigger_control_topic": "switch"})), while_on);
    assert_eq!(keep(&json!({"type": "save_all", "trigger_control_topic": "switch"}), "policy", json!({})), while_on);
    let ignoring = json!({"type": "save_all", "args": {"ignore_trigger_control": true}});
    assert_eq!(keep(&ignoring, "global", json!({}))["t"].len(), 10);
    // Only the trigger at 35 counts.
    let mut count = window("count", 1, 1, "alarm");
    assert_eq!(keep(&count, "global", json!({})), one("t", &["30", "40"]));
    assert_eq!(keep(&window("time", "5ms", "15ms", "alarm"), "global", json!({})), one("t", &["30", "40", "50"]));
    count["triggers"][0]["control_topic"] = "switch".into();
    assert_eq!(keep(&count, "trigger", json!({})), one("t", &["30", "40"]));
}

#[test]
fn windows_while_others_publish() {
    let root = Root::new();
    let rules = json!([
        rule("cam/*", json!([window("count", 2, 1, "alarm")])),
        rule("lidar", json!([window("time", "1h", "0s", "alarm")])),
    ]);
    root.ok("pub lidar before");
    let (recorder, file) = record(&root, rules, "--flush 0.01");
    // None of the others exists yet.
    for number in 1..=4 {
        root.ok(&format!("pub cam/a {number}"));
        root.ok(&format!("pub lidar {number}"));
    }
    root.ok("pub alarm now");
    for number in 5..=7 {
        root.ok(&format!("pub cam/a {number}"));
        root.ok(&format!("pub lidar {number}"));
    }
    root.ok("pub cam/new first");
    let kept = BTreeMap::from_iter(
        [one("cam/a", &["3", "4", "5"]), one("lidar", &["before", "1", "2", "3", "4"])].into_iter().flatten(),
    );
    let kept_later: BTreeMap<_, _> = kept.clone().into_iter().chain(one("cam/new", &["first"])).collect();
    // As soon as it is known.
    until(|| [&kept, &kept_later].contains(&&saved(&file)));
    let facts = info(&root, &file);
    assert_eq!(
        (&facts["topics"][0]["missed"], &facts["topics"][0]["dropped"]),
        (&Value::Null, &Value::Null),
        "{facts}"
    );
    let line = stop(recorder);
    assert!(line.contains(" dropped by rule, 1 topics left out"), "{line}");
    // A topic that comes soon after the trigger is found in time, unless the machine was busy.
    assert!([kept, kept_later].contains(&saved(&file)), "{:?}", saved(&file));
}

#[test]
fn a_killed_recorder_leaves_what_was_chosen() {
    let root = Root::new();
    let (mut recorder, file) =
        record(&root, json!([rule("t", json!([window("time", "1h", "1h", "alarm")]))]), "--flush 0.01");
    let mut publisher = root.start("pub t --size 100 --rate 2000");
    until(|| root.path("t.pubsub.a0").exists());
    assert_eq!(saved(&file), BTreeMap::new());
    root.ok("pub alarm now");
    until(|| saved(&file).get("t").is_some_and(|kept| kept.len() > 100));
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    publisher.kill().unwrap();
    publisher.wait().unwrap();
    let (facts, other) = (info(&root, &file), Root::new());
    assert_eq!((&facts["complete"], &facts["topics"][0]["missed"]), (&false.into(), &Value::Null), "{facts}");
    let replayed = other.run(&format!("replay {} --rate 1000", file.display()));
    let count = facts["messages"].as_u64().unwrap();
    assert!(count > 100 && replayed.out.starts_with(&format!("{count} messages in ")), "{replayed:?}");
}

#[test]
fn memory_for_windows_is_limited() {
    let root = Root::new();
    for policies in [json!([window("time", "1h", "0s", "alarm")]), json!([window("count", 50, 0, "alarm")])] {
        let _ = root.run("rm t probe");
        let probe = rule("probe", json!([{"type": "save_all"}]));
        let rules = json!([rule("t", policies), probe]);
        let (recorder, file) = record(&root, rules, "--buffer 64K --flush 0.01");
        root.ok("pub t --size 4K --count 50");
        // It is read before t, and written after that: the buffer is full before the alarm.
        root.ok("pub probe x");
        until(|| saved(&file).contains_key("probe"));
        root.ok("pub alarm now");
        let said = end(recorder, Signal::SIGINT);
        assert!(
            said.err.starts_with("a0: what waits for triggers takes more than 64.0 KiB")
                && said.err.lines().count() == 1
        );
        let (kept, facts) = (saved(&file)["t"].len() as u64, info(&root, &file));
        assert!((10..16).contains(&kept), "{said:?}");
        let topic = facts["topics"].as_array().unwrap().iter().find(|topic| topic["topic"] == "t").unwrap();
        assert_eq!(topic["given_up"].as_u64().unwrap() + kept, 50, "{facts}");
        assert!(said.out.contains(&format!("; {} given up", 50 - kept)), "{said:?}");
    }
    // What nobody wants is no loss.
    let (recorder, _) = record(&root, json!([rule("t", json!([window("time", "1h", "0s", "alarm")]))]), "--buffer 64K");
    root.ok("pub t --size 4K --count 50");
    let said = end(recorder, Signal::SIGINT);
    assert!(said.out.contains("dropped by rule") && !said.out.contains("given up"), "{said:?}");
}

#[test]
fn how_far_back_recording_begins() {
    let root = Root::new();
    history(&root, "t", [1]);
    root.ok("pub t recent");
    let file = root.path("run.mcap");
    let run = |start: Value| {
        let rules = write_rules(&root, json!([rule("t", json!([{"type": "save_all"}]))]), start);
        let _ = fs::remove_file(&file);
        root.ok(&format!("record --duration 0.02 -o {} --rules {}", file.display(), rules.display()));
        saved(&file)
    };
    assert_eq!(run(json!({})), one("t", &["recent"]));
    assert_eq!(run(json!({"start_time_mono": "0000000000000000000"})), one("t", &["1", "recent"]));
    assert_eq!(run(json!({"start_time_mono": "8999999999999999999"})), BTreeMap::new());
}

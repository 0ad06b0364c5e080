//! Where rules come from and recordings go, and what is said about both.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Root, terminal};
use crate::recorder::{info, numbered, record, stop};
use crate::{one, rule, saved, window, write_rules, writer};
use a0_testkit::until;

#[test]
fn where_recordings_go() {
    let root = Root::new();
    root.ok("pub t --size 3K --count 30");
    let more = json!({"savepath": root.path("log"), "searchpath": root.0.path(), "default_max_logfile_size": "16KiB"});
    let rules = write_rules(&root, json!([rule("t", json!([{"type": "save_all"}]))]), more);
    let line = root.ok(&format!("record --duration 0.1 --flush 0.01 --rules {}", rules.display()));
    let path = Path::new(line.split(": ").next().unwrap());
    let parts: Vec<_> =
        path.strip_prefix(root.path("log")).unwrap().iter().map(|part| part.to_str().unwrap()).collect();
    let [year, month, day, name] = parts[..] else { panic!("{line}") };
    assert!(name.starts_with(&format!("recording@{year}-{month}-{day}T")) && name.ends_with(".mcap"), "{line}");
    let first = path.with_file_name(format!("{}.0000.mcap", name.rsplitn(3, '.').last().unwrap()));
    assert_eq!(saved(&first)["t"].len(), 30);
    let rules = write_rules(&root, json!([]), json!({}));
    let complaint = root.fails(&format!("record --rules {}", rules.display()));
    assert_eq!(complaint, "where the recording goes is not said; use -o, or add \"savepath\" to the rules");
    assert_eq!(root.run("record").code, Some(2));
}

#[test]
fn a_window_that_is_larger_than_a_file_shall_be() {
    let root = Root::new();
    let rules = write_rules(&root, json!([rule("t", json!([window("time", "1h", "0s", "alarm")]))]), json!({}));
    let file = root.path("run.mcap");
    let recorder = record(&root, &file, &format!("--rules {} --split-size 1M", rules.display()));
    root.ok("pub t --size 64K --count 50");
    root.ok("pub alarm now");
    stop(recorder);
    let sizes: Vec<_> =
        (0..).map_while(|number| fs::metadata(numbered(&file, number)).ok()).map(|part| part.len()).collect();
    assert!(sizes.len() >= 3 && sizes.iter().all(|size| *size < 2 << 20), "{sizes:?}");
    let kept =
        (0..sizes.len() as u32).map(|number| info(&root, &numbered(&file, number))["messages"].as_u64().unwrap());
    assert_eq!(kept.sum::<u64>(), 50);
}

/// What a recorder and a player show in a terminal of this width.
fn shown(root: &Root, columns: u16) -> String {
    let (mut master, slave) = terminal(columns, 24);
    let file = root.path(&format!("{columns}.mcap"));
    for command in ["record --history --duration 0.3 -o", "replay --rate 1000"] {
        let mut command = root.command(&format!("{command} {}", file.display()));
        command.env("TERM", "xterm").stdout(slave.try_clone().unwrap());
        assert!(command.status().unwrap().success());
    }
    drop(slave);
    let mut text = vec![];
    // It ends with an error.
    let _ = master.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn the_last_line_is_told_in_full_whatever_the_terminal() {
    let root = Root::new();
    root.ok("pub t x");
    for columns in [0, 1, 10, 200] {
        let text = shown(&root, columns);
        assert!(text.contains(&format!("{columns}.mcap: 1 messages of 1 topics in ")), "{columns}: {text:?}");
        assert!(text.contains("1 messages in ") && text.ends_with(" ms at most\r\n"), "{columns}: {text:?}");
        // A terminal that does not know its width has no line that could be renewed.
        assert_eq!(text.lines().count() == 2, columns == 0, "{columns}: {text:?}");
        root.ok("rm t");
        root.ok("pub t x");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let root = Root::new();
    root.ok("pub t x");
    let file = root.path("run.mcap");
    root.ok(&format!("record --history --duration 0.02 -o {}", file.display()));
    let replay = |args: &str| root.run(&format!("replay {} {args}", file.display()));
    let said = replay("--topic-map tt=u");
    let complaint = format!("a0: --topic-map tt=u: there is no topic tt in {} (see a0 info)\n", file.display());
    assert_eq!((said.code, said.err, said.out.as_str()), (Some(1), complaint, ""));
    assert!(replay("--start 2 --end 1").err.contains("the end comes first"));
    assert!(replay("--rate -1").err.contains("use a number of times as fast"));
    for args in ["--split-size 0", "--split-time 0"] {
        assert_eq!(root.run(&format!("record -o x {args}")).code, Some(2), "{args}");
    }
    assert_eq!(replay("--topic-map t=u").err, "");
    assert!(root.path("u.pubsub.a0").exists());
}

#[test]
fn files_that_are_no_topics() {
    let (root, other) = (Root::new(), Root::new());
    writer(&root, "sub/x.raw").write(b"raw").unwrap();
    root.ok("pub t named");
    let mut alive = root.start("deadman take alive");
    until(|| root.path("alive.deadman").exists());
    alive.kill().unwrap();
    alive.wait().unwrap();
    let file_rule = json!([{"protocol": "file", "topic": "**/*", "policies": [{"type": "save_all"}]}]);
    // Not where they would be recorded themselves.
    let (rules, file) = (other.path("rules.json"), other.path("run.mcap"));
    fs::write(&rules, json!({"rules": file_rule}).to_string()).unwrap();
    root.ok(&format!("record --history --duration 0.02 -o {} --rules {}", file.display(), rules.display()));
    let kept = saved(&file);
    assert_eq!(kept, one("sub/x.raw", &["raw"]).into_iter().chain(one("t", &["named"])).collect());
    other.ok(&format!("replay {}", file.display()));
    assert!(other.path("sub/x.raw").exists() && other.path("t.pubsub.a0").exists());
}

#[test]
fn rules_of_a_configuration() {
    let root = Root::new();
    root.ok("pub t x");
    let rules = json!({"rules": [rule("t", json!([{"type": "save_all"}]))]});
    root.command_with(&["cfg", "write", "recorder", &rules.to_string()]).output().unwrap();
    let file = root.path("run.mcap");
    root.ok(&format!("record --history --duration 0.02 -o {} --rules-topic recorder", file.display()));
    assert_eq!(saved(&file), one("t", &["x"]));
    root.ok("cfg write recorder {\"rulez\":[]}");
    let complaint = root.fails("record --rules-topic recorder --check");
    assert_eq!(complaint, format!("{}: rulez: unknown; do you mean rules?", root.path("recorder.cfg.a0").display()));
    assert!(root.fails("record --rules-topic nobody --check").contains("nobody.cfg.a0"));
}

#[test]
fn what_is_wrong_with_rules_is_said() {
    let root = Root::new();
    let path = root.path("rules.json");
    let complaint = |text: &str| {
        fs::write(&path, text).unwrap();
        let complaint = root.fails(&format!("record -o {} --rules {}", root.path("x").display(), path.display()));
        assert!(!root.path("x").exists());
        complaint.strip_prefix(&format!("{}: ", path.display())).unwrap_or_else(|| panic!("{complaint}")).to_owned()
    };
    assert_eq!(complaint("{\"rules\": [}"), "not JSON: expected value at line 1 column 12");
    let misspelled = json!({"rules": [{"protocol": "pubsub", "topic": "t", "policys": []}]});
    assert_eq!(complaint(&misspelled.to_string()), "rules[0].policys: unknown; do you mean policies?");
    let slash = json!({"rules": [rule("/t", json!([]))]});
    assert_eq!(complaint(&slash.to_string()), "rules[0].topic: '/t' starts with /; names are relative to A0_ROOT");
    let both = json!({"rules": [rule("t", json!([{"type": "save_all"}, {"type": "drop_all"}]))]});
    assert_eq!(
        complaint(&both.to_string()),
        "rules[0]: drop_all contradicts the other policies; keep either it or them"
    );
    assert!(root.fails("record -o x --rules /nowhere").starts_with("cannot read /nowhere: No such file"));
    for args in
        ["record -o x --check", "record --check", "record -o x --buffer 1M", "record -o x --rules a --rules-topic b"]
    {
        assert_eq!(root.run(args).code, Some(2), "{args}");
    }
}

#[test]
fn the_example_and_what_it_means() {
    let root = Root::new();
    for topic in ["debug/a/b", "cam/front", "imu", "other"] {
        root.ok(&format!("pub {topic} x"));
    }
    root.ok("log write robot info x");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rules.json");
    let check = |args: &str| root.ok(&format!("record --check --rules {} {args}", example.display()));
    let text = check("");
    for line in [
        "log       robot      rules[0]  save_all\n",
        "pubsub    cam/front  rules[3]  5s before and 2s after each message of alarm/*, each message of button, while \
         recorder/button says on; 0 messages before and 1 after cron '0 */10 * * * *' UTC\n",
        "pubsub    debug/a/b  rules[2]  drop_all\n",
        "pubsub    imu        rules[4]  0 messages before and 1 after every 500ms\n",
        "pubsub    other      rules[5]  save_all\n",
        "rules[1], for cfg **/*: no topic now; save_all\n",
        "a new file after 4.0 GiB or 3600s\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let lines: Vec<Value> =
        check("--format json cam/*").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["topic"], &lines[0]["rule"]), (1, &"cam/front".into(), &3.into()));
}

//! `a0 ls`, `stat`, `verify`, `clear`, `rm`, and what they make of damaged files.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

use std::fs;
use std::os::unix::fs::FileExt;

use crate::common::{Root, said};
use serde_json::Value;

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_empty_root_has_no_topics() {
    let root = Root::new();
    assert_eq!(root.ok("ls"), "");
    assert_eq!(root.ok("ls --format json"), "");
    fs::remove_dir(root.0.path()).unwrap();
    assert_eq!(root.ok("ls"), "");
    fs::create_dir(root.0.path()).unwrap();
}

#[test]
fn list() {
    let root = Root::new();
    root.ok("pub cam/front x --arena 64K");
    root.ok("pub b x --count 3");
    fs::copy(root.path("b.pubsub.a0"), root.path("deep.rpc.a0")).unwrap();
    fs::write(root.path("api.deadman"), [0; 32]).unwrap();
    fs::write(root.path("notes.txt"), "no topic").unwrap();
    fs::write(root.path("broken.pubsub.a0"), "no topic").unwrap();
    fs::write(root.path("fresh.pubsub.a0"), [0; 4096]).unwrap();
    let found = objects(&root.ok("ls --format json"));
    let names: Vec<_> = found.iter().map(|o| (o["protocol"].as_str().unwrap(), o["topic"].as_str().unwrap())).collect();
    assert_eq!(
        names,
        [
            ("deadman", "api"),
            ("pubsub", "b"),
            ("pubsub", "broken"),
            ("pubsub", "cam/front"),
            ("rpc", "deep"),
            ("pubsub", "fresh")
        ]
    );
    assert_eq!((&found[0]["taken"], &found[0]["size"]), (&false.into(), &32.into()));
    let found = &found[1..];
    assert_eq!((&found[0]["seq_low"], &found[0]["seq_high"], &found[0]["messages"]), (&1.into(), &3.into(), &3.into()));
    assert_eq!(found[0]["size"], 16 << 20);
    assert!(found[0]["used"].as_u64().unwrap() > 144);
    assert!(found[1]["error"].as_str().unwrap().contains("too small"));
    assert_eq!(found[2]["path"], root.path("cam/front.pubsub.a0").to_str().unwrap());
    assert_eq!(found[4]["seq_high"], Value::Null);
    let text = root.ok("ls");
    assert_eq!(text.lines().count(), 7, "{text}");
    assert!(text.contains("error: ") && text.contains("1-3") && text.contains("never taken"), "{text}");
}

#[test]
fn list_by_templates() {
    let root = Root::new();
    let run = |args: &str| {
        let output = root.command(args).env("A0_TOPIC_TMPL_PUBSUB", "ps/{topic}/data").output().unwrap();
        let said = said(output);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out
    };
    run("pub cam/front x");
    let found = objects(&run("ls --format json"));
    assert_eq!((found.len(), &found[0]["topic"]), (1, &"cam/front".into()), "{found:?}");
}

#[test]
fn stat() {
    let root = Root::new();
    root.ok("pub t x --count 2 --arena 64K");
    let file = root.path("t.pubsub.a0");
    let by_topic = root.ok("stat t --format json");
    assert_eq!(by_topic, root.ok(&format!("stat {} --format json", file.display())));
    assert_eq!(by_topic, root.ok("stat t.pubsub.a0 --format json"), "below A0_ROOT");
    let relative = root.command("stat ./t.pubsub.a0 --format json").current_dir(root.0.path()).output().unwrap();
    assert_eq!(by_topic, said(relative).out);
    let facts = &objects(&by_topic)[0];
    assert_eq!(facts["path"], file.to_str().unwrap());
    assert_eq!(facts["size"], 65536);
    assert_eq!((&facts["messages"], &facts["seq_low"], &facts["seq_high"]), (&2.into(), &1.into(), &2.into()));
    assert_eq!(facts["permissions"], "0666");
    assert_eq!(facts["oldest_time"].as_str().unwrap().len(), 35);
    assert_eq!((&facts["lock_owner"], &facts["owner_died"]), (&Value::Null, &false.into()));
    assert!(root.ok("stat t").contains("messages           2\n"));
}

/// Such names can be published on, so every other command must understand them, too.
#[test]
fn topics_that_are_named_like_files() {
    let root = Root::new();
    for name in ["x.a0", "deep/x.pubsub.a0", "x.deadman"] {
        // Of which nothing is there yet.
        let expected = format!("/{name}.pubsub.a0 does not exist");
        assert_eq!(root.fails(&format!("stat {name}")).contains(&expected), name == "x.a0", "{name}");
        root.ok(&format!("pub {name} hello"));
        assert_eq!(root.ok(&format!("echo {name} --init oldest --count 1")), "[1] hello\n");
        assert!(root.ok(&format!("stat {name}")).contains(&format!("/{name}.pubsub.a0\n")));
        assert!(root.ok(&format!("verify {name}")).contains("sound; 1 messages"));
        for gauge in ["hz", "bw", "delay"] {
            let facts = objects(&root.ok(&format!("{gauge} {name} --window 0.01 --count 1 --format json")));
            assert_eq!(facts[0]["there"], true, "{gauge} {name}");
        }
        assert!(objects(&root.ok("ls --format json")).iter().any(|topic| topic["topic"] == name));
        root.ok(&format!("clear {name}"));
        // A file is what is meant as one.
        fs::write(root.path(name), "junk").unwrap();
        let file = root.path(name).display().to_string();
        let complaint = root.fails(&format!("stat {file}"));
        assert!(complaint.contains(&file) && !complaint.contains(&format!("{file}.pubsub.a0")), "{complaint}");
        root.ok(&format!("rm {name}"));
        assert!(root.path(name).exists() && !root.path(&format!("{name}.pubsub.a0")).exists());
        root.ok(&format!("rm {name}"));
        assert!(!root.path(name).exists());
    }
}

#[test]
fn clear_and_remove() {
    let root = Root::new();
    root.ok("pub t x --count 2");
    root.ok("pub u x");
    assert_eq!(root.ok("clear t u"), "");
    assert_eq!(root.run("echo t --init oldest --timeout 0").out, "");
    root.ok("pub t y");
    assert_eq!(root.ok("echo t --init oldest -n1"), "[3] y\n");
    root.ok("rm t");
    assert!(!root.path("t.pubsub.a0").exists());
    assert!(root.fails("rm t").contains("does not exist"));

    fs::write(root.path("notes"), "precious").unwrap();
    assert!(root.fails(&format!("rm {}", root.path("notes").display())).contains("is no topic"));
    fs::write(root.path("bad.a0"), "junk").unwrap();
    root.ok("rm bad.a0");
    assert!(root.path("notes").exists() && !root.path("bad.a0").exists());
    assert!(root.fails(&format!("rm {}", root.0.path().display())).contains("directory"));
}

#[test]
fn nothing_is_created_or_changed() {
    let root = Root::new();
    for args in ["stat missing", "verify missing", "clear missing", "rm missing", "stat a/b/c.a0"] {
        assert!(root.fails(args).contains("does not exist"), "a0 {args}");
    }
    assert_eq!(fs::read_dir(root.0.path()).unwrap().count(), 0);

    root.ok("pub t x --arena 4K");
    fs::write(root.path("fresh.a0"), [0; 4096]).unwrap();
    let files = ["t.pubsub.a0", "fresh.a0"];
    let before = files.map(|file| fs::read(root.path(file)).unwrap());
    for args in ["ls", "stat t", "stat fresh.a0", "verify t", "verify fresh.a0"] {
        root.ok(args);
    }
    assert_eq!(before, files.map(|file| fs::read(root.path(file)).unwrap()));
}

#[test]
fn verify_names_each_reason() {
    let root = Root::new();
    root.ok("pub t --size 100 --count 20 --arena 4K");
    let path = root.path("t.pubsub.a0");
    let out = root.ok("verify t");
    assert!(out.starts_with(path.to_str().unwrap()) && out.contains("sound"), "{out}");

    let sound = fs::read(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let verify = |offset: u64, bytes: &[u8]| {
        file.write_all_at(&sound, 0).unwrap();
        file.write_all_at(bytes, offset).unwrap();
        let said = root.run("verify t");
        assert_eq!(said.code, Some(1), "{said:?}");
        said
    };
    // One frame's own number, and an id without its NUL: two reasons, a line each.
    let idx = u64::from(sound[128]);
    let word = |at: u64| u64::from_le_bytes(sound[at as usize..][..8].try_into().unwrap());
    let head = word(64 + 40 * idx);
    let said = verify(head + 40 + 36, b"!");
    assert!(said.out.contains("is not a valid packet"), "{said:?}");
    let second = word(head + 16);
    let said = verify(second, &[9; 8]);
    assert!(said.out.contains(&format!("at offset {second} is damaged: seq")), "{said:?}");
    let said = verify(48 + 40 * (1 - idx), &[1; 8]);
    assert!(said.out.contains("the state pages differ"), "{said:?}");
    let said = verify(136, &[255; 8]);
    assert!(said.err.contains("arena size"), "{said:?}");
    let said = verify(0, b"XLEPH");
    assert!(said.err.contains("not an AlephZero topic"), "{said:?}");
}

/// Files of all kinds of nonsense: an error in one line or a skipped message, never a signal, never without end.
#[test]
fn damaged_files_never_crash_anything() {
    let root = Root::new();
    root.ok("pub good --size 100 --count 50 --arena 4K");
    let good = fs::read(root.path("good.pubsub.a0")).unwrap();
    let path = root.path("bad.pubsub.a0");
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let mut files: Vec<Vec<u8>> =
        [0, 1, 9, 143, 144, 145, 183, 200, 1000, 4095].map(|len| good[..len].to_vec()).to_vec();
    files.push((0..5000).map(|_| random() as u8).collect());
    files.push(vec![0xFF; 5000]);
    files.push([&[1, 1][..], &[0; 4094]].concat());
    for extreme in [u64::MAX, 1 << 63, 1 << 40, 145, 1] {
        for at in (48..144).step_by(8) {
            let mut file = good.clone();
            file[at..at + 8].copy_from_slice(&extreme.to_le_bytes());
            files.push(file);
        }
    }
    for _ in 0..60 {
        let mut file = good.clone();
        for _ in 0..20 {
            let at = 16 + random() as usize % (file.len() - 16);
            file[at] = random() as u8;
        }
        files.push(file);
    }
    let commands = ["ls", "stat bad", "verify bad", "echo bad --init oldest --timeout 0"];
    for (number, file) in files.iter().enumerate() {
        for command in commands {
            fs::write(&path, file).unwrap();
            let said = root.run(command);
            let expected: &[i32] = match command {
                "ls" => &[0],
                "stat bad" | "verify bad" => &[0, 1],
                _ => &[1, 3],
            };
            assert!(expected.contains(&said.code.unwrap_or(-1)), "file {number}, a0 {command}: {said:?}");
            assert!(!said.err.contains("panicked"), "file {number}, a0 {command}: {said:?}");
            let complaints = said.err.lines().all(|line| line.starts_with("a0: "));
            assert!(complaints, "file {number}, a0 {command}: {said:?}");
            if !command.starts_with("echo") {
                assert_eq!(&fs::read(&path).unwrap(), file, "file {number}: a0 {command} has changed it");
            }
        }
    }
}

/// One after the other, so that it takes neither the memory nor the file descriptors of all.
#[test]
fn ten_thousand_topics_are_listed_with_little() {
    let root = Root::new();
    root.ok("pub many/0 x --arena 4K");
    for i in 1..10_000 {
        std::fs::copy(root.path("many/0.pubsub.a0"), root.path(&format!("many/{i}.pubsub.a0"))).unwrap();
    }
    let mut command = std::process::Command::new("sh");
    let limited = format!("ulimit -n 32; ulimit -v 200000; exec {} ls --format json", env!("CARGO_BIN_EXE_a0"));
    command.args(["-c", &limited]).env("A0_ROOT", root.0.path());
    let said = said(command.output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(said.out.lines().count(), 10_000);
    assert!(!said.out.contains("\"error\""));
}

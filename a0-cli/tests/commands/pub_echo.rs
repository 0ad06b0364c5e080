//! `a0 pub` and `a0 echo`.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{Root, finish, one_complaint, said, send};
use a0_testkit::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[test]
fn a_message_crosses() {
    let root = Root::new();
    let echo = root.start("echo chat --count 1 --init oldest");
    root.await_topic("chat");
    root.ok("pub chat hello");
    let said = finish(echo, Duration::from_secs(20));
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "[1] hello\n", ""));
}

#[test]
fn text_format() {
    let root = Root::new();
    root.ok("pub chat plain");
    root.ok("pub chat with -H a=b --header c=d=e");
    assert_eq!(root.publish("pub chat", b"\x1b[2J\ttab\n\xff\x00\nlast").code, Some(0));
    let text = root.run("echo chat --init oldest --timeout 0");
    let lines = "[1] plain\n[2] {a=b, c=d=e} with\n[3] \\u{1b}[2J\\ttab\n[4] <2 bytes> ff00\n[5] last\n";
    assert_eq!((text.out.as_str(), text.code), (lines, Some(3)));
}

#[test]
fn json_format() {
    let root = Root::new();
    root.ok("pub cam/front plain -H k=v -H k=w");
    root.publish("pub cam/front", b"\xff\xfe\n");
    let out = root.ok("echo cam/front --init oldest --count 2 --format json");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second] = &lines[..] else { panic!("{out}") };
    let keys: Vec<_> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["topic", "seq", "id", "headers", "payload", "missed"]);
    assert_eq!(first["topic"], "cam/front");
    assert_eq!(first["seq"], 1);
    assert_eq!(first["id"].as_str().unwrap().len(), 36);
    assert_eq!(first["missed"], 0);
    assert_eq!(first["payload"], "plain");
    let headers = first["headers"].as_array().unwrap();
    assert_eq!(headers[5..], [json!(["k", "v"]), json!(["k", "w"])]);
    let standard: Vec<_> = headers[..5].iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert_eq!(standard, ["a0_transport_seq", "a0_time_mono", "a0_writer_seq", "a0_writer_id", "a0_time_wall"]);
    assert_eq!(second["payload_base64"], "//4=");
    assert_eq!(second.get("payload"), None);
}

#[test]
fn raw_format() {
    let root = Root::new();
    root.publish("pub bytes", b"a\nb\n");
    assert_eq!(root.ok("echo bytes --init oldest -n 2 --format raw"), "a\nb\n");
    assert_eq!(root.ok("echo bytes --init oldest -n 2 --format raw --no-newline"), "ab");
}

#[test]
fn where_to_start_and_how_to_go_on() {
    let root = Root::new();
    root.publish("pub t", b"1\n2\n3\n");
    assert_eq!(root.ok("echo t --init most-recent -n1"), "[3] 3\n");
    assert_eq!(root.ok("echo t --init oldest -n1"), "[1] 1\n");
    assert_eq!(root.ok("echo t --init oldest --iter newest -n2"), "[1] 1\n-- 1 missed --\n[3] 3\n");
    let nothing = root.run("echo t --timeout 0.05");
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(3), ""));
    assert_eq!(root.ok("echo t --count 0"), "");
}

#[test]
fn what_was_overwritten_is_counted() {
    let root = Root::new();
    root.ok("pub t --size 500 --count 100 --arena 4K");
    let out = root.ok("echo t --init oldest -n1 --format json");
    let first: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(first["missed"], 0, "it starts with the oldest there is: {out}");
    assert!(first["seq"].as_u64().unwrap() > 90);
}

#[test]
fn timeouts() {
    let root = Root::new();
    root.publish("pub t", b"1\n2\n");
    let started = Instant::now();
    let said = root.run("echo t --init oldest --count 3 --timeout 0.3");
    assert_eq!((said.code, said.out.lines().count(), said.err.as_str()), (Some(3), 2, ""));
    assert!((300..20_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    // In all, not for each message.
    let mut busy = root.start("pub t x --rate 100");
    until(|| {
        let said = root.run("echo t --timeout 0.3");
        assert_eq!(said.code, Some(3));
        said.out.lines().count() > 10
    });
    busy.kill().unwrap();
    busy.wait().unwrap();
}

#[test]
fn lines_of_input() {
    let root = Root::new();
    assert_eq!(root.publish("pub t --count 3", b"1\n\n3\n4\n").code, Some(0));
    assert_eq!(root.run("echo t --init oldest --timeout 0").out, "[1] 1\n[2] \n[3] 3\n");
    assert_eq!(root.publish("pub t", b"").code, Some(0));
    assert_eq!(root.ok("stat t").lines().find(|line| line.starts_with("seq high")), Some("seq high           3"));
}

#[test]
fn rate_and_count() {
    let root = Root::new();
    let started = Instant::now();
    root.ok("pub t x --rate 50 --count 11");
    assert!((200..20_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    root.ok("pub t x --count 5");
    assert!(root.ok("ls").contains("1-16"));
}

#[test]
fn generated_payloads_are_checked_across_processes() {
    let root = Root::new();
    let echo = root.start("echo load --check --count 2000 --init oldest --timeout 20 --format raw");
    root.await_topic("load");
    root.ok("pub load --size 300 --count 1000");
    root.ok("pub load --size 4K --count 1000");
    let echo = finish(echo, Duration::from_secs(20));
    assert_eq!((echo.code, echo.err.as_str()), (Some(0), ""));
    assert_eq!(echo.out.lines().count(), 2000);

    root.ok("pub load something-else");
    let wrong = root.run("echo load --check --init most-recent --count 1");
    assert_eq!(
        one_complaint(wrong),
        "load: the payload of message 2001 is wrong: byte 1 is not what 'a0 pub --size' writes there"
    );
}

#[test]
fn a_loss_that_is_reported_passes_the_check() {
    let root = Root::new();
    let mut load = root.start("pub load --size 1K --arena 8K --rate 20000");
    root.await_topic("load");
    let out = root.run("echo load --check --timeout 0.5");
    assert_eq!((out.code, out.err.as_str()), (Some(3), ""));
    load.kill().unwrap();
    load.wait().unwrap();
}

#[test]
fn too_large_for_the_arena() {
    let root = Root::new();
    root.ok("pub small keep --arena 4096");
    let complaint = one_complaint(root.publish("pub small", &[b'x'; 10_000]));
    assert!(complaint.contains("small.pubsub.a0") && complaint.contains("larger than the arena"), "{complaint}");
    for size in ["5000", "999G", "16000000000G"] {
        let complaint = root.fails(&format!("pub small --size {size}"));
        assert!(complaint.contains("larger than the arena"), "{complaint}");
    }
    assert_eq!(root.ok("echo small --init oldest -n1"), "[1] keep\n", "history survives");
    let complaint = root.fails("pub tiny x --arena 10");
    assert!(complaint.contains("too small"), "{complaint}");
}

#[test]
fn wrong_usage() {
    let root = Root::new();
    for args in [
        "pub",
        "pub t x --header K",
        "pub t x --header =v",
        "pub t x --rate 0",
        "pub t x --rate -1",
        "pub t x --count -1",
        "pub t x --size 10",
        "pub t --size 10X",
        "pub t x y",
        "echo",
        "echo t --format yaml",
        "echo t --init first",
        "echo t --timeout -1",
        "echo t --timeout soon",
        "ls --format raw",
        "stat",
        "verify",
        "rm",
        "clear",
        "completions",
        "completions cmd.exe",
        "frobnicate",
        "",
    ] {
        let said = root.run(args);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "a0 {args}");
        assert!(!said.err.is_empty(), "a0 {args}");
    }
    assert!(!root.path("t.pubsub.a0").exists(), "nothing was created");
}

#[test]
fn bad_names_and_environment() {
    let root = Root::new();
    for command in ["pub", "echo", "clear", "rm", "stat", "verify"] {
        let args: &[&str] = if command == "pub" { &["pub", "", "x"] } else { &[command, ""] };
        let complaint = one_complaint(said(root.command_with(args).output().unwrap()));
        assert!(complaint.contains("invalid topic name \"\""), "{complaint}");

        let args = if command == "pub" { "pub t x".to_owned() } else { format!("{command} t") };
        let relative = root.command(&args).env("A0_ROOT", "relative").output().unwrap();
        assert!(one_complaint(said(relative)).contains("A0_ROOT"));
        let template = root.command(&args).env("A0_TOPIC_TMPL_PUBSUB", "same.a0").output().unwrap();
        assert!(one_complaint(said(template)).contains("A0_TOPIC_TMPL_PUBSUB"));
    }
    for command in ["pub", "echo"] {
        let complaint = one_complaint(said(root.command(&format!("{command} /abs")).output().unwrap()));
        assert!(complaint.contains("\"/abs\""), "{complaint}");
    }
    let newline = said(root.command_with(&["stat", "no\nsuch"]).output().unwrap());
    assert!(one_complaint(newline).contains("no\\nsuch"));
    for (variable, value) in [("A0_ROOT", "relative"), ("A0_TOPIC_TMPL_RPC", "none")] {
        let complaint = one_complaint(said(root.command("ls").env(variable, value).output().unwrap()));
        assert!(complaint.contains(variable), "{complaint}");
    }
}

#[test]
fn without_permission_to_write_it_only_reads() {
    let root = Root::new();
    root.publish("pub t", b"1\n2\n");
    let path = root.path("t.pubsub.a0");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
    std::fs::set_permissions(root.0.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // A copy that somebody else may run, too.
    let program = root.path("a0");
    std::fs::copy(env!("CARGO_BIN_EXE_a0"), &program).unwrap();
    let am_root = std::fs::metadata(&program).unwrap().uid() == 0;
    let stranger = |args: &str| {
        let mut command = std::process::Command::new(&program);
        command.args(args.split(' ')).env("A0_ROOT", root.0.path());
        if am_root {
            command.uid(65534).gid(65534);
        }
        // Busy while another test's child, which is just being started, has inherited the copy open for writing.
        let mut output = command.output();
        until(|| {
            if output.as_ref().is_err_and(|error| error.kind() == ErrorKind::ExecutableFileBusy) {
                output = command.output();
            }
            output.is_ok()
        });
        said(output.unwrap())
    };
    let echo = stranger("echo t --init oldest --count 2");
    assert_eq!((echo.code, echo.out.as_str(), echo.err.as_str()), (Some(0), "[1] 1\n[2] 2\n", ""));
    assert_eq!(stranger("echo t --timeout 0.1").code, Some(3));
    for args in ["ls", "stat t", "verify t"] {
        assert_eq!(stranger(args).code, Some(0), "a0 {args}");
    }
    for args in ["pub t x", "clear t", "rm t", "echo other"] {
        if args != "rm t" && args != "echo other" || am_root {
            assert!(one_complaint(stranger(args)).contains("permission"), "a0 {args}");
        }
    }
}

#[test]
fn a_topic_that_is_removed_is_followed() {
    let root = Root::new();
    let mut echo = root.start("echo t --init oldest");
    let mut lines = BufReader::new(echo.stdout.take().unwrap()).lines();
    root.await_topic("t");
    root.ok("pub t before");
    assert_eq!(lines.next().unwrap().unwrap(), "[1] before");
    root.ok("rm t");
    until(|| root.path("t.pubsub.a0").exists());
    root.ok("pub t after");
    assert_eq!(lines.next().unwrap().unwrap(), "[1] after");
    echo.kill().unwrap();
    echo.wait().unwrap();
    let mut complaint = String::new();
    echo.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert!(complaint.contains("was removed"), "{complaint}");
}

#[test]
fn publishing_goes_on_after_the_topic_was_removed() {
    let root = Root::new();
    let mut publisher = root.start("pub t again --rate 50");
    root.await_topic("t");
    root.ok("rm t");
    // Not the subscriber brings it back.
    until(|| root.path("t.pubsub.a0").exists());
    assert_eq!(root.ok("echo t --init oldest -n1"), "[1] again\n");
    send(&publisher, Signal::SIGINT);
    let mut complaint = String::new();
    publisher.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    publisher.wait().unwrap();
    assert_eq!(complaint.matches("was removed; going on with a new topic").count(), 1, "{complaint}");
}

/// Needs root. `a0 echo` reads where it cannot lock; `a0 pub` says why it cannot.
#[test]
fn from_another_pid_namespace_only_reading_is_possible() {
    let root = Root::new();
    let elsewhere = |args: &str| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child", env!("CARGO_BIN_EXE_a0")]);
        command.args(args.split(' ')).env("A0_ROOT", root.0.path());
        said(command.output().expect("the command `unshare` is needed here (package util-linux)"))
    };
    let mut holder = root.start("pub t x --rate 20");
    root.await_topic("t");
    let echoed = elsewhere("echo t --init oldest -n2");
    assert_eq!(echoed.code, Some(0), "is this root, as it must be? {echoed:?}");
    assert_eq!(echoed.out, "[1] x\n[2] x\n");
    let refused = one_complaint(elsewhere("pub t y"));
    assert!(refused.contains("PID namespace") && refused.contains("--pid=host"), "{refused}");
    let stat = elsewhere("stat t").out;
    let ours = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let ours = ours.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
    assert!(stat.contains(&format!("pid namespace      {ours}\n")), "{stat}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    // Nobody is left who could lock it.
    assert_eq!(elsewhere("pub t y").code, Some(0));
}

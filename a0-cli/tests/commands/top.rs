//! `a0 top`, in a terminal and without one.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::{Root, send_to, terminal};
use crate::sandbox::without_privileges;
use a0_std::{File, FileOptions};
use a0_testkit::{bare, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// A terminal of 80 by 24 in which `a0 top` runs, and then a shell says how that ended.
struct Terminal<'r> {
    root: &'r Root,
    /// Where its server listens, which no other one does, not even while it ends.
    socket: PathBuf,
}

impl Terminal<'_> {
    fn start<'r>(root: &'r Root, args: &str) -> Terminal<'r> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let socket = root.path(&format!("tmux{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let terminal = Terminal { root, socket };
        let (pid, a0) = (root.path("pid"), env!("CARGO_BIN_EXE_a0"));
        let script = format!(
            "echo before; sh -c 'echo $$ > {}; exec {a0} top {args} --interval 0.05'; echo \"ended with $?\"; stty -a; sleep 100",
            pid.display()
        );
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &script]);
        terminal
    }

    fn tmux(&self, args: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(&self.socket).args(args).env_remove("TMUX");
        tmux.env("A0_ROOT", self.root.0.path()).env("LANG", "C.UTF-8").env("SHELL", "/bin/sh");
        let output = tmux.output().expect("this test needs tmux");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is like this.
    fn until(&self, shown: impl Fn(&str) -> bool) -> String {
        let mut screen = String::new();
        let wait = std::panic::AssertUnwindSafe(|| {
            until(|| {
                screen = self.screen();
                shown(&screen)
            });
        });
        if let Err(panic) = std::panic::catch_unwind(wait) {
            eprintln!("the screen:\n{screen}");
            std::panic::resume_unwind(panic);
        }
        screen
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits for the end, behind which everything must be as it was before; gives what is shown.
    fn is_given_back(&self, code: i32) -> String {
        let screen = self.until(|screen| screen.contains("iexten"));
        assert!(screen.starts_with("before\n") && screen.contains(&format!("ended with {code}\n")), "{screen}");
        for mode in ["icanon", "echo", "isig", "icrnl", "opost"] {
            assert!(screen.split_whitespace().any(|word| word.trim_end_matches(';') == mode), "{mode}: {screen}");
        }
        // The cursor is shown.
        assert_eq!(self.tmux(&["display-message", "-p", "#{cursor_flag} #{alternate_on}"]), "1 0\n");
        screen
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn in_a_terminal() {
    let root = Root::new();
    root.ok("pub cam/front hello --arena 65536");
    root.command_with(&["pub", "evil\x1b]0;x\x07", "x", "--arena", "65536"]).status().unwrap();
    let top = Terminal::start(&root, "");
    let screen = top.until(|screen| {
        screen.contains("2 of 2 topics") && screen.lines().nth(23).is_some_and(|line| line.starts_with("q quit"))
    });
    let lines: Vec<_> = screen.lines().collect();
    assert_eq!(lines[0], "a0 top  2 of 2 topics  by name");
    assert!(lines[1].starts_with("TOPIC") && lines[1].ends_with("LOST"), "{screen}");
    assert!(screen.contains("cam/front") && screen.contains("evil\\u{1b}]0;x\\u{7}"), "{screen}");
    assert!(!screen.contains("before"));
    // Topics come and go, and their numbers change.
    root.ok("pub cam/rear x --arena 65536");
    top.until(|screen| screen.contains("cam/rear"));
    root.ok("rm cam/rear");
    top.until(|screen| !screen.contains("cam/rear"));
    root.ok("pub cam/front hello --count 99");
    top.until(|screen| screen.lines().any(|line| line.starts_with("cam/front") && line.contains(" 100 ")));
    // All sizes.
    top.tmux(&["resize-window", "-x", "30", "-y", "6"]);
    top.until(|screen| screen.lines().nth(5).is_some_and(|line| line.starts_with("q quit")));
    top.tmux(&["resize-window", "-x", "1", "-y", "1"]);
    top.tmux(&["resize-window", "-x", "120", "-y", "30"]);
    top.until(|screen| screen.lines().nth(1).is_some_and(|line| line.ends_with("LOCK")));
    // One topic.
    top.press(&["/", "c", "a", "m", "Enter"]);
    top.until(|screen| screen.starts_with("a0 top  1 of 2 topics  by name  filter: cam\n"));
    top.press(&["Enter"]);
    top.until(|screen| screen.starts_with("cam/front  pubsub") && screen.contains("\n[100] 5 B  hello\n"));
    root.command_with(&["pub", "cam/front", "{\"k\":[7,\"\x1b[2J\"]}", "-H", "key=value"]).status().unwrap();
    top.until(|screen| screen.contains("{\"k\":[7,\"\\u{1b}[2J\"]}") && screen.contains("\nkey: value\n"));
    root.command_with(&["pub", "cam/front", "{\"k\":[7]}"]).status().unwrap();
    top.until(|screen| screen.contains("\n[102] 9 B  {\"k\":[7]}\n"));
    top.press(&["d"]);
    top.until(|screen| screen.contains("; as JSON --\n{\n  \"k\": [\n    7\n  ]\n}\n"));
    top.press(&["d"]);
    top.until(|screen| screen.contains("; as hex --\n000000  7b 22 6b 22 3a 5b 37 5d 7d "));
    root.ok("rm cam/front");
    top.until(|screen| screen.starts_with("This topic was removed."));
    top.press(&["q"]);
    let screen = top.until(|screen| screen.contains("iexten"));
    assert!(screen.contains("ended with 0\n") && screen.contains("before\n"), "{screen}");
}

#[test]
fn the_terminal_is_given_back() {
    let root = Root::new();
    for (keys, code) in [(Some("q"), 0), (Some("Escape"), 0), (Some("C-c"), 130), (None, 143)] {
        let top = Terminal::start(&root, "--sort rate");
        top.until(|screen| screen.contains("q quit"));
        match keys {
            Some(keys) => top.press(&[keys]),
            None => {
                let pid = std::fs::read_to_string(root.path("pid")).unwrap();
                send_to(pid.trim().parse().unwrap(), Signal::SIGTERM);
            }
        }
        top.is_given_back(code);
    }
}

#[test]
fn the_terminal_is_given_back_when_a_topic_is_truncated() {
    let root = Root::new();
    for _ in 0..20 {
        root.ok("pub t hello");
        let top = Terminal::start(&root, "");
        top.until(|screen| screen.contains("pubsub") && screen.contains("q quit"));
        top.press(&["Enter"]);
        top.until(|screen| screen.contains("hello"));
        // It reads for each key, and before that it looks at the file if the last time was long ago. So these follow each other
        // without a pause.
        let truncate = format!(": > {}", root.path("t.pubsub.a0").display());
        top.tmux(&["send-keys", "d", ";", "run-shell", &truncate, ";", "send-keys", "d"]);
        let screen = top.until(|screen| screen.contains("ended with") || screen.contains(" was truncated to 0 of "));
        if screen.contains("ended with") {
            assert!(top.is_given_back(1).contains("t.pubsub.a0 was truncated while"), "{screen}");
            return;
        }
        root.ok("rm t");
    }
    panic!("it always looks before it reads");
}

#[test]
fn terminals_that_are_little_good() {
    let root = Root::new();
    root.ok("pub t hello --arena 65536");
    let complaint = root.fails("top");
    assert!(complaint.contains("no terminal") && complaint.contains("a0 top --once"), "{complaint}");
    for (term, no_color, columns, rows) in
        [("xterm", "", 80, 24), ("xterm", "1", 80, 24), ("xterm", "", 0, 0), ("dumb", "", 80, 24)]
    {
        let (mut master, slave) = terminal(columns, rows);
        let mut command = root.command("top --interval 0.05");
        command.env("TERM", term).env("NO_COLOR", no_color);
        command.stdin(slave.try_clone().unwrap()).stdout(slave);
        let child = command.spawn().unwrap();
        drop(command);
        let mut shown = vec![];
        if term == "dumb" {
            let complaint = crate::common::one_complaint(crate::common::said(child.wait_with_output().unwrap()));
            assert!(complaint.contains("a0 top --once"), "{complaint}");
            continue;
        }
        // What it begins with; in raw mode from then on.
        let begun = b"\x1b[?1049h";
        while !shown.ends_with(begun) {
            let mut byte = [0];
            master.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        master.write_all(b"q").unwrap();
        // An error once nobody has the other end any more.
        let _ = master.read_to_end(&mut shown);
        let said = crate::common::said(child.wait_with_output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.contains("TOPIC"), columns > 0, "{shown:?}");
        assert!(shown.contains("\x1b[?1049l"), "{shown:?}");
    }
}

#[test]
fn once_for_scripts_and_without_a_trace() {
    let root = Root::new();
    root.ok("pub cam/front hello --arena 65536 --count 3");
    root.ok("cfg write robot 1");
    std::fs::write(root.path("new.rpc.a0"), vec![0; 4096]).unwrap();
    std::fs::write(root.path("bad.log.a0"), [7; 500]).unwrap();
    std::fs::write(root.path("free.deadman"), [0; 32]).unwrap();
    let path = root.path("cam/front.pubsub.a0");
    std::fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let said = without_privileges(&root.command("top --once --interval 0.05"), root.0.path());
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let words: Vec<Vec<_>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], "TOPIC PROTO RATE/s BYTES/s LATEST TOTAL USED LOST WAITS LOCK".split(' ').collect::<Vec<_>>());
    assert_eq!(words[1][..3], ["bad", "log", "error"]);
    assert_eq!(words[2][..3], ["cam/front", "pubsub", "0.0"]);
    assert_eq!(words[2][7..], ["3", "2%", "0", "no", "free"]);
    assert_eq!((words[3][2], words[4][2], words.len()), ("free", "new", 6));
    // That is not damage.
    std::fs::set_permissions(root.path("robot.cfg.a0"), Permissions::from_mode(0o000)).unwrap();
    let said = without_privileges(&root.command("ls"), root.0.path());
    assert!(said.out.contains(" error: no permission to read ") && !said.out.contains("damaged"), "{said:?}");

    // Somebody has the lock.
    let file = File::open(&path, &FileOptions::default()).unwrap();
    let locked = bare(&file).lock(None).unwrap();
    let out = root.ok("top cam/** --format json --interval 0.05");
    drop(locked);
    let object: Value = serde_json::from_str(&out).unwrap();
    let lock = &object["lock"];
    assert_eq!((&lock["pid"], lock["thread"].is_u64()), (&json!(std::process::id()), true), "{out}");
    for (key, value) in [
        ("topic", json!("cam/front")),
        ("rate", json!(0.0)),
        ("seq_high", json!(3)),
        ("lost", json!(0)),
        ("subscriber_lag", Value::Null),
    ] {
        assert_eq!(object[key], value, "{key}: {out}");
    }
    let out = root.ok("top --protocol log --protocol rpc --format json --interval 0.05");
    let objects: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(objects[0]["error"].as_str().unwrap().contains("bad.log.a0"), "{out}");
    assert_eq!((&objects[1]["new"], objects.len()), (&json!(true), 2));
    let mut after = std::fs::read(&path).unwrap();
    // This test itself has locked it.
    after[32..48].copy_from_slice(&before[32..48]);
    assert!(after == before);
    assert_eq!(root.run("top --interval 0").code, Some(2));
    assert!(root.fails("top /x --once").contains("starts with '/'"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(root.ok(&format!("completions {shell}")).contains("bandwidth"));
    }
}

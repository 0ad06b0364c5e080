//! `a0 demo`, `a0 completions`, help.

mod common;

use std::time::{Duration, Instant};

use common::Root;

#[test]
fn the_demo_shows_messages_and_all_rows() {
    let root = Root::new();
    let started = Instant::now();
    let out = root.ok("demo");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(out.matches("hears:").count(), 3, "{out}");
    assert_eq!(out.matches("and answers").count(), 3, "{out}");
    for (row, times) in [
        ("raw cache line", 2),
        ("polled round trip, 64 B raw", 1),
        ("polled round trip, 64 B packets", 1),
        ("blocking round trip", 1),
        ("publish 64 B raw into a full arena", 1),
        ("publish 64 B with id and five headers into", 1),
        ("received from a process", 2),
    ] {
        assert_eq!(out.matches(row).count(), times, "{row}: {out}");
    }
    assert!(!out.contains("NaN"), "{out}");
    let calls: Vec<_> = out.lines().filter(|line| line.contains("system calls per publish")).collect();
    match calls[..] {
        [raw, packet, waking] => {
            assert!(raw.trim_start().starts_with("0.00 "), "{raw}");
            assert!(packet.trim_start().starts_with("0.00 "), "{packet}");
            let waking: f64 = waking.split_whitespace().next().unwrap().parse().unwrap();
            // Less than 1 if the reader has not fallen asleep again each time.
            assert!(waking > 0.0 && waking < 1.5, "{out}");
        }
        [refused] => assert!(refused.contains("not measured: "), "{refused}"),
        _ => panic!("{out}"),
    }
    assert_eq!(std::fs::read_dir(root.0.path()).unwrap().count(), 0, "it keeps out of A0_ROOT");
}

#[test]
fn completions() {
    let root = Root::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = root.ok(&format!("completions {shell}"));
        assert!(script.contains("echo") && script.contains("timeout"), "{shell}");
        assert!(!script.contains("demo-peer"), "{shell}");
    }
}

#[test]
fn help_has_examples() {
    let root = Root::new();
    for command in ["pub", "echo", "ls", "stat", "verify", "clear", "rm", "completions"] {
        let help = root.ok(&format!("{command} --help"));
        assert!(help.contains("Example"), "{command}: {help}");
    }
    let help = root.ok("--help");
    assert!(help.contains("Exit codes:") && !help.contains("demo-peer"), "{help}");
}

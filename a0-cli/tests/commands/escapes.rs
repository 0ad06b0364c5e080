//! What others have sent cannot command the terminal of who looks at it, nor pretend to be something else.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

use std::io::Read;
use std::process::Child;
use std::time::Duration;

use crate::common::{Root, Said, finish, said, send, terminal};
use a0_testkit::until;
use nix::sys::signal::Signal;
use serde_json::Value;

/// A name and a payload that clear the screen, set the title of the window, and change the direction of writing.
const NAME: &str = "ev\u{1b}[31mil\u{9b}31m\u{202e}x\u{61c}\u{7f}";
const PAYLOAD: &str = "pay\u{1b}]0;owned\u{7}\u{9b}2Jload\u{202e}\u{2066}\u{200f}";

/// Of everything that can be looked at, something; and servers, which are killed at the end.
struct Stage {
    root: Root,
    servers: Vec<Child>,
}

impl Stage {
    fn new() -> Stage {
        let root = Root::new();
        let run = |args: &[&str]| {
            let said = said(root.command_with(args).output().unwrap());
            assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        };
        run(&["pub", NAME, PAYLOAD, "-H", &format!("{NAME}={PAYLOAD}")]);
        run(&["cfg", "write", NAME, &Value::from(PAYLOAD).to_string()]);
        run(&["log", "write", NAME, "err", PAYLOAD]);
        std::fs::write(root.path(&format!("{NAME}.bad.pubsub.a0")), "junk").unwrap();
        std::fs::write(root.path(&format!("{NAME}.new.pubsub.a0")), [0; 1000]).unwrap();
        let servers = ["rpc", "prpc"].map(|protocol| {
            let args = [protocol, "serve", NAME, "--", "printf", "%s\\n", PAYLOAD];
            root.command_with(&args).env("PATH", "/usr/bin:/bin").spawn().unwrap()
        });
        let stage = Stage { root, servers: servers.into() };
        for protocol in ["rpc", "prpc"] {
            until(|| stage.run(&[protocol, "call", NAME, "--timeout", "10"]).code == Some(0));
        }
        stage
    }

    fn run(&self, args: &[&str]) -> Said {
        said(self.root.command_with(args).output().unwrap())
    }

    /// What it prints on a terminal.
    fn shown(&self, args: &[&str]) -> Vec<u8> {
        let (mut master, slave) = terminal(300, 50);
        let mut command = self.root.command_with(args);
        command.env("TERM", "dumb").env("NO_COLOR", "1").stdout(slave.try_clone().unwrap()).stderr(slave);
        let child = command.spawn().unwrap();
        // It has the other ends.
        drop(command);
        let mut text = vec![];
        // It ends with an error.
        let _ = master.read_to_end(&mut text);
        assert_ne!(finish(child, Duration::from_secs(20)).code, Some(2), "{args:?}");
        text
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for mut server in self.servers.drain(..) {
            send(&server, Signal::SIGTERM);
            server.wait().unwrap();
        }
    }
}

/// What of a text would do more than be seen.
fn special(text: &str) -> Vec<char> {
    let special = |c: &char| {
        c.is_control() && !['\n', '\r'].contains(c)
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(special).collect()
}

/// Every command that prints something of others; `NAME` stands for the name.
const COMMANDS: [&str; 22] = [
    "echo NAME --init oldest --count 1",
    "cfg watch NAME --count 1",
    "log tail NAME --init oldest --count 1",
    "rpc call NAME",
    "prpc call NAME",
    "rpc echo NAME --init oldest --timeout 0",
    "prpc echo NAME --init oldest --timeout 0",
    "deadman state NAME.rpc",
    "ls",
    "stat NAME",
    "stat NAME.new",
    "watch --timeout 0.2",
    "top --once",
    "hz NAME --window 0.1 --count 1",
    "bw NAME --window 0.1 --count 1",
    "delay NAME --window 0.1 --count 1",
    "info run.mcap",
    "doctor --verbose",
    "record --check --rules rules.json",
    "verify NAME.bad",
    "cfg read NAME",
    "echo NAME --init oldest --count 1 --format raw",
];

#[test]
fn nothing_commands_the_terminal() {
    let stage = Stage::new();
    let [recording, rules] = ["run.mcap", "rules.json"].map(|name| stage.root.path(name).display().to_string());
    let rule = serde_json::json!({"protocol": "pubsub", "topic": NAME, "policies": [{"type": "save_all"}]});
    let unused = serde_json::json!({"protocol": "log", "topic": "\u{202e}*", "policies": [{"type": "save_all"}]});
    std::fs::write(&rules, serde_json::json!({"rules": [rule, unused]}).to_string()).unwrap();
    stage.run(&["record", "--history", "--duration", "0.1", "-o", &recording]);
    for command in COMMANDS {
        let put = |word: &str| match word {
            "run.mcap" => recording.clone(),
            "rules.json" => rules.clone(),
            word => word.replace("NAME", NAME),
        };
        let words: Vec<String> = command.split(' ').map(put).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let shown = stage.shown(&words);
        let text = std::str::from_utf8(&shown).unwrap_or_else(|error| panic!("{command}: {error}: {shown:?}"));
        assert!(!text.is_empty() && special(text).is_empty(), "{command}: {text:?}");
        if ["cfg read", "verify"].iter().any(|start| command.starts_with(start)) || command.ends_with("raw") {
            continue;
        }
        // For other programs, which may print parts of it.
        let said = stage.run(&[&words[..], &["--format", "json"]].concat());
        assert!(!said.out.is_empty() && special(&(said.out.clone() + &said.err)).is_empty(), "{command}: {said:?}");
        for line in said.out.lines() {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{command}: {error}: {line}"));
            assert!(command != "ls" || value["topic"].as_str().unwrap().starts_with(NAME), "{line}");
        }
    }
}

/// A pipe gets what was sent.
#[test]
fn bytes_stay_what_they_are_for_programs() {
    let stage = Stage::new();
    for protocol in ["rpc", "prpc"] {
        assert!(stage.run(&[protocol, "call", NAME]).out.starts_with(&format!("{PAYLOAD}\n")));
    }
    let echo = ["echo", NAME, "--init", "oldest", "--count", "1", "--format", "raw"];
    assert_eq!(stage.run(&echo).out, format!("{PAYLOAD}\n"));
    let cfg = stage.run(&["cfg", "read", NAME]).out;
    assert_eq!(cfg, format!("{}\n", Value::from(PAYLOAD)));
    let part = stage.run(&["cfg", "read", NAME, "--pointer", ""]).out;
    assert!(special(&part).is_empty() && serde_json::from_str::<Value>(&part).unwrap() == PAYLOAD, "{part:?}");
}

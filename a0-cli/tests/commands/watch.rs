//! `a0 watch`.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout};
use std::time::Duration;

use crate::common::{Root, finish, send};
use nix::sys::signal::Signal;

/// Far more than it takes, for machines that are busy with other tests.
const SOON: Duration = Duration::from_secs(10);

fn watch(root: &Root, args: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = root.start(args);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[test]
fn topics_as_they_come_and_go() {
    let root = Root::new();
    root.ok("pub cam/front x");
    root.ok("pub other x");
    let (child, mut lines) = watch(&root, "watch cam/** --count 4");
    assert_eq!(lines.next().unwrap().unwrap(), "found    pubsub   cam/front");
    root.ok("pub cam/rear/left x");
    assert_eq!(lines.next().unwrap().unwrap(), "found    pubsub   cam/rear/left");
    std::fs::write(root.path("cam/control.rpc.a0"), "").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "found    rpc      cam/control");
    root.ok("rm cam/front");
    assert_eq!(lines.next().unwrap().unwrap(), "removed  pubsub   cam/front");
    let said = finish(child, SOON);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn only_what_was_asked_for() {
    let root = Root::new();
    root.ok("pub old x");
    std::fs::write(root.path("server.rpc.a0"), "").unwrap();
    let (child, mut lines) = watch(&root, "watch --protocol rpc --protocol prpc --format json");
    let json: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let path = root.path("server.rpc.a0");
    assert_eq!(json, serde_json::json!({"event": "found", "protocol": "rpc", "topic": "server", "path": path}));
    root.ok("pub news x");
    std::fs::remove_file(path).unwrap();
    assert!(lines.next().unwrap().unwrap().contains("removed"));
    send(&child, Signal::SIGINT);
    assert_eq!(finish(child, SOON).code, Some(130));
    // It cannot be seen when it has looked for the first time, so topics are made until it has shown one.
    let mut child = root.start("watch --new-only --count 1");
    let mut made = 0;
    a0_testkit::until(|| {
        root.ok(&format!("pub new{made} x --arena 4K"));
        made += 1;
        child.try_wait().unwrap().is_some()
    });
    let said = finish(child, SOON);
    assert!(said.out.starts_with("found    pubsub   new") && said.out.lines().count() == 1, "{said:?}");
}

#[test]
fn it_ends() {
    let root = Root::new();
    let said = root.run("watch --timeout 0.1");
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(3), "", ""));
    assert!(root.fails("watch /x").contains("starts with '/'"));
    assert_eq!(root.run("watch --protocol nonsense").code, Some(2));
    // Nobody reads any more.
    let (child, lines) = watch(&root, "watch");
    drop(lines);
    let said = finish(child, SOON);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

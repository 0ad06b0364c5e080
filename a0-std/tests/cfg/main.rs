//! Configuration: reading, writing, patching at the same time, variables, hostile content.

mod hostile;
mod patches;
mod removal;
mod variables;

use std::thread;
use std::time::Duration;

use a0_std::{Cfg, CfgVar, Error, File, FileOptions, Protocol, Writer, keys};
use a0_testkit::actor::{say, script};
use a0_testkit::bare;
use a0_testkit::private_root::topic;
use serde_json::{Value, json};

/// Of each process in the test that loses none.
const PATCHES: usize = 300;

const PATIENCE: Duration = Duration::from_secs(20);

fn cfg() -> Cfg {
    Cfg::new(&topic()).unwrap()
}

fn content(cfg: &Cfg) -> String {
    String::from_utf8(cfg.read().unwrap().unwrap().into_payload()).unwrap()
}

/// The lock is free, and nothing came behind message `seq`.
fn is_untouched(cfg: &Cfg, seq: u64) {
    assert!(bare(cfg.file()).try_lock().unwrap().is_some(), "the lock is held");
    assert_eq!(cfg.file().state().unwrap().seq_high, seq);
}

#[test]
fn read_gives_the_newest() {
    let cfg = cfg();
    assert_eq!(cfg.read().unwrap(), None);
    assert!(matches!(cfg.read_blocking(Duration::ZERO), Err(Error::Timeout { .. })));
    assert!(matches!(cfg.read_blocking(Duration::from_millis(5)), Err(Error::Timeout { .. })));
    for text in ["first", "second", "third"] {
        let published = cfg.write(text).unwrap();
        let packet = cfg.read().unwrap().unwrap();
        assert_eq!((packet.payload(), *packet.id()), (text.as_bytes(), published.id));
        assert_eq!(cfg.read_blocking(None).unwrap(), packet);
    }
    cfg.file().clear().unwrap();
    assert_eq!(cfg.read().unwrap(), None);
}

#[test]
fn a_blocked_read_is_woken() {
    let name = topic();
    let cfg = Cfg::new(&name).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| cfg.read_blocking(PATIENCE).unwrap());
        thread::sleep(Duration::from_millis(20));
        Cfg::new(&name).unwrap().write("here").unwrap();
        assert_eq!(reader.join().unwrap().payload(), b"here");
    });
}

#[test]
fn packets_have_the_standard_headers_and_then_those_of_the_user() {
    let cfg = cfg();
    cfg.write_with(&[("k", "v")], "{}").unwrap();
    let packet = cfg.read().unwrap().unwrap();
    let names: Vec<_> = packet.headers().map(|(key, _)| key).collect();
    let standard = [keys::TRANSPORT_SEQ, keys::TIME_MONO, keys::WRITER_SEQ, keys::WRITER_ID, keys::TIME_WALL];
    assert_eq!(names, [&standard[..], &["k"]].concat());
    cfg.merge_patch("{}").unwrap();
    let packet = cfg.read().unwrap().unwrap();
    assert!(packet.headers().map(|(key, _)| key).eq(standard));
    assert_eq!((packet.header(keys::TRANSPORT_SEQ), packet.header(keys::WRITER_SEQ)), (Some("1"), Some("1")));
}

#[test]
fn only_the_first_one_writes_if_empty() {
    let name = topic();
    let written: usize = thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let cfg = Cfg::new(&name).unwrap();
                    move || usize::from(cfg.write_if_empty(n.to_string()).unwrap())
                })
            })
            .collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(written, 1);
    let cfg = Cfg::new(&name).unwrap();
    is_untouched(&cfg, 1);
    // What was not written takes no number.
    assert!(!cfg.write_if_empty("late").unwrap());
    cfg.write("x").unwrap();
    assert_eq!(cfg.read().unwrap().unwrap().header(keys::WRITER_SEQ), Some("0"));
    cfg.file().clear().unwrap();
    assert!(cfg.write_if_empty("empty again").unwrap());
}

/// Runs in processes of its own.
#[test]
#[ignore = "not a test: what the other tests start as a process of its own"]
fn child() {
    let Some((job, path)) = script() else { return };
    let cfg = Cfg::from_file(&File::open(path, &FileOptions::default()).unwrap());
    say("at work");
    match &*job {
        "forever" => {
            for n in 0_u64.. {
                let config = content(&cfg);
                check(&config);
                cfg.merge_patch(json!({ "left": n, "deep": { "right": n } }).to_string()).unwrap();
            }
        }
        // A member of its own with each patch: one that is lost is missing in the end.
        name => (0..PATCHES).for_each(|n| {
            cfg.merge_patch(json!({ name: { n.to_string(): n } }).to_string()).unwrap();
        }),
    }
}

fn check(config: &str) {
    let config: Value = serde_json::from_str(config).unwrap();
    assert_eq!(config["left"], config["deep"]["right"], "half a patch");
    assert_eq!(config["pad"].as_str().unwrap().len(), 2000);
    assert_eq!(config["deep"]["pad"], config["pad"]);
}

#[test]
fn handles_can_move_to_and_be_shared_with_other_threads() {
    fn check<T: Send + Sync>() {}
    check::<Cfg>();
    check::<CfgVar<String>>();
    check::<a0_std::CfgWatcher>();
    check::<a0_std::Logger>();
    check::<a0_std::LogListener>();
    check::<a0_std::LogListenerSync>();
}

#[test]
fn the_file_is_that_of_0_3() {
    let name = topic();
    let cfg = Cfg::new(&name).unwrap();
    assert_eq!(cfg.file().path(), a0_testkit::private_root::root().join(format!("{name}.cfg.a0")));
    assert_eq!(cfg.file().path(), Protocol::Cfg.path(&name).unwrap());
    Writer::new(cfg.file()).write("without any headers").unwrap();
    assert_eq!(content(&cfg), "without any headers");
}

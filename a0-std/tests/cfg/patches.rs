//! Patches: at the same time, by others, in processes that are killed.

use std::thread;
use std::time::{Duration, Instant};

use a0_core::{Encoder, Id, Mem};
use a0_std::{Cfg, CfgError, Error, FileOptions, Init, Publisher, SubscriberSync};
use serde_json::{Value, json};

use super::{PATCHES, cfg, check, content, is_untouched};
use a0_testkit::actor::Actor;
use a0_testkit::bare;
use a0_testkit::private_root::topic;

/// The bytes that AlephZero 0.3 writes.
#[test]
fn merge_patch_writes_the_bytes_of_0_3() {
    let cfg = cfg();
    let patched = |patch: &str| {
        cfg.merge_patch(patch).unwrap();
        content(&cfg)
    };
    assert_eq!(patched(r#" { "bar" : {"baz": 3} } "#), r#" { "bar" : {"baz": 3} } "#);
    assert_eq!(patched("{}"), r#"{"bar":{"baz":3}}"#);
    assert_eq!(patched(r#"{"bar": {"baz": 3, "bat": 4}, "zzz": 6}"#), r#"{"bar":{"baz":3,"bat":4},"zzz":6}"#);
    assert_eq!(patched(r#"{"bar": {"bat": 5}}"#), r#"{"bar":{"bat":5,"baz":3},"zzz":6}"#);
    assert_eq!(patched(r#"{"bar": null}"#), r#"{"zzz":6}"#);
}

#[test]
fn a_member_is_removed_and_another_one_set() {
    let cfg = cfg();
    cfg.write(r#"{"a":"b"}"#).unwrap();
    cfg.merge_patch(r#"{"a":null,"b":"c"}"#).unwrap();
    assert_eq!(content(&cfg), r#"{"b":"c"}"#);
}

#[test]
fn what_is_no_json_is_not_written() {
    let cfg = cfg();
    let fails = |patch: &str| match cfg.merge_patch(patch) {
        Err(Error::Cfg { path, cause }) => {
            assert_eq!(path, cfg.file().path());
            is_untouched(&cfg, cfg.file().state().unwrap().seq_high);
            cause
        }
        other => panic!("{other:?}"),
    };
    // On an empty topic it is not even looked at.
    cfg.merge_patch("foo").unwrap();
    assert_eq!(content(&cfg), "foo");
    assert!(matches!(fails("{}"), CfgError::ConfigNotJson(_)));
    assert!(matches!(fails("foo"), CfgError::ConfigNotJson(_)));
    cfg.write("{}").unwrap();
    assert!(matches!(fails("foo"), CfgError::PatchNotJson(_)));
    assert_eq!(content(&cfg), "{}");
    is_untouched(&cfg, 2);
    let said = cfg.merge_patch("foo").unwrap_err().to_string();
    assert!(said.contains(cfg.file().path().to_str().unwrap()) && said.contains("patch"), "{said}");
}

#[test]
fn what_does_not_fit_is_not_written() {
    let cfg = Cfg::with_options(&topic(), &FileOptions::default().size(4096)).unwrap();
    cfg.write(r#"{"a":1}"#).unwrap();
    let patch = json!({ "b": "x".repeat(5000) }).to_string();
    let error = cfg.merge_patch(patch).unwrap_err();
    assert!(matches!(error, Error::Topic { cause: a0_std::TopicError::FrameTooLarge { .. }, .. }), "{error}");
    assert_eq!(content(&cfg), r#"{"a":1}"#);
    is_untouched(&cfg, 1);
}

/// The newest message of a publisher, patched.
#[test]
fn any_file_can_be_patched() {
    let name = topic();
    let publisher = Publisher::new(&name).unwrap();
    let mut subscriber = SubscriberSync::new(&name, Init::AwaitNew).unwrap();
    publisher.publish(r#"{"a":"b","c":"d"}"#).unwrap();
    Cfg::from_file(publisher.file()).merge_patch(r#"{"a":null}"#).unwrap();
    assert_eq!(subscriber.read().unwrap().unwrap().payload(), br#"{"a":"b","c":"d"}"#);
    assert_eq!(subscriber.read().unwrap().unwrap().payload(), br#"{"c":"d"}"#);
}

/// Lets somebody else do `meanwhile` between the look at the configuration and the lock of a patch.
fn overtaken(cfg: &Cfg, patch: &str, meanwhile: impl FnOnce(&mut dyn FnMut(&[u8]))) -> a0_std::Result<()> {
    const WAITERS: u32 = 1 << 31;
    let topic = bare(cfg.file());
    let mut locked = topic.lock(None).unwrap();
    thread::scope(|scope| {
        let patching = scope.spawn(|| cfg.merge_patch(patch).map(|_| ()));
        // Only now has it read, and parsed, what there was.
        while topic.mem().load_u32(a0_core::layout::header::LOCK_WORD, std::sync::atomic::Ordering::SeqCst) & WAITERS
            == 0
        {
            thread::yield_now();
        }
        meanwhile(&mut |frame| {
            locked.push(frame).unwrap();
        });
        drop(locked);
        patching.join().unwrap()
    })
}

fn packet(payload: &str) -> Vec<u8> {
    let id = Id::from_random_bytes([7; 16]);
    let encoder = Encoder::new(&id, &[], payload.as_bytes()).unwrap();
    let mut bytes = vec![0; encoder.encoded_len()];
    encoder.encode_into(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_patch_that_is_overtaken_looks_again() {
    let cfg = cfg();
    cfg.write(r#"{"a":1}"#).unwrap();
    overtaken(&cfg, r#"{"b":2}"#, |push| push(&packet(r#"{"c":3}"#))).unwrap();
    assert_eq!(content(&cfg), r#"{"b":2,"c":3}"#);

    let error = overtaken(&cfg, r#"{"b":2}"#, |push| push(&packet("no JSON"))).unwrap_err();
    assert!(matches!(error, Error::Cfg { cause: CfgError::ConfigNotJson(_), .. }), "{error}");
    is_untouched(&cfg, 4);

    cfg.write("{}").unwrap();
    let error = overtaken(&cfg, r#"{"b":2}"#, |push| push(b"no packet")).unwrap_err();
    assert!(matches!(error, Error::BadMessage { seq: 6, .. }), "{error}");
    is_untouched(&cfg, 6);
    // The first one on an empty topic was faster.
    let empty = Cfg::new(&topic()).unwrap();
    overtaken(&empty, r#" {"a": 1}"#, |push| push(&packet(r#" {"b": 2}"#))).unwrap();
    assert_eq!(content(&empty), r#"{"a":1,"b":2}"#);
}

fn start(job: &str, cfg: &Cfg) -> Actor {
    let child = Actor::start(job, cfg.file().path());
    child.expect("at work");
    child
}

#[test]
fn no_patch_is_lost() {
    let cfg = Cfg::with_options(&topic(), &FileOptions::default().size(256 << 10)).unwrap();
    let names = ["a", "b", "c"];
    let children = names.map(|name| start(name, &cfg));
    for child in children {
        child.finish();
    }
    is_untouched(&cfg, (names.len() * PATCHES) as u64);
    let config: Value = cfg.read_as().unwrap().unwrap();
    for name in names {
        let expected: Value = (0..PATCHES).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(config[name], expected);
    }
}

#[test]
fn killed_while_patching() {
    let cfg = Cfg::with_options(&topic(), &FileOptions::default().size(64 << 10)).unwrap();
    let pad = "x".repeat(2000);
    cfg.write_as(&json!({ "left": 0, "pad": pad, "deep": { "right": 0, "pad": pad } })).unwrap();
    for round in 0..25_u64 {
        let victims = [start("forever", &cfg), start("forever", &cfg)];
        // Another instant each time.
        thread::sleep(Duration::from_micros(round * 997 % 5000));
        for victim in victims {
            victim.kill();
        }
        let started = Instant::now();
        check(&content(&cfg));
        cfg.merge_patch(json!({ "left": "mine", "deep": { "right": "mine" } }).to_string()).unwrap();
        assert!(started.elapsed() < Duration::from_secs(5));
        check(&content(&cfg));
    }
}

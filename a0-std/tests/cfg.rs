//! Configuration: reading, writing, patching at the same time, variables, hostile content.

mod common;

use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use a0_core::{Encoder, Id, Mem};
use a0_std::{
    Cfg, CfgError, CfgVar, Error, File, FileOptions, Init, Mode, Protocol, Publisher, SubscriberSync, Writer, keys,
};
use common::topic;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

fn cfg() -> Cfg {
    Cfg::new(&topic()).unwrap()
}

fn content(cfg: &Cfg) -> String {
    String::from_utf8(cfg.read().unwrap().unwrap().into_payload()).unwrap()
}

/// The lock is free, and nothing came behind message `seq`.
fn is_untouched(cfg: &Cfg, seq: u64) {
    assert!(cfg.file().transport().try_lock().unwrap().is_some(), "the lock is held");
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
        Err(Error::Cfg { path, source }) => {
            assert_eq!(path, cfg.file().path());
            is_untouched(&cfg, cfg.file().state().unwrap().seq_high);
            source
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
    assert!(matches!(error, Error::Topic { source: a0_core::Error::FrameTooLarge { .. }, .. }), "{error}");
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
    let topic = cfg.file().transport();
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
    assert!(matches!(error, Error::Cfg { source: CfgError::ConfigNotJson(_), .. }), "{error}");
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

#[test]
fn types() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Motor {
        speed: f64,
        name: Option<String>,
    }
    let cfg = cfg();
    assert_eq!(cfg.read_as::<Motor>().unwrap(), None);
    let motor = Motor { speed: 0.1, name: Some("left".into()) };
    cfg.write_as(&motor).unwrap();
    assert_eq!(content(&cfg), r#"{"speed":0.1,"name":"left"}"#);
    assert_eq!(cfg.read_as().unwrap(), Some(motor));
    cfg.write(r#"{"speed":"fast"}"#).unwrap();
    let error = cfg.read_as::<Motor>().unwrap_err();
    assert!(matches!(error, Error::Cfg { source: CfgError::WrongType { .. }, .. }));
    assert!(error.to_string().contains("expected f64"), "{error}");
    cfg.write("{").unwrap();
    let error = cfg.read_as::<Motor>().unwrap_err();
    assert!(matches!(error, Error::Cfg { source: CfgError::ConfigNotJson(_), .. }), "{error}");
    let error = cfg.write_as(&std::collections::BTreeMap::from([((1, 2), 3)])).unwrap_err();
    assert!(matches!(error, Error::Cfg { source: CfgError::NotSerializable(_), .. }), "{error}");
    is_untouched(&cfg, 3);
}

#[test]
fn variables_follow() {
    let cfg = cfg();
    let mut speed: CfgVar<f64> = cfg.var("/motors/0/speed");
    let mut all: CfgVar<Value> = cfg.var("");
    let mut odd: CfgVar<String> = cfg.var("/a~1b/m~0n");
    cfg.write(r#"{"motors":[{"speed":1.5}],"a/b":{"m~n":"x"}}"#).unwrap();
    assert_eq!(*speed.read().unwrap(), 1.5);
    assert_eq!(odd.read().unwrap(), "x");
    assert_eq!(all.read().unwrap()["motors"], json!([{"speed": 1.5}]));
    cfg.merge_patch(r#"{"motors":[{"speed":2}]}"#).unwrap();
    assert_eq!(*speed.read().unwrap(), 2.0);
    assert_eq!(odd.read().unwrap(), "x");
}

#[test]
fn variables_are_parsed_only_when_somebody_has_written() {
    use std::cell::Cell;
    thread_local!(static PARSED: Cell<u32> = const { Cell::new(0) });
    struct Counted(u32);
    impl<'de> serde::Deserialize<'de> for Counted {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            PARSED.set(PARSED.get() + 1);
            u32::deserialize(from).map(Counted)
        }
    }
    let cfg = cfg();
    let mut n: CfgVar<Counted> = cfg.var("/n");
    for round in 1..=3 {
        cfg.write_as(&json!({ "n": round })).unwrap();
        for _ in 0..10 {
            assert_eq!(n.read().unwrap().0, round);
        }
        assert_eq!(PARSED.get(), round);
    }
    cfg.file().clear().unwrap();
    assert!(n.read().is_err());
}

#[test]
fn variables_say_what_is_wrong() {
    let cfg = cfg();
    let mut speed: CfgVar<f64> = cfg.var("/motor/speed");
    let mut said = |config: Option<&str>| {
        if let Some(config) = config {
            cfg.write(config).unwrap();
        }
        // Again and again, not only the first time.
        speed.read().unwrap_err();
        let error = speed.read().unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(cfg.file().path().to_str().unwrap()), "{text}");
        let Error::Cfg { source, .. } = error else { panic!("{text}") };
        (source, text)
    };
    assert!(matches!(said(None).0, CfgError::Empty));
    let (error, text) = said(Some(r#"{"motor":{}}"#));
    assert!(matches!(error, CfgError::Missing { .. }) && text.contains("/motor/speed"), "{text}");
    let (error, text) = said(Some(r#"{"motor":{"speed":"fast"}}"#));
    assert!(matches!(error, CfgError::WrongType { .. }) && text.contains("/motor/speed"), "{text}");
    assert!(text.contains("expected f64"), "{text}");
    let (error, text) = said(Some(r#"{"motor":"#));
    assert!(matches!(error, CfgError::ConfigNotJson(_)), "{text}");
    cfg.write(r#"{"motor":{"speed":3}}"#).unwrap();
    assert_eq!(*speed.read().unwrap(), 3.0);
    let error = cfg.var::<Value>("motor").read().unwrap_err();
    assert!(matches!(error, Error::Cfg { source: CfgError::BadPointer { .. }, .. }), "{error}");
}

#[test]
fn watchers_get_the_value_at_the_start_and_the_last_one() {
    let cfg = cfg();
    cfg.write("0").unwrap();
    cfg.write("1").unwrap();
    let (tell, told) = mpsc::channel();
    let watcher = cfg
        .watch(move |message| {
            tell.send(String::from_utf8_lossy(message.payload()).into_owned()).unwrap();
        })
        .unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "1");
    for n in 2..=100 {
        cfg.write(n.to_string()).unwrap();
    }
    let mut last = "1".to_owned();
    while last != "100" {
        let next = told.recv_timeout(PATIENCE).unwrap();
        assert!(next.parse::<u32>().unwrap() > last.parse().unwrap());
        last = next;
    }
    watcher.close();
    assert!(told.recv().is_err());
}

#[test]
fn a_watcher_may_patch_and_end_in_its_own_callback() {
    let name = topic();
    let cfg = Cfg::new(&name).unwrap();
    let (hand_over, handed_over) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let patching = Cfg::new(&name).unwrap();
    let watcher = cfg
        .watch(move |_| {
            patching.merge_patch(r#"{"seen":true}"#).unwrap();
            drop::<a0_std::CfgWatcher>(handed_over.recv().unwrap());
            tell.send(()).unwrap();
        })
        .unwrap();
    hand_over.send(watcher).unwrap();
    cfg.write("{}").unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(content(&cfg), r#"{"seen":true}"#);
}

#[test]
fn a_config_that_may_only_be_read() {
    let name = topic();
    let options = FileOptions::default().access(Mode::ReadOnly);
    assert!(matches!(Cfg::with_options(&name, &options), Err(Error::File(_))));
    Cfg::new(&name).unwrap().write(r#"{"a":1}"#).unwrap();
    let cfg = Cfg::with_options(&name, &options).unwrap();
    assert_eq!(content(&cfg), r#"{"a":1}"#);
    assert_eq!(*cfg.var::<u32>("/a").read().unwrap(), 1);
    for refused in [cfg.write("x").map(|_| ()), cfg.write_if_empty("x").map(|_| ()), cfg.merge_patch("{}").map(|_| ())]
    {
        assert!(matches!(refused, Err(Error::Topic { .. })), "{refused:?}");
    }
    assert_eq!(content(&cfg), r#"{"a":1}"#);
}

#[test]
fn hostile_content_is_an_error_and_can_be_replaced() {
    let cfg = cfg();
    let nested = |n| format!("{}{}", r#"{"a":"#.repeat(n), "1".to_owned() + &"}".repeat(n));
    for hostile in [nested(100_000), "[".repeat(1 << 20), "\"".to_owned(), "{\"a\":1e99999}".to_owned()] {
        cfg.write(&hostile).unwrap();
        for error in [
            cfg.merge_patch("{}").map(|_| ()).unwrap_err(),
            cfg.read_as::<Value>().map(|_| ()).unwrap_err(),
            cfg.var::<Value>("/a").read().map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Cfg { source: CfgError::ConfigNotJson(_), .. }), "{error}");
            assert!(error.to_string().len() < 1000);
        }
        cfg.write("{}").unwrap();
        assert!(cfg.merge_patch(&hostile).is_err());
        assert_eq!(content(&cfg), "{}");
    }
    // No packet at all.
    cfg.file().transport().lock(None).unwrap().push(b"garbage").unwrap();
    assert!(matches!(cfg.read(), Err(Error::BadMessage { .. })));
    assert!(matches!(cfg.merge_patch("{}"), Err(Error::BadMessage { .. })));
    assert!(matches!(cfg.var::<Value>("").read(), Err(Error::BadMessage { .. })));
    cfg.write("{}").unwrap();
    cfg.merge_patch(r#"{"a":1}"#).unwrap();
}

/// In a thread whose stack would not hold it: 0.3 takes 39 times its size from the stack.
#[test]
fn a_large_config_needs_no_stack() {
    let cfg = cfg();
    let large = json!({ "list": vec![1; 400_000], "a": 1 }).to_string();
    cfg.write(&large).unwrap();
    thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(move || {
            cfg.merge_patch(r#"{"a":2}"#).unwrap();
            assert_eq!(*cfg.var::<u32>("/a").read().unwrap(), 2);
            assert_eq!(*cfg.var::<u32>("/list/399999").read().unwrap(), 1);
        })
        .unwrap()
        .join()
        .unwrap();
}

/// Every word of the newest message's frame, and of its packet's start, goes bad.
#[test]
fn damaged_files() {
    use std::os::unix::fs::FileExt;
    for at in (144..144 + 40 + 72).step_by(8) {
        for value in [0, 1, 7, 1 << 40, u64::MAX, u64::MAX - 200] {
            let cfg = Cfg::with_options(&topic(), &FileOptions::default().size(8192)).unwrap();
            cfg.write(r#"{"a":1}"#).unwrap();
            let raw = std::fs::OpenOptions::new().write(true).open(cfg.file().path()).unwrap();
            let mut var = cfg.var::<Value>("");
            raw.write_all_at(&u64::to_le_bytes(value), at).unwrap();
            let _ = (cfg.read(), cfg.read_as::<Value>(), var.read().map(|_| ()));
            let _ = (cfg.merge_patch(r#"{"b":2}"#), cfg.write_if_empty("x"));
            cfg.write("{}").unwrap();
            cfg.merge_patch(r#"{"c":3}"#).unwrap();
            assert_eq!(content(&cfg), r#"{"c":3}"#, "{value} at {at}");
        }
    }
}

const PATCHES: usize = 300;

/// Runs in processes of its own.
#[test]
#[ignore = "not a test: what the other tests start as a process of its own"]
fn child() {
    let Ok(job) = std::env::var("A0_TEST_JOB") else { return };
    let path = std::env::var("A0_TEST_FILE").unwrap();
    let cfg = Cfg::from_file(&File::open(path, &FileOptions::default()).unwrap());
    println!("at work");
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

fn start(job: &str, cfg: &Cfg) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env("A0_TEST_JOB", job)
        .env("A0_TEST_FILE", cfg.file().path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    use std::io::BufRead;
    let lines = std::io::BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("at work")));
    child
}

#[test]
fn no_patch_is_lost() {
    let cfg = Cfg::with_options(&topic(), &FileOptions::default().size(256 << 10)).unwrap();
    let names = ["a", "b", "c"];
    let children = names.map(|name| start(name, &cfg));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    is_untouched(&cfg, (names.len() * PATCHES) as u64);
    let config: Value = cfg.read_as().unwrap().unwrap();
    for name in names {
        let expected: Value = (0..PATCHES).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(config[name], expected);
    }
}

fn check(config: &str) {
    let config: Value = serde_json::from_str(config).unwrap();
    assert_eq!(config["left"], config["deep"]["right"], "half a patch");
    assert_eq!(config["pad"].as_str().unwrap().len(), 2000);
    assert_eq!(config["deep"]["pad"], config["pad"]);
}

#[test]
fn killed_while_patching() {
    let cfg = Cfg::with_options(&topic(), &FileOptions::default().size(64 << 10)).unwrap();
    let pad = "x".repeat(2000);
    cfg.write_as(&json!({ "left": 0, "pad": pad, "deep": { "right": 0, "pad": pad } })).unwrap();
    for round in 0..25_u64 {
        let mut victims = [start("forever", &cfg), start("forever", &cfg)];
        // Another instant each time.
        thread::sleep(Duration::from_micros(round * 997 % 5000));
        for victim in &mut victims {
            victim.kill().unwrap();
            victim.wait().unwrap();
        }
        let started = Instant::now();
        check(&content(&cfg));
        cfg.merge_patch(json!({ "left": "mine", "deep": { "right": "mine" } }).to_string()).unwrap();
        assert!(started.elapsed() < Duration::from_secs(5));
        check(&content(&cfg));
    }
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
    assert_eq!(cfg.file().path(), common::root().join(format!("{name}.cfg.a0")));
    assert_eq!(cfg.file().path(), Protocol::Cfg.path(&name).unwrap());
    Writer::new(cfg.file()).write("without any headers").unwrap();
    assert_eq!(content(&cfg), "without any headers");
}

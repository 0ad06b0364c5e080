//! Types, variables and watchers.

use std::sync::mpsc;

use a0_std::{Cfg, CfgError, CfgVar, Error};
use serde_json::{Value, json};

use super::{PATIENCE, cfg, content, is_untouched};
use a0_testkit::private_root::topic;

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
    assert!(matches!(error, Error::Cfg { cause: CfgError::WrongType { .. }, .. }));
    assert!(error.to_string().contains("expected f64"), "{error}");
    cfg.write("{").unwrap();
    let error = cfg.read_as::<Motor>().unwrap_err();
    assert!(matches!(error, Error::Cfg { cause: CfgError::ConfigNotJson(_), .. }), "{error}");
    let error = cfg.write_as(&std::collections::BTreeMap::from([((1, 2), 3)])).unwrap_err();
    assert!(matches!(error, Error::Cfg { cause: CfgError::NotSerializable(_), .. }), "{error}");
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
        let Error::Cfg { cause, .. } = error else { panic!("{text}") };
        (cause, text)
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
    assert!(matches!(error, Error::Cfg { cause: CfgError::BadPointer { .. }, .. }), "{error}");
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

//! What others may have left there.

use std::thread;

use a0_std::{Cfg, CfgError, Error, FileOptions, Mode};
use serde_json::{Value, json};

use super::{cfg, content};
use a0_testkit::bare;
use a0_testkit::private_root::topic;

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
            assert!(matches!(error, Error::Cfg { cause: CfgError::ConfigNotJson(_), .. }), "{error}");
            assert!(error.to_string().len() < 1000);
        }
        cfg.write("{}").unwrap();
        assert!(cfg.merge_patch(&hostile).is_err());
        assert_eq!(content(&cfg), "{}");
    }
    // No packet at all.
    bare(cfg.file()).lock(None).unwrap().push(b"garbage").unwrap();
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

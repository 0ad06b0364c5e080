//! The topic is removed while programs have it open.

use std::thread;
use std::time::Duration;

use a0_std::{Cfg, CfgError, Error, File, FileOptions, Protocol};

use a0_testkit::private_root::topic;
use a0_testkit::until;

const LONG: Duration = Duration::from_secs(20);

fn read(cfg: &Cfg) -> Option<String> {
    cfg.read().unwrap().map(|packet| String::from_utf8_lossy(packet.payload()).into_owned())
}

/// A configuration that others have open, and whose topic was removed.
fn removed(config: &str) -> (Cfg, String) {
    let topic = topic();
    let cfg = Cfg::new(&topic).unwrap();
    cfg.write(config).unwrap();
    assert_eq!(read(&cfg).as_deref(), Some(config));
    assert!(File::remove(cfg.file().path()).unwrap());
    (cfg, topic)
}

#[test]
fn reading_goes_on_with_what_others_find() {
    let (cfg, topic) = removed("1");
    let mut var = cfg.var::<u32>("");
    let _ = var.read();
    let other = Cfg::new(&topic).unwrap();
    until(|| read(&cfg).is_none());
    until(|| matches!(var.read(), Err(Error::Cfg { cause: CfgError::Empty, .. })));
    thread::scope(|scope| {
        let blocked = scope.spawn(|| cfg.read_blocking(LONG).unwrap());
        other.write("2").unwrap();
        assert_eq!(blocked.join().unwrap().payload(), b"2");
    });
    assert_eq!((read(&cfg).as_deref(), cfg.read_as().unwrap(), *var.read().unwrap()), (Some("2"), Some(2), 2));
}

#[test]
fn a_blocked_read_goes_on_with_the_new_file() {
    let topic = topic();
    let cfg = Cfg::new(&topic).unwrap();
    thread::scope(|scope| {
        let blocked = scope.spawn(|| cfg.read_blocking(LONG).unwrap());
        thread::sleep(Duration::from_millis(20));
        assert!(File::remove(cfg.file().path()).unwrap());
        Cfg::new(&topic).unwrap().write("new").unwrap();
        assert_eq!(blocked.join().unwrap().payload(), b"new");
    });
}

#[test]
fn what_is_written_is_found_by_others() {
    for way in 0..3 {
        let (cfg, topic) = removed(r#"{"a":1}"#);
        // When it has noticed.
        until(|| {
            match way {
                0 => drop(cfg.write(r#"{"b":2}"#).unwrap()),
                1 => drop(cfg.merge_patch(r#"{"b":2}"#).unwrap()),
                _ => drop(cfg.write_if_empty(r#"{"b":2}"#).unwrap()),
            }
            read(&Cfg::new(&topic).unwrap()).is_some()
        });
        // With nothing of the old one.
        assert_eq!(read(&Cfg::new(&topic).unwrap()).as_deref(), Some(r#"{"b":2}"#), "{way}");
    }
}

#[test]
fn whoever_does_not_want_that_is_told() {
    let topic = topic();
    let cfg = Cfg::with_options(&topic, &FileOptions::default().reopen(false)).unwrap();
    cfg.write("1").unwrap();
    let mut var = cfg.var::<u32>("");
    assert!(File::remove(cfg.file().path()).unwrap());
    fn is_removed<T>(result: Result<T, Error>) -> bool {
        matches!(result, Err(Error::TopicRemoved { .. }))
    }
    until(|| is_removed(cfg.read()) && is_removed(var.read()));
    assert!(is_removed(cfg.write_if_empty("1")) && is_removed(cfg.merge_patch("1")));
    until(|| is_removed(cfg.write("1")));
    assert!(is_removed(cfg.read_blocking(LONG)) && is_removed(cfg.read_as::<u32>()));
    assert!(!Protocol::Cfg.path(&topic).unwrap().exists());
}

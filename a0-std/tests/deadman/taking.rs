//! Who has it, and who may take it.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use a0_std::{Deadman, DeadmanLayout, Error};

use super::{PATIENCE, SECOND, clean, each_layout, is_timeout, read_only};
use a0_testkit::private_root::topic;

#[test]
fn each_time_it_is_taken_has_a_token() {
    each_layout(|_, open| {
        let deadman = open();
        assert!(!deadman.state().unwrap().taken);
        assert_eq!(deadman.try_take().unwrap(), Some(clean(1)));
        let state = deadman.state().unwrap();
        assert!(state.taken && state.is_owner && !state.owner_died && state.token == 1, "{state:?}");
        assert!(Path::new(&format!("/proc/self/task/{}", state.owner.unwrap())).exists(), "{state:?}");
        drop(deadman);

        let deadman = open();
        let state = deadman.state().unwrap();
        assert!(!state.taken && !state.is_owner && !state.owner_died && state.owner.is_none(), "{state:?}");
        assert_eq!(deadman.take(None).unwrap(), clean(2));
        deadman.release().unwrap();
        assert!(!deadman.state().unwrap().taken);
        assert_eq!(deadman.take(SECOND).unwrap(), clean(3));
    });
}

#[test]
fn only_one_handle_has_it() {
    each_layout(|_, open| {
        let (first, second) = (open(), open());
        first.take(None).unwrap();
        assert_eq!(second.try_take().unwrap(), None);
        is_timeout(second.take(SECOND / 20));
        is_timeout(second.take(Duration::ZERO));
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(open().try_take().unwrap(), None);
                is_timeout(open().take(SECOND / 20));
            });
        });
        let state = second.state().unwrap();
        assert!(state.taken && !state.is_owner, "{state:?}");
        let error = second.release().unwrap_err();
        assert!(matches!(&error, Error::NotOwner { path } if path == first.path()), "{error}");
        assert!(first.state().unwrap().is_owner, "still");

        first.release().unwrap();
        assert!(matches!(first.release(), Err(Error::NotOwner { .. })));
        assert_eq!(second.try_take().unwrap(), Some(clean(2)));
        assert_eq!(first.try_take().unwrap(), None);
    });
}

#[test]
fn the_same_handle_may_take_it_again() {
    each_layout(|_, open| {
        let deadman = open();
        assert_eq!(deadman.take(None).unwrap(), clean(1));
        assert_eq!(deadman.take(Duration::ZERO).unwrap(), clean(1));
        assert_eq!(deadman.try_take().unwrap(), Some(clean(1)));
        deadman.interrupter().interrupt();
        assert_eq!(deadman.take(None).unwrap(), clean(1));
        deadman.release().unwrap();
        assert!(!deadman.state().unwrap().taken, "once is enough");
    });
}

#[test]
fn it_outlives_the_thread_that_took_it() {
    each_layout(|_, open| {
        let deadman = open();
        thread::scope(|scope| {
            scope.spawn(|| deadman.take(None).unwrap());
        });
        thread::sleep(SECOND / 20);
        assert!(deadman.state().unwrap().is_owner);
        assert_eq!(open().try_take().unwrap(), None);
    });
}

#[test]
fn names_are_checked_and_nothing_is_created_by_looking() {
    let root = a0_testkit::private_root::root();
    assert!(matches!(Deadman::new(""), Err(Error::BadTopic { .. })));
    assert!(matches!(Deadman::open_existing("/absolute"), Err(Error::BadTopic { .. })));
    let name = format!("{}/below", topic());
    assert!(Deadman::open_existing(&name).unwrap().is_none());
    assert!(!root.join(&name).parent().unwrap().exists());

    let deadman = Deadman::new(&name).unwrap();
    let path = root.join(format!("{name}.deadman"));
    assert_eq!(deadman.path(), path);
    assert_eq!(fs::metadata(&path).unwrap().len(), 32);
    assert_eq!(Deadman::open_existing(&name).unwrap().unwrap().layout(), DeadmanLayout::Bytes32);
    assert!(!deadman.is_removed().unwrap());
    fs::remove_file(&path).unwrap();
    assert!(deadman.is_removed().unwrap());

    let deadman = Deadman::open(&path, DeadmanLayout::Bytes72).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 72);
    // The file decides, not the option.
    assert_eq!(Deadman::open(&path, DeadmanLayout::Bytes32).unwrap().layout(), DeadmanLayout::Bytes72);
    drop(deadman);
}

#[test]
fn whoever_sees_it_taken_sees_its_token() {
    each_layout(|_, open| {
        let (deadman, watcher) = (open(), open());
        let (seen, ended) = (AtomicU32::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut last, mut over) = (0, true);
                while !ended.load(Ordering::SeqCst) {
                    let state = watcher.state().unwrap();
                    if state.taken {
                        seen.fetch_add(1, Ordering::SeqCst);
                        assert!(state.token > last || !over && state.token == last, "{state:?} after {last}");
                        last = state.token;
                    }
                    over = !state.taken;
                }
            });
            let mut rounds = 0;
            while rounds < 5000 || seen.load(Ordering::SeqCst) == 0 {
                deadman.take(None).unwrap();
                deadman.release().unwrap();
                rounds += 1;
            }
            ended.store(true, Ordering::SeqCst);
        });
    });
}

#[test]
fn without_the_right_to_write_it_cannot_be_taken() {
    each_layout(|topic, open| {
        let deadman = open();
        let watcher = read_only(topic);
        let error = watcher.try_take().unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error}");
        assert!(watcher.take(None).is_err());
        deadman.take(None).unwrap();
        assert!(watcher.state().unwrap().taken);
        assert_eq!(watcher.wait_taken(None).unwrap(), 1);
    });
}

#[test]
fn handles_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    each_layout(|_, open| {
        let deadman = open();
        shared(&deadman);
        shared(&deadman.interrupter());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        deadman.take(PATIENCE).unwrap();
                        // Another thread may have been faster; it is one handle.
                        let _ = deadman.release();
                    }
                });
            }
        });
        assert!(!deadman.state().unwrap().taken);
    });
}

/// In the layout of 72 bytes there is a second mutex, which is passed through those who wait. One that does not run keeps it.
#[test]
fn taking_waits_as_long_as_was_asked_for_while_nobody_can_take_it() {
    const GUARD: u64 = 16;
    let name = topic();
    let deadman = Deadman::with_options(&name, DeadmanLayout::Bytes72).unwrap();
    let bytes = fs::File::options().write(true).open(deadman.path()).unwrap();
    let keep = |by: u32| bytes.write_all_at(&by.to_le_bytes(), GUARD).unwrap();
    keep(std::process::id());
    assert_eq!(deadman.try_take().unwrap(), None);
    is_timeout(deadman.take(Duration::from_millis(1)));
    thread::scope(|scope| {
        let taking = scope.spawn(|| deadman.take(PATIENCE));
        // Longer than the mutex was ever waited for.
        thread::sleep(Duration::from_millis(2500));
        assert!(!taking.is_finished());
        keep(0);
        assert_eq!(taking.join().unwrap().unwrap().token, 1);
    });
}

//! The file is removed while somebody has the deadman.

use std::fs;
use std::thread;

use a0_std::{Deadman, Error, FileOptions};

use super::{PATIENCE, each_layout};
use a0_testkit::private_root::topic;
use a0_testkit::until;

fn is_removed<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::TopicRemoved { .. }))
}

#[test]
fn its_owner_takes_it_anew_and_those_who_wait_for_its_end_are_told() {
    each_layout(|topic, open| {
        let (owner, watcher, idle) = (open(), open(), open());
        owner.take(PATIENCE).unwrap();
        let token = watcher.wait_taken(PATIENCE).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| watcher.wait_released(token, PATIENCE));
            let next = scope.spawn(|| idle.take(PATIENCE));
            fs::remove_file(owner.path()).unwrap();
            assert!(is_removed(&waiting.join().unwrap()), "its owner lives");
            until(|| is_removed(&watcher.state()));
            let newcomer = || Deadman::open_existing(topic).unwrap();
            until(|| newcomer().is_some_and(|newcomer| newcomer.state().unwrap().taken));
            let state = owner.state().unwrap();
            assert!(state.taken && state.is_owner, "{state:?}");
            assert_eq!(owner.layout(), newcomer().unwrap().layout());
            assert!(!next.is_finished(), "forestalled");
            owner.release().unwrap();
            next.join().unwrap().unwrap();
            assert_eq!(newcomer().unwrap().state().unwrap().owner, idle.state().unwrap().owner);
        });
    });
}

#[test]
fn whoever_is_faster_has_it_and_then_its_owner_again() {
    each_layout(|_, open| {
        let owner = open();
        owner.take(PATIENCE).unwrap();
        // Mostly at once.
        let faster = loop {
            fs::remove_file(owner.path()).unwrap();
            let faster = open();
            if faster.try_take().unwrap().is_some() {
                break faster;
            }
        };
        until(|| !owner.state().unwrap().is_owner);
        assert!(matches!(owner.try_take(), Ok(None)));
        faster.release().unwrap();
        until(|| owner.state().unwrap().is_owner);
        owner.release().unwrap();
        assert!(!faster.state().unwrap().taken);
    });
}

#[test]
fn whoever_does_not_want_a_new_file_is_told() {
    let topic = topic();
    let owner = Deadman::with_options(&topic, FileOptions::default().reopen(false)).unwrap();
    owner.take(PATIENCE).unwrap();
    fs::remove_file(owner.path()).unwrap();
    until(|| is_removed(&owner.state()));
    assert!(is_removed(&owner.state()));
    assert!(Deadman::open_existing(&topic).unwrap().is_none());
    owner.release().unwrap();
    assert!(is_removed(&owner.try_take()));
}

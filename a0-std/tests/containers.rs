//! Programs in different PID namespaces, as in containers, on one topic or deadman. These tests need root.
#![allow(unsafe_code, reason = "fork")]

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use a0_linux::thread_id;
use a0_std::{
    Deadman, DeadmanLayout, Error, FileError, FileOptions, Init, Mode, Publisher, ReaderOptions, SubscriberSync,
    random_id,
};
use a0_testkit::actor::{Actor, await_go, say, script};
use a0_testkit::bare;
use a0_testkit::private_root::{text, topic};

const LONG: Duration = Duration::from_secs(20);
/// For what must not happen.
const SHORT: Duration = Duration::from_millis(150);
const LAYOUTS: [DeadmanLayout; 2] = [DeadmanLayout::Bytes32, DeadmanLayout::Bytes72];

/// A process in a PID namespace of its own, which ends with it.
fn contain(task: &str, topic: &str) -> Actor {
    let mut command = Command::new("unshare");
    // The thread ids in it start over, and soon are the same as in every other one.
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    Actor::start_by(command, task, topic)
}

/// Runs in the child processes.
#[test]
#[ignore = "not a test: what the other tests start as a process of its own"]
fn child() {
    let Some((task, topic)) = script() else { return };
    match &*task {
        "look" => {
            say(&Publisher::new(&topic).map(drop).unwrap_err().to_string());
            let mut subscriber = SubscriberSync::new(&topic, read_only()).unwrap();
            say(&text(&subscriber.read().unwrap().unwrap()));
            say(&text(&subscriber.read_blocking(LONG).unwrap()));
        }
        "die with the lock" => {
            let publisher = once_free(|| Publisher::new(&topic));
            publisher.publish("theirs").unwrap();
            let mut locked = bare(publisher.file()).lock(None).unwrap();
            let _ = locked.alloc(100).unwrap();
            say("locked");
            await_go();
        }
        "compete" => {
            await_go();
            match Publisher::new(&topic) {
                Ok(publisher) => {
                    publisher.publish("mine").unwrap();
                    say("got it");
                    await_go();
                }
                Err(Error::File(FileError::OtherPidNamespace { .. })) => say("refused"),
                Err(error) => say(&error.to_string()),
            }
        }
        "take the deadman" => {
            let deadman = once_free(|| Deadman::new(&topic));
            say(&deadman.try_take().unwrap().unwrap().token.to_string());
            loop {
                std::thread::park();
            }
        }
        "watch the deadman" => {
            say(&Deadman::new(&topic).map(drop).unwrap_err().to_string());
            let watcher = watcher(&topic);
            let token = watcher.wait_taken(LONG).unwrap();
            // Here is no such thread; that is no reason to believe that it has died.
            assert!(is_timeout(watcher.wait_released(token, SHORT)));
            say("it lives");
            watcher.wait_released(token, LONG).unwrap();
            say(if watcher.state().unwrap().owner_died { "it died" } else { "it is released" });
        }
        "fork into another namespace" => {
            let _ = random_id();
            let theirs = id_of_child_with_the_same_thread_id();
            say(if theirs == random_id().as_str() { "the same id" } else { "another id" });
        }
        task => panic!("{task}?"),
    }
}

/// An id made by a forked child whose thread id is that of this thread, because it is in another PID namespace.
fn id_of_child_with_the_same_thread_id() -> String {
    let ours = i32::try_from(thread_id()).unwrap();
    let (mut reads, mut writes) = UnixStream::pair().unwrap();
    // SAFETY: takes a flag, and concerns only the children of this thread.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0);
    // SAFETY: neither child does anything but fork, wait, make an id, and write it.
    let first = unsafe { libc::fork() };
    // In the new namespace ids start over, and sooner or later come to this one.
    if first == 0 {
        loop {
            // SAFETY: as above.
            let child = unsafe { libc::fork() };
            assert!(child >= 0);
            if child == 0 && i32::try_from(thread_id()).unwrap() == ours {
                writes.write_all(random_id().as_str().as_bytes()).unwrap();
            }
            if child > 0 {
                // The namespace ends with its first process.
                // SAFETY: no status is asked for.
                assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
            }
            if child == 0 || child == ours {
                // SAFETY: ends a child without running anything of the test's.
                unsafe { libc::_exit(0) };
            }
        }
    }
    assert!(first > 0);
    let mut id = [0; 36];
    reads.read_exact(&mut id).unwrap();
    // SAFETY: no status is asked for.
    assert_eq!(unsafe { libc::waitpid(first, std::ptr::null_mut(), 0) }, first);
    String::from_utf8(id.to_vec()).unwrap()
}

/// Sees the deadman from wherever it is.
fn watcher(topic: &str) -> Deadman {
    Deadman::with_options(topic, FileOptions::default().access(Mode::ReadOnly)).unwrap()
}

fn is_timeout<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Timeout { .. }))
}

fn read_only() -> ReaderOptions {
    ReaderOptions::default().init(Init::Oldest).file(FileOptions::default().access(Mode::ReadOnly))
}

/// Opens something that a container is just leaving: it dies a moment after `unshare` does.
fn once_free<T>(open: impl Fn() -> Result<T, Error>) -> T {
    let started = Instant::now();
    loop {
        match open() {
            Err(Error::File(FileError::OtherPidNamespace { .. })) => assert!(started.elapsed() < LONG),
            opened => break opened.unwrap(),
        }
    }
}

fn is_foreign<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::File(FileError::OtherPidNamespace { .. })))
}

#[test]
fn another_pid_namespace_is_refused_and_may_read() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    publisher.publish("one").unwrap();
    let mark = publisher.file().header().pid_namespace.unwrap();
    assert_eq!(u64::from(mark), std::fs::metadata("/proc/self/ns/pid").unwrap().ino());

    let container = contain("look", &topic);
    let error = container.says();
    assert!(error.contains(publisher.file().path().to_str().unwrap()), "{error}");
    assert!(error.contains(&format!("PID namespace {mark}")) && error.contains("--pid=host"), "{error}");
    assert!(error.contains("read-only"), "{error}");
    assert_eq!(container.says(), "one");
    publisher.publish("two").unwrap();
    assert_eq!(container.says(), "two");
}

/// As a backup does it, or somebody who means harm.
#[test]
fn a_lock_by_a_reader_while_a_topic_is_opened_lets_no_second_namespace_in() {
    let topic = topic();
    let path = Publisher::new(&topic).unwrap().file().path().to_owned();
    let reader = std::fs::File::open(path).unwrap();
    reader.lock().unwrap();
    let publisher = Publisher::new(&topic).unwrap();
    drop(reader);
    publisher.publish("one").unwrap();
    let container = contain("look", &topic);
    let error = container.says();
    assert!(error.contains("PID namespace"), "{error}");
}

#[test]
fn a_forked_child_with_the_same_thread_id_makes_other_ids() {
    let container = contain("fork into another namespace", &topic());
    assert_eq!(container.says(), "another id");
}

#[test]
fn a_namespace_that_has_died_leaves_its_topics_to_the_next_one() {
    let topic = topic();
    // One container after the other, as after restarts, and then the host.
    for _ in 0..3 {
        let container = contain("die with the lock", &topic);
        assert_eq!(container.says(), "locked");
        assert!(is_foreign(&Publisher::new(&topic)));
        container.kill();
    }
    let publisher = once_free(|| Publisher::new(&topic));
    publisher.publish("ours").unwrap();
    let mut subscriber = SubscriberSync::new(&topic, Init::Oldest).unwrap();
    for (seq, expected) in [(1, "theirs"), (2, "theirs"), (3, "theirs"), (4, "ours")] {
        let message = subscriber.read().unwrap().unwrap();
        assert_eq!((message.seq(), text(&message)), (seq, expected.to_owned()));
    }
}

#[test]
fn a_topic_that_everybody_has_closed_is_free_for_all() {
    let topic = topic();
    for _ in 0..2 {
        Publisher::new(&topic).unwrap().publish("host").unwrap();
        let mut container = contain("compete", &topic);
        container.go();
        assert_eq!(container.says(), "got it");
        assert!(is_foreign(&Publisher::new(&topic)));
        container.go();
        assert!(container.process.wait().unwrap().success());
    }
}

#[test]
fn of_several_namespaces_that_start_at_once_one_gets_it() {
    for round in 0..3 {
        let topic = topic();
        if round > 0 {
            // With the mark of somebody who is gone.
            Publisher::new(&topic).unwrap();
        }
        let mut containers = [(); 4].map(|()| contain("compete", &topic));
        containers.iter_mut().for_each(Actor::go);
        let mut said = containers.each_ref().map(Actor::says);
        said.sort();
        assert_eq!(said, ["got it", "refused", "refused", "refused"]);
    }
}

#[test]
fn a_deadman_of_another_namespace_can_be_watched_but_not_taken() {
    for layout in LAYOUTS {
        let topic = topic();
        let deadman = Deadman::with_options(&topic, layout).unwrap();
        let mark = std::fs::read(deadman.path()).unwrap()[20..24].to_vec();
        let ours = std::fs::metadata("/proc/self/ns/pid").unwrap().ino();
        assert_eq!(u64::from(u32::from_le_bytes(mark.try_into().unwrap())), ours);

        let container = contain("watch the deadman", &topic);
        let error = container.says();
        assert!(error.contains(deadman.path().to_str().unwrap()), "{error}");
        assert!(error.contains(&format!("PID namespace {ours}")) && error.contains("read-only"), "{error}");
        deadman.take(None).unwrap();
        assert_eq!(deadman.state().unwrap().other_namespace, None);
        assert_eq!(container.says(), "it lives");
        deadman.release().unwrap();
        assert_eq!(container.says(), "it is released");
    }
}

/// One container after the other holds it and is killed, as after restarts, and then it is the host's.
#[test]
fn a_namespace_that_has_died_leaves_its_deadmen_to_the_next_one() {
    for layout in LAYOUTS {
        let topic = topic();
        drop(Deadman::with_options(&topic, layout).unwrap());
        let watcher = watcher(&topic);
        for token in 1..=2 {
            let container = contain("take the deadman", &topic);
            assert_eq!(container.says(), token.to_string());
            assert!(is_foreign(&Deadman::new(&topic)));
            assert!(is_timeout(watcher.wait_released(token, SHORT)), "a false death");
            let state = watcher.state().unwrap();
            assert!(state.taken && state.other_namespace.is_some(), "{state:?}");
            container.kill();
            watcher.wait_released(token, LONG).unwrap();
            assert!(watcher.state().unwrap().owner_died);
        }
        let deadman = once_free(|| Deadman::new(&topic));
        let taken = deadman.take(LONG).unwrap();
        assert!(taken.token == 3 && taken.previous_owner_died, "{taken:?}");
        assert_eq!(watcher.state().unwrap().other_namespace, None);
    }
}

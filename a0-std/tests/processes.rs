//! Processes that wait for each other, are killed in the middle, or leave a locked topic behind.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{File, FileOptions, Init, ReaderSync, Writer};
use a0_testkit::actor::{Actor, say, script};
use a0_testkit::bare;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// Waiters in the test of many, over all processes.
const CROWD: usize = 1000;
const CROWD_PROCESSES: usize = 4;

fn directory(base: &str) -> TempDir {
    tempfile::Builder::new().prefix("a0-processes.").tempdir_in(base).unwrap()
}

fn open(path: &Path) -> File {
    File::open(path, &FileOptions::default().size(1 << 20)).unwrap()
}

fn write(file: &File, text: &str) {
    Writer::new(file).write(text).unwrap();
}

/// A process that has begun with one of the scripts in `child`.
fn start(script: &str, path: &Path) -> Actor {
    let actor = Actor::start(script, path);
    actor.expect("at work");
    actor
}

/// Runs in the child processes.
#[test]
#[ignore = "not a test: what the other tests start as a process of its own"]
fn child() {
    let Some((script, path)) = script() else { return };
    let file = open(Path::new(&path));
    match &*script {
        "wait twice" => {
            let mut reader = ReaderSync::new(&file, Init::AwaitNew).unwrap();
            say("at work");
            for _ in 0..2 {
                let text = reader.read_blocking(PATIENCE).unwrap().payload().to_vec();
                say(std::str::from_utf8(&text).unwrap());
            }
        }
        "wait in a crowd" => {
            let ready = Barrier::new(CROWD / CROWD_PROCESSES + 1);
            thread::scope(|scope| {
                for _ in 0..CROWD / CROWD_PROCESSES {
                    scope.spawn(|| {
                        let mut reader = ReaderSync::new(&file, Init::AwaitNew).unwrap();
                        ready.wait();
                        assert_eq!(reader.read_blocking(PATIENCE).unwrap().payload(), b"go");
                    });
                }
                ready.wait();
                say("at work");
            });
            say("all awake");
        }
        "exit while holding the lock" => {
            let mut locked = bare(&file).lock(None).unwrap();
            locked.push(b"committed").unwrap();
            locked.alloc(100).unwrap().write(0, b"not committed");
            say("at work");
            // Ends the process without releasing anything.
            std::process::exit(0);
        }
        "work" => {
            let writer = Writer::new(&file).with_standard_headers();
            say("at work");
            loop {
                writer.write(vec![b'x'; 10_000]).unwrap();
            }
        }
        other => panic!("unknown script {other}"),
    }
}

#[test]
fn a_commit_wakes_another_process_and_wakes_it_again() {
    for base in ["/dev/shm", "/tmp"] {
        let dir = directory(base);
        let path = dir.path().join("topic");
        let waiter = start("wait twice", &path);
        let file = open(&path);
        for text in ["first", "second"] {
            thread::sleep(Duration::from_millis(20));
            write(&file, text);
            waiter.expect(text);
        }
    }
}

#[test]
fn one_publish_frees_a_thousand_waiters() {
    let dir = directory("/dev/shm");
    let path = dir.path().join("topic");
    let processes: Vec<_> = (0..CROWD_PROCESSES).map(|_| start("wait in a crowd", &path)).collect();
    // Until most of them are asleep.
    thread::sleep(Duration::from_millis(100));
    write(&open(&path), "go");
    processes.iter().for_each(|process| process.expect("all awake"));
}

#[test]
fn a_chain_of_waiters_makes_progress() {
    const LINKS: usize = 50;
    let dir = directory("/dev/shm");
    let file = open(&dir.path().join("topic"));
    thread::scope(|scope| {
        for link in 0..LINKS {
            let mut reader = ReaderSync::new(&file, Init::AwaitNew).unwrap();
            let file = &file;
            scope.spawn(move || {
                while reader.read_blocking(PATIENCE).unwrap().payload() != link.to_string().as_bytes() {}
                write(file, &(link + 1).to_string());
            });
        }
        let mut end = ReaderSync::new(&file, Init::AwaitNew).unwrap();
        write(&file, "0");
        while end.read_blocking(PATIENCE).unwrap().payload() != LINKS.to_string().as_bytes() {}
    });
}

#[test]
fn waiters_that_are_killed_leave_the_topic_usable() {
    let dir = directory("/dev/shm");
    let path = dir.path().join("topic");
    let file = open(&path);
    for round in 0..20 {
        let victim = start("wait twice", &path);
        let survivor = start("wait twice", &path);
        thread::sleep(Duration::from_millis(round % 5));
        victim.kill();
        for text in ["first", "second"] {
            write(&file, text);
            survivor.expect(text);
        }
    }
}

#[test]
fn what_was_not_committed_by_a_process_that_exits_with_the_lock_is_gone() {
    let dir = directory("/dev/shm");
    let path = dir.path().join("topic");
    start("exit while holding the lock", &path).process.wait().unwrap();
    let file = open(&path);
    let locked = bare(&file).lock(Some(PATIENCE)).unwrap();
    let tail = locked.tail().unwrap().unwrap();
    assert_eq!((tail.seq, locked.head().unwrap().unwrap()), (1, tail));
    assert_ne!(tail.next_off, 0, "the link to what was allocated stays behind");
    assert_eq!(locked.next(&tail).unwrap(), None);
}

#[test]
fn a_copy_of_a_topic_whose_lock_holder_died_can_be_used() {
    let (memory, disk) = (directory("/dev/shm"), directory("/tmp"));
    let original = memory.path().join("topic");
    start("exit while holding the lock", &original).process.wait().unwrap();
    let copies = [disk.path().join("copy"), memory.path().join("copy of the copy")];
    fs::copy(&original, &copies[0]).unwrap();
    fs::copy(&copies[0], &copies[1]).unwrap();
    for path in copies.iter().chain([&original]) {
        let file = open(path);
        let mut locked = bare(&file).lock(Some(PATIENCE)).unwrap();
        assert_eq!(locked.state().seq_high, 1);
        assert_eq!(locked.push(b"more").unwrap(), 2);
        let (mut bytes, head) = ([0; 9], locked.head().unwrap().unwrap());
        assert_eq!(locked.read(&head, &mut bytes), Ok(9));
        assert_eq!(&bytes, b"committed");
    }
}

#[test]
fn a_hundred_publishers_are_killed_and_the_topic_works() {
    let dir = directory("/dev/shm");
    let path = dir.path().join("topic");
    let file = open(&path);
    let mut died_holding = 0;
    for round in 0..100u64 {
        let before = file.state().unwrap().seq_high;
        let (victim, started) = (start("work", &path), Instant::now());
        while started.elapsed() < PATIENCE && file.state().unwrap().seq_high == before {
            thread::yield_now();
        }
        thread::sleep(Duration::from_micros(round * 7919 % 3000));
        victim.kill();
        // The word of the lock says so until the next locker comes.
        let word = fs::read(&path).unwrap()[32..36].try_into().unwrap();
        died_holding += u32::from(u32::from_le_bytes(word) & 0x4000_0000 != 0);
        let started = Instant::now();
        let mut locked = bare(&file).lock(Some(PATIENCE)).unwrap();
        assert!(started.elapsed() < PATIENCE / 2);
        let seq = locked.push(b"mine").unwrap();
        assert_eq!(locked.tail().unwrap().unwrap().seq, seq);
    }
    assert!(died_holding > 5, "only {died_holding} of them died while they held the lock");
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    let mut read = 0;
    loop {
        match reader.read() {
            Ok(Some(_)) => read += 1,
            Ok(None) => break,
            // What was pushed above is no packet.
            Err(a0_std::Error::BadMessage { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(read > 10);
}

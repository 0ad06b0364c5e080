//! The topic lock among a hundred processes, and unlocking what is not ours.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use a0_core::layout::header;
use a0_core::{Acquired, Lock, Mem, RawMem};
use a0_linux::{FileOptions, Mapping, RobustLock, TopicFile};
use a0_testkit::actor::{Actor, say, script};

const PROCESSES: usize = 100;
const ROUNDS: u32 = 100;
const PATIENCE: Option<Duration> = Some(Duration::from_secs(60));

fn open(path: &Path) -> RawMem<Mapping> {
    TopicFile::open(path, &FileOptions::default().size(4096)).unwrap().1
}

/// A count that is not atomic: only the lock keeps it right.
fn count_up(mem: &RawMem<Mapping>) -> u64 {
    let mut bytes = [0; 8];
    mem.read(2000, &mut bytes);
    let count = u64::from_le_bytes(bytes) + 1;
    // Time for others to do the same, were they allowed to.
    thread::sleep(Duration::from_micros(1));
    mem.write(2000, &count.to_le_bytes());
    count
}

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
    let mem = open(Path::new(&path));
    say("at work");
    let mut held = 0;
    match &*script {
        "fuzz" => {
            for round in 0..ROUNDS {
                let how = match (std::process::id() + round) % 3 {
                    0 => RobustLock.try_lock(&mem).unwrap(),
                    _ => Some(RobustLock.lock(&mem, PATIENCE).unwrap()),
                };
                if let Some(how) = how {
                    assert_eq!(how, Acquired::Clean);
                    count_up(&mem);
                    held += 1;
                    RobustLock.unlock(&mem);
                }
            }
        }
        "once" => {
            assert_eq!(RobustLock.lock(&mem, PATIENCE), Ok(Acquired::Clean));
            count_up(&mem);
            held += 1;
            RobustLock.unlock(&mem);
        }
        other => panic!("unknown script {other}"),
    }
    say(&held.to_string());
}

#[test]
fn a_hundred_processes_take_turns() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = dir.path().join("topic");
    let mem = open(&path);
    // Held until all of them are there.
    assert_eq!(RobustLock.lock(&mem, PATIENCE), Ok(Acquired::Clean));
    let children: Vec<_> = (0..PROCESSES).map(|_| start("fuzz", &path)).collect();
    RobustLock.unlock(&mem);
    let mut held = 0;
    for child in children {
        held += child.says().parse::<u64>().unwrap();
        child.finish();
    }
    assert!(held >= u64::from(ROUNDS) * PROCESSES as u64 / 2);
    assert_eq!(RobustLock.lock(&mem, PATIENCE), Ok(Acquired::Clean));
    assert_eq!(count_up(&mem), held + 1, "somebody counted without the lock");

    // Three wait, and all of them proceed.
    let waiting = [(); 3].map(|()| start("once", &path));
    thread::sleep(Duration::from_millis(20));
    RobustLock.unlock(&mem);
    for child in waiting {
        child.expect("1");
        child.finish();
    }
    assert_eq!(RobustLock.lock(&mem, PATIENCE), Ok(Acquired::Clean));
    assert_eq!(count_up(&mem), held + 5);
    RobustLock.unlock(&mem);
}

/// Guards unlock what they have locked, so only a caller of the low-level trait can try.
#[test]
fn unlocking_what_is_not_ours_changes_nothing() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let mem = open(&dir.path().join("topic"));
    let word = || mem.load_u32(header::LOCK_WORD, SeqCst);
    RobustLock.unlock(&mem);
    assert_eq!(word(), 0);
    assert_eq!(RobustLock.lock(&mem, PATIENCE), Ok(Acquired::Clean));
    let ours = word();
    thread::scope(|scope| {
        scope.spawn(|| RobustLock.unlock(&mem));
    });
    assert_eq!(word(), ours);
    RobustLock.unlock(&mem);
    RobustLock.unlock(&mem);
    assert_eq!(word(), 0);
    assert_eq!(RobustLock.lock(&mem, PATIENCE), Ok(Acquired::Clean));
    RobustLock.unlock(&mem);
}

//! The deadman as one thread has it: its bytes, and beside other locks of the same thread.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::fs;
use std::mem::forget;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use a0_core::{Acquired, Lock, LockError, RawMem};
use a0_linux::{DeadmanFile, DeadmanLayout, FileOptions, Mapping, RobustLock, TopicFile, Until, thread_id};
use tempfile::TempDir;

const LAYOUTS: [DeadmanLayout; 2] = [DeadmanLayout::Bytes32, DeadmanLayout::Bytes72];
const SECOND: Duration = Duration::from_secs(1);

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("a0-deadman.").tempdir_in("/dev/shm").unwrap()
}

fn open(path: &Path, layout: DeadmanLayout) -> DeadmanFile {
    DeadmanFile::open(path, &FileOptions::default(), layout).unwrap()
}

fn topic(path: &Path) -> RawMem<Mapping> {
    TopicFile::open(path, &FileOptions::default().size(4096)).unwrap().1
}

/// The words with a meaning: those of the kernel's list are addresses.
fn words(path: &Path, at: &[usize]) -> Vec<u32> {
    let bytes = fs::read(path).unwrap();
    at.iter().map(|at| u32::from_le_bytes(bytes[*at..at + 4].try_into().unwrap())).collect()
}

#[test]
fn short_bytes_are_those_of_0_3_15() {
    let dir = folder();
    let path = dir.path().join("short");
    let deadman = open(&path, DeadmanLayout::Bytes32);
    let found = || words(&path, &[16, 24, 28]);
    // All zeros but for the mark of this PID namespace, in bytes that 0.3 neither reads nor writes.
    let mark = words(&path, &[20])[0];
    assert_eq!(u64::from(mark), fs::metadata("/proc/self/ns/pid").unwrap().ino());
    assert_eq!(words(&path, &[0, 4, 8, 12, 16, 24, 28]), [0; 7]);
    let hold = deadman.try_take().unwrap().unwrap();
    assert_eq!(found(), [thread_id(), 1, 0]);
    drop(hold);
    assert_eq!(found(), [0, 1, 0]);
    thread::scope(|scope| scope.spawn(|| forget(deadman.try_take().unwrap().unwrap())).join().unwrap());
    assert_eq!(found(), [0x4000_0000, 2, 0]);
    drop(deadman.try_take().unwrap().unwrap());
    assert_eq!(found(), [0, 3, 0]);
    // Whoever has waited leaves a mark.
    deadman.sleep(&deadman.look(), Until::Taken, SECOND / 100).unwrap();
    assert_eq!(found(), [0x8000_0000, 3, 0]);
    let _hold = deadman.try_take().unwrap().unwrap();
    assert_eq!(found(), [thread_id() | 0x8000_0000, 4, 0]);
    assert_eq!(words(&path, &[20]), [mark]);
}

#[test]
fn long_bytes_are_those_of_the_python_package() {
    let dir = folder();
    let path = dir.path().join("long");
    let deadman = open(&path, DeadmanLayout::Bytes72);
    // Guard, events, owner, token, taken.
    let found = || words(&path, &[16, 24, 48, 56, 60, 64]);
    assert_eq!(
        (0..72).step_by(4).filter(|at| words(&path, &[*at])[0] != 0).collect::<Vec<_>>(),
        [20],
        "but for the mark"
    );
    let hold = deadman.try_take().unwrap().unwrap();
    assert_eq!(found(), [0, 1, thread_id(), 1, 0, 1]);
    drop(hold);
    assert_eq!(found(), [0, 1, 0, 1, 0, 0]);
    thread::scope(|scope| scope.spawn(|| forget(deadman.try_take().unwrap().unwrap())).join().unwrap());
    assert_eq!(found(), [0, 2, 0x4000_0000, 2, 0, 1]);
    let hold = deadman.try_take().unwrap().unwrap();
    assert!(hold.previous_owner_died());
    assert_eq!(found(), [0, 3, thread_id(), 3, 0, 1]);
}

#[test]
fn a_thread_may_have_deadmen_and_topic_locks_at_once() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name);
    let topics = ["a", "b"].map(|name| topic(&path(name)));
    let deadmen = LAYOUTS.map(|layout| open(&path(&format!("{layout:?}")), layout));
    thread::scope(|scope| {
        let dying = scope.spawn(|| {
            assert_eq!(RobustLock.lock(&topics[0], None), Ok(Acquired::Clean));
            for deadman in &deadmen {
                forget(deadman.try_take().unwrap().unwrap());
            }
            assert_eq!(RobustLock.lock(&topics[1], None), Ok(Acquired::Clean));
            // And one lock that comes and goes behind them.
            RobustLock.unlock(&topics[0]);
        });
        // Waits until the kernel is done with it, which the end of the scope does not.
        dying.join().unwrap();
    });
    assert_eq!(RobustLock.try_lock(&topics[0]), Ok(Some(Acquired::Clean)));
    assert_eq!(RobustLock.try_lock(&topics[1]), Ok(Some(Acquired::OwnerDied)));
    for deadman in &deadmen {
        assert!(deadman.look().owner_died, "{deadman:?}");
    }
    // Released in any order, with locks between them.
    let [first, second] = deadmen.each_ref().map(|deadman| deadman.try_take().unwrap().unwrap());
    drop(first);
    RobustLock.unlock(&topics[0]);
    assert!(!deadmen[0].look().taken && deadmen[1].look().taken);
    drop(second);
    RobustLock.unlock(&topics[1]);
    assert!(deadmen.iter().all(|deadman| !deadman.look().taken && !deadman.look().owner_died));
}

#[test]
fn one_thread_does_not_take_it_twice() {
    let dir = folder();
    for layout in LAYOUTS {
        let path = dir.path().join(format!("{layout:?}"));
        let (deadman, other) = (open(&path, layout), open(&path, layout));
        let hold = deadman.try_take().unwrap().unwrap();
        assert!(deadman.try_take().unwrap().is_none());
        assert!(other.try_take().unwrap().is_none());
        assert!(hold.is_intact());
        // It would wait for itself: time passes, and nothing else happens.
        other.sleep(&other.look(), Until::Released, SECOND / 100).unwrap();
        assert!(hold.is_intact());
        drop(hold);
        assert_eq!(other.try_take().unwrap().unwrap().token(), 2);
    }
}

#[test]
fn a_thread_with_too_many_locks_gets_no_deadman() {
    let dir = folder();
    for layout in LAYOUTS {
        let deadmen: Vec<_> = (0..9).map(|i| open(&dir.path().join(format!("{layout:?}{i}")), layout)).collect();
        let mut holds = vec![];
        let error = loop {
            match deadmen[holds.len()].try_take() {
                Ok(hold) => holds.push(hold.unwrap()),
                Err(error) => break error,
            }
        };
        assert_eq!(error, LockError::TooMany { limit: 8 });
        let refused = &deadmen[holds.len()];
        assert_eq!((refused.look().owner, refused.look().token), (None, 0), "nothing is left of the attempt");
        drop(holds);
        assert!(deadmen.iter().all(|deadman| !deadman.look().taken));
    }
}

//! The kernel's queue for a topic lock: what it says while others are about to change places in it concerns nobody.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::path::Path;
use std::ptr::null;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::thread;
use std::time::Duration;

use a0_core::layout::header;
use a0_core::{Acquired, Lock, LockError, Mem, RawMem};
use a0_linux::{FileOptions, Mapping, RobustLock, TopicFile, thread_id};
use a0_testkit::actor::{Actor, say, script};
use rustix::thread::futex::{self, Flags};

const WAITERS: u32 = 0x8000_0000;

/// Much longer than anything takes, on busy machines, too.
const PATIENCE: Duration = Duration::from_secs(20);

fn open(path: &Path) -> RawMem<Mapping> {
    TopicFile::open(path, &FileOptions::default().size(4096)).unwrap().1
}

/// Holds a topic, of which the kernel is not told, so that it is not told of the death either.
#[test]
#[ignore = "not a test: what another test starts as a process of its own"]
fn child() {
    let Some((_, path)) = script() else { return };
    let mem = open(path.as_ref());
    assert_eq!(RobustLock.lock(&mem, None), Ok(Acquired::Clean));
    // SAFETY: registers nothing.
    assert_eq!(unsafe { libc::syscall(libc::SYS_set_robust_list, null::<u8>(), 24) }, 0);
    say("at work");
    thread::sleep(3 * PATIENCE);
}

/// Until the one whose turn it is has run, the kernel calls the lock inconsistent.
#[test]
fn nobody_is_refused_while_the_lock_of_a_dead_owner_changes_hands() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = dir.path().join("topic");
    let mem = open(&path);
    for _ in 0..30 {
        let holder = Actor::start("hold", &path);
        holder.expect("at work");
        let inherited = AtomicBool::new(false);
        let take = |waits: bool| {
            while !inherited.load(SeqCst) {
                let taken = match waits {
                    true => RobustLock.lock(&mem, Some(Duration::from_millis(1))).map(Some),
                    false => RobustLock.try_lock(&mem),
                };
                match taken {
                    Ok(Some(how)) => {
                        RobustLock.unlock(&mem);
                        inherited.fetch_or(how == Acquired::OwnerDied, SeqCst);
                    }
                    Ok(None) | Err(LockError::TimedOut { .. }) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        };
        thread::scope(|scope| {
            for waits in [true, true, true, false] {
                scope.spawn(move || take(waits));
            }
            thread::sleep(Duration::from_millis(5));
            holder.kill();
        });
    }
}

/// As it does those who queue just before two others are kept from waiting for each other.
#[test]
fn whoever_meets_a_circle_takes_nothing_from_an_owner_that_lives() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let mem = open(&dir.path().join("topic"));
    // A lock of this thread that nobody here knows of, and for which the topic's owner waits.
    let ours = AtomicU32::new(0);
    futex::lock_pi(&ours, Flags::PRIVATE, None).unwrap();
    thread::scope(|scope| {
        let owner = scope.spawn(|| {
            assert_eq!(RobustLock.lock(&mem, None), Ok(Acquired::Clean));
            futex::lock_pi(&ours, Flags::PRIVATE, None).unwrap();
            let word = mem.load_u32(header::LOCK_WORD, SeqCst);
            RobustLock.unlock(&mem);
            futex::unlock_pi(&ours, Flags::PRIVATE).unwrap();
            (thread_id(), word & !WAITERS)
        });
        while ours.load(SeqCst) & WAITERS == 0 {
            thread::yield_now();
        }
        let taken = RobustLock.lock(&mem, Some(PATIENCE / 100));
        futex::unlock_pi(&ours, Flags::PRIVATE).unwrap();
        let (id, owner) = owner.join().unwrap();
        assert_eq!((taken, owner), (Err(LockError::TimedOut { owner: id }), id));
    });
    assert_eq!(RobustLock.lock(&mem, Some(PATIENCE)), Ok(Acquired::Clean));
    RobustLock.unlock(&mem);
}

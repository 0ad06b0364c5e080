//! Threads that all want the topic lock, all the time, mostly get it without the kernel.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::fs;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use a0_core::{Acquired, Lock, RawMem};
use a0_linux::{FileOptions, Mapping, RobustLock, TopicFile};

const THREADS: u64 = 8;
/// As long as a publish of a small message takes.
const PAUSES: u32 = 20;
const ROUNDS: u64 = 5_000;
const TRIES: usize = 5;

/// How often the calling thread has slept.
fn sleeps() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

/// Sleeps of all threads, which come from the kernel's queue and take the lock `ROUNDS` times each.
fn slept(mem: &RawMem<Mapping>) -> u64 {
    let started = AtomicU64::new(0);
    let work = || {
        let before = sleeps();
        started.fetch_add(1, Ordering::Relaxed);
        for _ in 0..ROUNDS {
            assert_eq!(RobustLock.lock(mem, None), Ok(Acquired::Clean));
            (0..PAUSES).for_each(|_| spin_loop());
            RobustLock.unlock(mem);
        }
        sleeps() - before
    };
    thread::scope(|scope| {
        assert_eq!(RobustLock.lock(mem, None), Ok(Acquired::Clean));
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        while started.load(Ordering::Relaxed) < THREADS {
            thread::yield_now();
        }
        // Should one of them not be in the queue yet, the test is only easier to pass.
        thread::sleep(Duration::from_millis(50));
        RobustLock.unlock(mem);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Once threads sleep in the kernel's queue it hands the lock from one to the next, each of which has to wake up first.
/// Whoever comes back must not join the queue at once, or it never ends, and everybody sleeps for every message.
#[test]
fn a_queue_in_the_kernel_dissolves() {
    let dir = tempfile::Builder::new().prefix("a0-convoy.").tempdir_in("/dev/shm").unwrap();
    let (_, mem) = TopicFile::open(&dir.path().join("topic"), &FileOptions::default().size(4096)).unwrap();
    // Where others want the cores, too, whoever has the lock may be kept from running for long.
    let mut tries = vec![];
    while tries.last().is_none_or(|slept| *slept >= THREADS * ROUNDS / 4) {
        assert!(tries.len() < TRIES, "{tries:?} sleeps for {} locks", THREADS * ROUNDS);
        tries.push(slept(&mem));
    }
}

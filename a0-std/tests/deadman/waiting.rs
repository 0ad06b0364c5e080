//! Waits for somebody to take it or to let go of it, and what ends them.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{Deadman, Error};
use rustix::thread::futex;

use super::{Actor, Bytes, PATIENCE, SECOND, after_death, clean, each_layout, is_interrupted, is_timeout, read_only};
use a0_testkit::private_root::topic;
use a0_testkit::until;

#[test]
fn a_blocked_take_gets_it_when_the_owner_dies_or_releases() {
    each_layout(|topic, open| {
        let actor = Actor::start("take", {
            open();
            topic
        });
        actor.expect("taken");
        thread::scope(|scope| {
            let taken = scope.spawn(|| {
                let deadman = open();
                let taken = deadman.take(PATIENCE).unwrap();
                (deadman, taken)
            });
            thread::sleep(SECOND / 20);
            actor.kill();
            let (deadman, taken) = taken.join().unwrap();
            assert_eq!(taken, after_death(2));
            let next = scope.spawn(|| open().take(PATIENCE).unwrap());
            thread::sleep(SECOND / 20);
            deadman.release().unwrap();
            assert_eq!(next.join().unwrap(), clean(3));
        });
    });
}

#[test]
fn waits_see_both_ends() {
    each_layout(|topic, open| {
        let deadman = open();
        let watchers = [open(), read_only(topic)];
        for watcher in &watchers {
            is_timeout(watcher.wait_taken(Duration::ZERO));
            is_timeout(watcher.wait_taken(SECOND / 20));
            // Nobody has it.
            watcher.wait_released(0, None).unwrap();
        }
        for token in 1..=50 {
            let begun = Barrier::new(watchers.len() + 1);
            thread::scope(|scope| {
                let waits = watchers.each_ref().map(|watcher| {
                    let begun = &begun;
                    scope.spawn(move || {
                        begun.wait();
                        assert_eq!(watcher.wait_taken(PATIENCE).unwrap(), token);
                        begun.wait();
                        watcher.wait_released(token, PATIENCE).unwrap();
                        // That one is over, whoever has it now.
                        watcher.wait_released(token, Duration::ZERO).unwrap();
                    })
                });
                begun.wait();
                deadman.take(None).unwrap();
                begun.wait();
                deadman.release().unwrap();
                for wait in waits {
                    wait.join().unwrap();
                }
            });
        }
        let token = deadman.take(None).unwrap().token;
        for watcher in &watchers {
            is_timeout(watcher.wait_released(token, Duration::ZERO));
            is_timeout(watcher.wait_released(token, SECOND / 20));
            watcher.wait_released(token - 1, None).unwrap();
            watcher.wait_released(token + 1, None).unwrap();
        }
    });
}

#[test]
fn interrupting_ends_waits_for_good_and_releases_nothing() {
    each_layout(|topic, open| {
        let owner = open();
        owner.take(None).unwrap();
        let interrupt = |watcher: Deadman, wait: fn(&Deadman) -> Result<(), Error>| {
            let interrupter = watcher.interrupter();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| wait(&watcher));
                thread::sleep(SECOND / 20);
                assert!(!interrupter.is_interrupted());
                interrupter.interrupt();
                is_interrupted(waiting.join().unwrap());
            });
            is_interrupted(wait(&watcher));
        };
        interrupt(open(), |watcher| watcher.take(None).map(drop));
        interrupt(open(), |watcher| watcher.wait_released(1, None));
        interrupt(read_only(topic), |watcher| watcher.wait_released(1, None));
        assert!(owner.state().unwrap().is_owner);
        owner.release().unwrap();
        interrupt(open(), |watcher| watcher.wait_taken(None).map(drop));
        interrupt(read_only(topic), |watcher| watcher.wait_taken(None).map(drop));

        owner.take(None).unwrap();
        owner.interrupter().interrupt();
        assert!(owner.state().unwrap().is_owner);
        owner.release().unwrap();
        is_interrupted(owner.try_take());
    });
}

/// Sleeps on a word as programs of 0.3 do: without a bound that would make up for a lost wake-up.
fn sleep_on(word: &AtomicU32, expected: u32) {
    let timeout = futex::Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    let woken = futex::wait(word, futex::Flags::empty(), expected, Some(&timeout));
    // Or the word had changed before.
    assert!(woken.is_ok() || woken == Err(rustix::io::Errno::AGAIN), "{woken:?}");
}

#[test]
fn the_kernel_wakes_whoever_waits_for_a_death() {
    let topic = topic();
    let deadman = Deadman::new(&topic).unwrap();
    let actor = Actor::start("take", &topic);
    actor.expect("taken");
    let bytes = Bytes::map(deadman.path());
    let word = bytes.word(16);
    let taken = word.fetch_or(0x8000_0000, Ordering::SeqCst) | 0x8000_0000;
    thread::scope(|scope| {
        let waiter = scope.spawn(|| sleep_on(word, taken));
        thread::sleep(SECOND / 20);
        actor.kill();
        waiter.join().unwrap();
    });
    assert_eq!(word.load(Ordering::SeqCst), 0xC000_0000);
}

#[test]
fn whoever_takes_or_releases_it_wakes_all() {
    let deadman = Deadman::new(&topic()).unwrap();
    let bytes = Bytes::map(deadman.path());
    let word = bytes.word(16);
    let take: fn(&Deadman) = |deadman| assert_eq!(deadman.try_take().unwrap(), Some(clean(1)));
    for change in [take, |deadman| deadman.release().unwrap()] {
        let before = word.fetch_or(0x8000_0000, Ordering::SeqCst) | 0x8000_0000;
        thread::scope(|scope| {
            let waiters = [(); 3].map(|()| scope.spawn(|| sleep_on(word, before)));
            thread::sleep(SECOND / 20);
            change(&deadman);
            for waiter in waiters {
                waiter.join().unwrap();
            }
        });
    }
}

#[test]
fn all_who_wait_hear_of_a_death() {
    let topic = topic();
    let deadman = Deadman::new(&topic).unwrap();
    let actor = Actor::start("take", &topic);
    actor.expect("taken");
    let bytes = Bytes::map(deadman.path());
    let word = bytes.word(16);
    thread::scope(|scope| {
        // The kernel wakes only one, and that one may be ours.
        let ours = scope.spawn(|| deadman.wait_released(1, PATIENCE));
        until(|| word.load(Ordering::SeqCst) & 0x8000_0000 != 0);
        let taken = word.load(Ordering::SeqCst);
        let others = [(); 4].map(|()| scope.spawn(move || sleep_on(word, taken)));
        thread::sleep(SECOND / 20);
        actor.kill();
        ours.join().unwrap().unwrap();
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn several_processes_hear_of_a_death() {
    each_layout(|topic, open| {
        let deadman = open();
        let actor = Actor::start("take", topic);
        actor.expect("taken");
        let waiters: Vec<_> = (0..4).map(|_| Actor::start("wait released", topic)).collect();
        waiters.iter().for_each(|waiter| waiter.expect("waiting"));
        thread::sleep(SECOND / 20);
        actor.kill();
        waiters.iter().for_each(|waiter| waiter.expect("released"));
        assert_eq!(deadman.take(SECOND).unwrap(), after_death(2), "whoever waits takes nothing away");
    });
}

/// Not a test of anything: says how fast it is.
#[test]
fn time_from_death_to_notice() {
    each_layout(|topic, open| {
        let deadman = open();
        let mut times: Vec<_> = (0..20)
            .map(|_| {
                let actor = Actor::start("take", topic);
                actor.expect("taken");
                let token = deadman.wait_taken(PATIENCE).unwrap();
                thread::scope(|scope| {
                    let noticed = scope.spawn(|| {
                        deadman.wait_released(token, PATIENCE).unwrap();
                        Instant::now()
                    });
                    thread::sleep(SECOND / 50);
                    let killed = Instant::now();
                    actor.kill();
                    noticed.join().unwrap() - killed
                })
            })
            .collect();
        times.sort();
        println!(
            "{:?}: from SIGKILL to wait_released {:?} (median), {:?} (longest)",
            deadman.layout(),
            times[10],
            times[19]
        );
    });
}

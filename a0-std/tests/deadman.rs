//! Deadmen between real processes that are really killed. Everything holds for both layouts.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use a0_linux::FileError;
use a0_std::{Deadman, DeadmanLayout, Error, FileOptions, Mode, Taken};
use common::topic;
use memmap2::MmapRaw;
use rustix::thread::futex;

const LAYOUTS: [DeadmanLayout; 2] = [DeadmanLayout::Bytes32, DeadmanLayout::Bytes72];
const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// A thread id larger than any that Linux gives out.
const NOBODY: u32 = 0x3FFF_FFF0;

fn each_layout(test: impl Fn(&str, &(dyn Fn() -> Deadman + Sync))) {
    for layout in LAYOUTS {
        let topic = topic();
        test(&topic, &|| Deadman::with_options(&topic, layout).unwrap());
    }
}

fn read_only(topic: &str) -> Deadman {
    Deadman::with_options(topic, FileOptions::default().access(Mode::ReadOnly)).unwrap()
}

fn is_timeout<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Timeout { .. })), "{result:?}");
}

fn is_interrupted<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Interrupted { .. })), "{result:?}");
}

fn clean(token: u64) -> Taken {
    Taken { token, previous_owner_died: false }
}

fn after_death(token: u64) -> Taken {
    Taken { token, previous_owner_died: true }
}

/// A process that runs a script of `child` on this deadman.
struct Actor {
    process: Child,
    lines: Receiver<String>,
}

impl Actor {
    fn start(script: &str, topic: &str) -> Actor {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env("A0_TEST_SCRIPT", script)
            .env("A0_TEST_TOPIC", topic)
            .env("A0_ROOT", common::root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        let stdout = process.stdout.take().unwrap();
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        Actor { process, lines }
    }

    /// Waits for the child to say this.
    fn expect(&self, what: &str) {
        while self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the child never said {what:?}")) != what {}
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Lets it go on to its own end.
    fn finish(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs in the child processes.
#[test]
#[ignore = "not a test: what the other tests start as a process of its own"]
fn child() {
    let Ok(script) = std::env::var("A0_TEST_SCRIPT") else { return };
    let topic = std::env::var("A0_TEST_TOPIC").unwrap();
    let deadman = Deadman::open_existing(&topic).unwrap().unwrap();
    let say = |what: &str| {
        // On a line of its own: with one core, the test harness has begun one.
        println!("\n{what}");
        std::io::stdout().flush().unwrap();
    };
    let wait_for_stdin = || {
        let _ = std::io::stdin().read_line(&mut String::new());
    };
    match &*script {
        "take" | "take and exit" => {
            deadman.take(PATIENCE).unwrap();
            say("taken");
            wait_for_stdin();
            // As if main had returned with the handle in a static.
            std::mem::forget(deadman);
        }
        "wait released" => {
            let token = deadman.wait_taken(PATIENCE).unwrap();
            say("waiting");
            deadman.wait_released(token, PATIENCE).unwrap();
            say("released");
            wait_for_stdin();
        }
        "again and again" => loop {
            if deadman.try_take().unwrap().is_some() {
                deadman.release().unwrap();
            }
        },
        other => panic!("unknown script {other}"),
    }
}

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
fn whoever_takes_it_learns_that_the_owner_before_died() {
    each_layout(|topic, open| {
        let deadman = open();
        let killed = Actor::start("take", topic);
        killed.expect("taken");
        assert_eq!(deadman.try_take().unwrap(), None);
        killed.kill();
        assert!(deadman.state().unwrap().owner_died);
        assert_eq!(deadman.try_take().unwrap(), Some(after_death(2)));
        deadman.release().unwrap();
        assert_eq!(deadman.take(None).unwrap(), clean(3), "said once");
        deadman.release().unwrap();

        let exits = Actor::start("take and exit", topic);
        exits.expect("taken");
        exits.finish();
        assert_eq!(deadman.try_take().unwrap(), Some(after_death(5)));
    });
}

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

#[test]
fn names_are_checked_and_nothing_is_created_by_looking() {
    let root = common::root();
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
        thread::sleep(SECOND / 20);
        let taken = word.load(Ordering::SeqCst);
        assert_ne!(taken & 0x8000_0000, 0, "somebody waits");
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

#[test]
fn deaths_at_random_instants_leave_it_to_be_taken() {
    each_layout(|topic, open| {
        let deadman = open();
        let mut died = 0;
        for round in 0..100u64 {
            let actor = Actor::start("again and again", topic);
            deadman.wait_taken(PATIENCE).unwrap();
            thread::sleep(Duration::from_micros(round * 7919 % 1500));
            actor.kill();
            let taken = deadman.take(SECOND).unwrap();
            died += u32::from(taken.previous_owner_died);
            assert_eq!(deadman.state().unwrap().token, taken.token);
            deadman.release().unwrap();
        }
        assert!((5..100).contains(&died), "{died} of 100 had it when they were killed");
    });
}

/// Should the child hang, it ends all the same.
fn end_soon() {
    // SAFETY: changes nothing in memory.
    unsafe { libc::alarm(PATIENCE.as_secs() as u32) };
}

#[test]
fn a_forked_child_has_nothing_of_its_parents() {
    each_layout(|_, open| {
        let (deadman, unused, other) = (open(), open(), open());
        deadman.take(None).unwrap();
        let before = deadman.state().unwrap();
        // A thread of its own, which is not forked either.
        assert_eq!(unused.try_take().unwrap(), None);
        // SAFETY: the child calls nothing that needs a lock that another thread may have held.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            end_soon();
            let state = deadman.state().unwrap();
            let sound = state.taken
                && !state.is_owner
                && state.owner == before.owner
                && matches!(deadman.release(), Err(Error::NotOwner { .. }))
                && deadman.try_take().unwrap().is_none()
                && other.try_take().unwrap().is_none();
            drop((deadman, unused, other));
            // SAFETY: ends the child without running anything of the test's.
            unsafe { libc::_exit(i32::from(!sound)) };
        }
        let mut status = 0;
        // SAFETY: waits for the child just made and stores into a local.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child found something wrong");
        assert_eq!(deadman.state().unwrap(), before);
        deadman.release().unwrap();

        // What the child inherits it can take when it is free; and its death is its own.
        // SAFETY: as above.
        let child = unsafe { libc::fork() };
        if child == 0 {
            end_soon();
            let taken = deadman.try_take().unwrap().is_some() && deadman.state().unwrap().is_owner;
            // SAFETY: as above.
            unsafe { libc::_exit(i32::from(!taken)) };
        }
        // SAFETY: as above.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child could not take it");
        assert_eq!(deadman.try_take().unwrap(), Some(after_death(3)));
    });
}

/// A file's bytes, to damage them.
struct Bytes(MmapRaw);

impl Bytes {
    fn map(path: &Path) -> Bytes {
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        Bytes(MmapRaw::map_raw(&file).unwrap())
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at + 4 <= self.0.len() && at.is_multiple_of(4));
        let word = self.0.as_mut_ptr().wrapping_add(at).cast();
        // SAFETY: inside the mapping, aligned, and alive as long as `self`.
        unsafe { AtomicU32::from_ptr(word) }
    }

    fn fill(&self, bytes: &[u8]) {
        for (i, word) in bytes.chunks_exact(4).enumerate() {
            self.word(4 * i).store(u32::from_ne_bytes(word.try_into().unwrap()), Ordering::SeqCst);
        }
    }
}

/// Where the owner's thread id lies.
fn owner_word(layout: DeadmanLayout) -> usize {
    if layout == DeadmanLayout::Bytes32 { 16 } else { 48 }
}

#[test]
fn an_owner_that_does_not_exist_has_died() {
    each_layout(|topic, open| {
        let deadman = open();
        deadman.take(None).unwrap();
        let mut bytes = fs::read(deadman.path()).unwrap();
        deadman.release().unwrap();
        let word = owner_word(deadman.layout());
        bytes[word..word + 4].copy_from_slice(&NOBODY.to_le_bytes());
        let damaged = || Bytes::map(deadman.path()).fill(&bytes);
        damaged();
        assert_eq!(deadman.state().unwrap().owner, Some(NOBODY));
        read_only(topic).wait_released(1, None).unwrap();
        is_timeout(read_only(topic).wait_taken(Duration::ZERO));
        damaged();
        deadman.wait_released(1, None).unwrap();
        assert!(deadman.state().unwrap().owner_died);
        damaged();
        is_timeout(deadman.wait_taken(SECOND / 20));
        damaged();
        assert_eq!(deadman.take(SECOND).unwrap(), after_death(2));
    });
}

#[test]
fn the_last_token_is_followed_by_the_first() {
    each_layout(|_, open| {
        let deadman = open();
        let at = deadman.layout().size() as usize - if deadman.layout() == DeadmanLayout::Bytes32 { 8 } else { 16 };
        let bytes = Bytes::map(deadman.path());
        bytes.word(at).store(u32::MAX, Ordering::SeqCst);
        bytes.word(at + 4).store(u32::MAX, Ordering::SeqCst);
        assert_eq!(deadman.state().unwrap().token, u64::MAX);
        assert_eq!(deadman.take(None).unwrap(), clean(0));
        assert_eq!(open().wait_taken(None).unwrap(), 0);
    });
}

#[test]
fn whoever_sees_it_taken_sees_its_token() {
    each_layout(|_, open| {
        let (deadman, watcher, ended) = (open(), open(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut last, mut over, mut seen) = (0, true, 0);
                while !ended.load(Ordering::SeqCst) {
                    let state = watcher.state().unwrap();
                    if state.taken {
                        assert!(state.token > last || !over && state.token == last, "{state:?} after {last}");
                        last = state.token;
                        seen += 1;
                    }
                    over = !state.taken;
                }
                assert!(seen > 0);
            });
            for _ in 0..5000 {
                deadman.take(None).unwrap();
                deadman.release().unwrap();
            }
            ended.store(true, Ordering::SeqCst);
        });
    });
}

#[test]
fn a_token_that_is_late_is_waited_for() {
    // An owner of 0.3 is there before it has counted.
    let deadman = Deadman::new(&topic()).unwrap();
    let bytes = Bytes::map(deadman.path());
    let begun = Barrier::new(2);
    thread::scope(|scope| {
        let token = scope.spawn(|| {
            begun.wait();
            deadman.wait_taken(PATIENCE)
        });
        begun.wait();
        thread::sleep(SECOND / 20);
        let word = bytes.word(16);
        word.store(std::process::id(), Ordering::SeqCst);
        futex::wake(word, futex::Flags::empty(), i32::MAX as u32).unwrap();
        // The other one runs now, if it ever does before the token is there.
        thread::yield_now();
        bytes.word(24).store(7, Ordering::SeqCst);
        assert_eq!(token.join().unwrap().unwrap(), 7);
    });
}

#[test]
fn any_content_is_survived() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for layout in LAYOUTS {
        let deadman = Deadman::with_options(&topic(), layout).unwrap();
        let bytes = Bytes::map(deadman.path());
        let random = std::iter::repeat_with(|| (0..layout.size()).map(|_| (next() >> 40) as u8).collect()).take(300);
        let mark = fs::read(deadman.path()).unwrap()[20..24].to_vec();
        let same: [Vec<u8>; 4] = [0x01, 0x7F, 0x80, 0xFF].map(|byte| vec![byte; layout.size() as usize]);
        bytes.fill(&same[0]);
        let foreign = Deadman::open(deadman.path(), ()).unwrap_err();
        assert!(matches!(foreign, Error::File(FileError::OtherPidNamespace { .. })), "{foreign}");
        for mut content in same.into_iter().chain(random) {
            content[20..24].copy_from_slice(&mark);
            bytes.fill(&content);
            survive(&deadman);
        }
    }
}

/// Uses it in every way. What comes of it does not matter, as long as it does.
fn survive(deadman: &Deadman) {
    let started = Instant::now();
    let watcher = Deadman::open(deadman.path(), ()).unwrap();
    let _ = (watcher.state().unwrap(), watcher.wait_taken(Duration::ZERO));
    let _ = watcher.wait_released(watcher.state().unwrap().token, Duration::from_millis(1));
    if deadman.take(Duration::from_millis(1)).is_ok() {
        assert!(watcher.state().unwrap().taken);
        deadman.release().unwrap();
    }
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn what_has_another_size_is_no_deadman() {
    let root = common::root();
    let path: PathBuf = root.join(format!("{}.deadman", topic()));
    for size in [0, 1, 31, 33, 71, 73, 144, 4096] {
        fs::write(&path, vec![0; size]).unwrap();
        for mode in [Mode::Shared, Mode::ReadOnly] {
            let error = Deadman::open(&path, FileOptions::default().access(mode)).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()) && error.contains(&format!("{size} bytes")), "{error}");
            assert!(error.contains("remove"), "{error}");
        }
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(Deadman::open(&path, ()), Err(Error::File(_))));
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

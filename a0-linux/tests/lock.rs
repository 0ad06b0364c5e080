//! The topic lock between real processes that are really killed.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use a0_core::layout::header;
use a0_core::{Acquired, Cursor, Error, Lock, LockError, Mem, RawMem, Transport};
use a0_linux::{FileOptions, Mapping, RobustLock, TopicFile, thread_id};
use a0_testkit::actor::{Actor, await_go, say, script};
use rustix::process::{Signal, getpid, kill_process};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);

const OWNER: u32 = 0x3FFF_FFFF;
const WAITERS: u32 = 0x8000_0000;

/// Much longer than anything takes, on busy machines, too.
const PATIENCE: Duration = Duration::from_secs(20);

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("a0-lock.").tempdir_in("/dev/shm").unwrap()
}

fn open(path: &Path) -> RawMem<Mapping> {
    TopicFile::open(path, &FileOptions::default().size(4096)).unwrap().1
}

fn topics(dir: &Path, count: usize) -> Vec<RawMem<Mapping>> {
    (0..count).map(|i| open(&dir.join(i.to_string()))).collect()
}

/// Takes the lock, which has to succeed soon, and releases it.
fn take(mem: &RawMem<Mapping>) -> Acquired {
    let how = RobustLock.lock(mem, Some(PATIENCE)).unwrap();
    RobustLock.unlock(mem);
    how
}

/// The same where nobody is alive who had it: the kernel, and not who comes next, has found that out.
fn take_of_dead(mem: &RawMem<Mapping>) -> Acquired {
    let word = mem.load_u32(header::LOCK_WORD, SeqCst);
    assert_eq!(word & OWNER, 0, "the kernel was not told");
    take(mem)
}

fn hold(mem: &RawMem<Mapping>) {
    assert_eq!(RobustLock.lock(mem, Some(PATIENCE)), Ok(Acquired::Clean));
}

/// A process that has done what this script of `child` begins with.
fn start(script: &str, dir: &Path) -> Actor {
    let actor = Actor::start(script, dir);
    actor.expect("at work");
    actor
}

/// Runs in the child processes.
#[test]
#[ignore = "not a test: what the other tests start as a process of its own"]
fn child() {
    let Some((script, dir)) = script() else { return };
    let dir = PathBuf::from(dir);
    let all = topics(&dir, 4);
    let (held, free) = match &*script {
        "hold 0" => (vec![0], vec![]),
        "hold 0 1" => (vec![0, 1], vec![]),
        "hold 0 1 2" => (vec![0, 1, 2], vec![]),
        "hold 0 1, release 0" => (vec![0, 1], vec![0]),
        "hold 0 1, release 1" => (vec![0, 1], vec![1]),
        "hold 0 1 2, release 1" => (vec![0, 1, 2], vec![1]),
        "hold 0 1 2, release 0 2" => (vec![0, 1, 2], vec![0, 2]),
        "hold 0 1 2, release 2 0, hold 0" => (vec![0, 1, 2], vec![2, 0]),
        "hold 0 1 2 3, try 2" => (vec![0, 1, 2, 3], vec![]),
        "hold 0 1 2 3, try 3" => (vec![0, 1, 2, 3], vec![]),
        "random" => {
            say("at work");
            random_locks(&all)
        }
        "publish" => {
            let topic = Transport::open(open(&dir.join("topic")), RobustLock).unwrap();
            say("at work");
            await_go();
            let mut locked = topic.lock(None).unwrap();
            locked.push(b"news").unwrap();
            // Committed, unlocked, and dead before anybody is woken.
            RobustLock.unlock(topic.mem());
            kill_process(getpid(), Signal::KILL).unwrap();
            unreachable!()
        }
        other => panic!("unknown script {other}"),
    };
    for topic in &held {
        hold(&all[*topic]);
    }
    for topic in &free {
        RobustLock.unlock(&all[*topic]);
    }
    if script.ends_with(", hold 0") {
        hold(&all[0]);
    }
    if let Some((_, topic)) = script.split_once(", try ") {
        // As if it were another one: by another mapping.
        assert_eq!(RobustLock.lock(&open(&dir.join(topic)), None), Err(LockError::Recursive));
    }
    say("at work");
    thread::sleep(60 * SECOND);
}

/// Locks and unlocks in no order, for ever, holding up to four at once.
fn random_locks(all: &[RawMem<Mapping>]) -> ! {
    let mut random = u64::from(std::process::id()) | 1;
    let mut held: Vec<usize> = Vec::new();
    loop {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let topic = (random >> 33) as usize % all.len();
        match held.iter().position(|other| *other == topic) {
            Some(at) => {
                held.remove(at);
                RobustLock.unlock(&all[topic]);
            }
            None => {
                let _ = RobustLock.lock(&all[topic], Some(PATIENCE)).unwrap();
                held.push(topic);
            }
        }
    }
}

/// Kills a process that has done this; which topics then say that their owner died?
fn died_after(script: &str) -> Vec<usize> {
    let dir = folder();
    let all = topics(dir.path(), 4);
    start(script, dir.path()).kill();
    let dead = (0..4).filter(|i| take_of_dead(&all[*i]) == Acquired::OwnerDied).collect();
    // Said once, and then no more.
    assert!(all.iter().all(|mem| take(mem) == Acquired::Clean));
    dead
}

#[test]
fn death_of_a_holder_is_noticed() {
    assert_eq!(died_after("hold 0"), [0]);
}

#[test]
fn death_of_a_holder_of_several_topics_is_noticed_in_each() {
    assert_eq!(died_after("hold 0 1"), [0, 1]);
    assert_eq!(died_after("hold 0 1 2"), [0, 1, 2]);
}

#[test]
fn topics_are_released_in_any_order() {
    assert_eq!(died_after("hold 0 1, release 0"), [1]);
    assert_eq!(died_after("hold 0 1, release 1"), [0]);
    assert_eq!(died_after("hold 0 1 2, release 1"), [0, 2]);
    assert_eq!(died_after("hold 0 1 2, release 0 2"), [1]);
    assert_eq!(died_after("hold 0 1 2, release 2 0, hold 0"), [0, 1]);
}

#[test]
fn who_wants_again_what_it_holds_keeps_what_it_holds() {
    assert_eq!(died_after("hold 0 1 2 3, try 2"), [0, 1, 2, 3]);
    assert_eq!(died_after("hold 0 1 2 3, try 3"), [0, 1, 2, 3]);
}

#[test]
fn waiters_get_the_lock_of_a_holder_that_dies() {
    let dir = folder();
    let all = topics(dir.path(), 2);
    let holder = start("hold 0 1", dir.path());
    let wait = |mem| {
        let how = RobustLock.lock(&mem, Some(PATIENCE));
        RobustLock.unlock(&mem);
        how
    };
    let waiters = all.into_iter().map(|mem| thread::spawn(move || wait(mem)));
    let waiters: Vec<_> = waiters.collect();
    thread::sleep(SECOND / 20);
    holder.kill();
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), Ok(Acquired::OwnerDied));
    }
}

#[test]
fn deaths_at_random_instants_leave_no_topic_locked() {
    let dir = folder();
    let all = topics(dir.path(), 4);
    let mut dead = 0;
    for round in 0..200u64 {
        let actor = start("random", dir.path());
        let started = Instant::now();
        while started.elapsed() < PATIENCE && all.iter().all(|mem| mem.load_u32(header::LOCK_WORD, SeqCst) == 0) {
            thread::yield_now();
        }
        thread::sleep(Duration::from_micros(round * 7919 % 3000));
        actor.kill();
        dead += all.iter().filter(|mem| take_of_dead(mem) == Acquired::OwnerDied).count();
    }
    // Two of four are held at any moment, on average.
    assert!(dead > 200, "only {dead} locks were held by those killed");
}

#[test]
fn a_lock_is_not_taken_twice_by_one_thread() {
    let dir = folder();
    let path = dir.path().join("topic");
    let (mem, other_mapping) = (open(&path), open(&path));
    hold(&mem);
    assert_eq!(RobustLock.lock(&mem, Some(SECOND)), Err(LockError::Recursive));
    assert_eq!(RobustLock.lock(&mem, None), Err(LockError::Recursive));
    assert_eq!(RobustLock.lock(&other_mapping, None), Err(LockError::Recursive));
    assert_eq!(RobustLock.try_lock(&mem), Ok(None));
    assert_eq!(mem.load_u32(header::LOCK_WORD, SeqCst) & OWNER, thread_id(), "still held");
    RobustLock.unlock(&mem);
    assert_eq!(take(&other_mapping), Acquired::Clean);
    assert_eq!(take(&mem), Acquired::Clean);
}

#[test]
fn waiting_ends_when_it_has_taken_too_long() {
    let dir = folder();
    let mem = open(&dir.path().join("0"));
    let holder = start("hold 0", dir.path());
    let started = Instant::now();
    let owner = match RobustLock.lock(&mem, Some(SECOND / 5)) {
        Err(LockError::TimedOut { owner }) => owner,
        other => panic!("{other:?}"),
    };
    assert!((SECOND / 5..PATIENCE).contains(&started.elapsed()));
    assert!(Path::new(&format!("/proc/{}/task/{owner}", holder.process.id())).exists(), "{owner} is no thread of it");
    assert_eq!(RobustLock.try_lock(&mem), Ok(None));
    drop(holder);
    assert_eq!(take(&mem), Acquired::OwnerDied);
}

/// Larger than any thread id that Linux gives out.
const NOBODY: u32 = 0x3FFF_FFF0;

/// As it is in a copy of a locked file, or where the kernel was told of nothing.
#[test]
fn a_lock_whose_owner_does_not_exist_is_handed_on() {
    let dir = folder();
    let mem = open(&dir.path().join("topic"));
    // Killed, but not buried by its parent: `kill` would say that it exists.
    let mut zombie = start("hold 0", dir.path());
    zombie.process.kill().unwrap();
    assert_eq!(take(&open(&dir.path().join("0"))), Acquired::OwnerDied);
    // Our own id, in a lock that we do not hold, belonged to another thread before.
    let mut owners = vec![NOBODY, NOBODY | WAITERS, zombie.process.id(), thread_id(), thread_id() | WAITERS];
    // And so did that of a thread of the kernel, where it is to be seen.
    owners.extend(fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n").then_some(2));
    for owner in owners {
        mem.store_u32(header::LOCK_WORD, owner, SeqCst);
        assert_eq!(take(&mem), Acquired::OwnerDied, "{owner:#x}");
        assert_eq!(take(&mem), Acquired::Clean);
        mem.store_u32(header::LOCK_WORD, owner, SeqCst);
        assert_eq!(RobustLock.lock(&mem, Some(Duration::ZERO)), Ok(Acquired::OwnerDied), "{owner:#x}");
        RobustLock.unlock(&mem);
        mem.store_u32(header::LOCK_WORD, owner, SeqCst);
        assert_eq!(RobustLock.try_lock(&mem), Ok(Some(Acquired::OwnerDied)), "{owner:#x}");
        RobustLock.unlock(&mem);
        assert_eq!(take(&mem), Acquired::Clean);
    }
}

/// To others, and to the kernel, it is the lock of a thread that lives.
#[test]
fn who_has_the_id_of_a_dead_owner_inherits_from_it_before_those_who_wait() {
    let dir = folder();
    let mem = open(&dir.path().join("topic"));
    let inheritances: [fn(&RawMem<Mapping>) -> _; 2] =
        [|mem| RobustLock.lock(mem, Some(SECOND)).map(Some), |mem| RobustLock.try_lock(mem)];
    for inherit in inheritances {
        mem.store_u32(header::LOCK_WORD, thread_id(), SeqCst);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| take(&mem));
            while mem.load_u32(header::LOCK_WORD, SeqCst) & WAITERS == 0 {
                thread::yield_now();
            }
            assert_eq!(inherit(&mem), Ok(Some(Acquired::OwnerDied)));
            assert_eq!(mem.load_u32(header::LOCK_WORD, SeqCst) & OWNER, thread_id());
            RobustLock.unlock(&mem);
            assert_eq!(waiter.join().unwrap(), Acquired::Clean);
        });
    }
}

#[test]
fn of_many_who_find_a_lock_without_owner_one_inherits_it() {
    let dir = folder();
    let mem = open(&dir.path().join("topic"));
    for _ in 0..100 {
        mem.store_u32(header::LOCK_WORD, NOBODY, SeqCst);
        let heirs = thread::scope(|scope| {
            let takers = [(); 4].map(|()| scope.spawn(|| take(&mem)));
            takers.map(|taker| taker.join().unwrap()).into_iter().filter(|how| *how == Acquired::OwnerDied).count()
        });
        assert_eq!(heirs, 1);
    }
}

/// Where the thread id may be that of a living one, nobody gets the lock.
#[test]
fn an_owner_of_who_knows_which_namespace_is_an_error() {
    let dir = folder();
    let mem = open(&dir.path().join("topic"));
    let mark = mem.load_u32(header::PID_NAMESPACE, SeqCst);
    for namespace in [0, mark ^ 1] {
        mem.store_u32(header::PID_NAMESPACE, namespace, SeqCst);
        for owner in [NOBODY, thread_id()] {
            mem.store_u32(header::LOCK_WORD, owner, SeqCst);
            assert_eq!(RobustLock.lock(&mem, Some(SECOND)), Err(LockError::StaleOwner { owner }));
            assert_eq!(RobustLock.lock(&mem, None), Err(LockError::StaleOwner { owner }));
            assert_eq!(RobustLock.try_lock(&mem), Err(LockError::StaleOwner { owner }));
        }
    }
}

#[test]
fn a_failed_attempt_leaves_other_locks_covered() {
    let dir = folder();
    let all = topics(dir.path(), 2);
    all[1].store_u32(header::LOCK_WORD, NOBODY, SeqCst);
    all[1].store_u32(header::PID_NAMESPACE, 0, SeqCst);
    let first = open(&dir.path().join("0"));
    // The mapping has to outlive the thread: without it, the kernel cannot reach the lock.
    thread::scope(|scope| {
        scope.spawn(|| {
            hold(&first);
            assert!(matches!(RobustLock.lock(&all[1], None), Err(LockError::StaleOwner { .. })));
        });
    });
    assert_eq!(take(&all[0]), Acquired::OwnerDied);
}

#[test]
fn death_of_a_thread_is_enough() {
    let dir = folder();
    let all = topics(dir.path(), 4);
    let theirs = topics(dir.path(), 4);
    thread::scope(|scope| {
        // Waits until the kernel is done with it, which the end of the scope does not.
        scope.spawn(|| theirs.iter().for_each(hold)).join().unwrap();
    });
    for mem in &all {
        assert_eq!(take_of_dead(mem), Acquired::OwnerDied);
    }
}

/// Safe code can leak a guard and drop its topic, in whichever thread. The lock is held all the same: the kernel looks at it
/// when the thread ends.
#[test]
fn a_guard_that_was_leaked_keeps_its_memory() {
    let dir = folder();
    for dropped_elsewhere in [false, true] {
        let (path, other) = (dir.path().join("0"), open(&dir.path().join("1")));
        // The maps know a file by the name it was opened by, and a new one was opened without.
        drop(open(&path));
        let is_mapped = || fs::read_to_string("/proc/self/maps").unwrap().contains(path.to_str().unwrap());
        // Joined, and not only ended: then the kernel has taken its last look.
        thread::scope(|scope| {
            let leaking = scope.spawn(|| {
                let topic = Transport::open(open(&path), RobustLock).unwrap();
                std::mem::forget(topic.lock(None).unwrap());
                match dropped_elsewhere {
                    true => thread::scope(|scope| scope.spawn(|| drop(topic)).join().unwrap()),
                    false => drop(topic),
                }
                assert!(is_mapped(), "dropped elsewhere: {dropped_elsewhere}");
                hold(&other);
                RobustLock.unlock(&other);
            });
            leaking.join().unwrap();
        });
        assert_eq!(take_of_dead(&open(&path)), Acquired::OwnerDied);
        fs::remove_file(&path).unwrap();
    }
}

/// Whoever may write to a topic can spoil its links. The others have nothing to do with that.
#[test]
fn a_damaged_topic_leaves_the_other_locks_of_its_thread() {
    for damaged in [0, 1, 2] {
        let dir = folder();
        let all = topics(dir.path(), 3);
        let holder = start("hold 0 1 2", dir.path());
        all[damaged].store_u64(header::MUTEX_NEXT, 0x1010, SeqCst);
        holder.kill();
        // What is inside of it the kernel has found; what is around it has no owner either.
        for (i, mem) in all.iter().enumerate() {
            let word = mem.load_u32(header::LOCK_WORD, SeqCst);
            assert!(i < damaged || word & OWNER == 0, "{i}, where {damaged} is damaged: {word:#x}");
            assert_eq!(take(mem), Acquired::OwnerDied);
            assert_eq!(take(mem), Acquired::Clean);
        }
    }
    // The same where its memory is gone.
    let dir = folder();
    let all = topics(dir.path(), 2);
    let holder = start("hold 0 1", dir.path());
    fs::File::options().write(true).open(dir.path().join("0")).unwrap().set_len(0).unwrap();
    holder.kill();
    assert_eq!(take_of_dead(&all[1]), Acquired::OwnerDied);
}

#[test]
fn nine_topics_at_once_are_too_many() {
    let dir = folder();
    let all = topics(dir.path(), 9);
    all[..8].iter().for_each(hold);
    assert_eq!(RobustLock.lock(&all[8], None), Err(LockError::TooMany { limit: 8 }));
    all[..8].iter().for_each(|mem| RobustLock.unlock(mem));
    assert!(all.iter().all(|mem| take(mem) == Acquired::Clean));
}

#[test]
fn a_forked_child_has_locks_of_its_own() {
    let dir = folder();
    let (mem, own) = (open(&dir.path().join("parent")), open(&dir.path().join("child")));
    hold(&mem);
    let parent = thread_id();
    // SAFETY: the child calls nothing that needs another thread or a lock that one may have held.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let sound = thread_id() != parent
            && RobustLock.try_lock(&mem) == Ok(None)
            && RobustLock.lock(&own, None) == Ok(Acquired::Clean)
            && RobustLock.try_lock(&mem) == Ok(None);
        // SAFETY: ends the child without running anything of the test's. It dies with its lock held.
        unsafe { libc::_exit(if sound { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made and stores into a local.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child found something wrong");

    assert_eq!(take(&own), Acquired::OwnerDied);
    assert_eq!(mem.load_u32(header::LOCK_WORD, SeqCst) & OWNER, parent, "the parent still has its lock");
    RobustLock.unlock(&mem);
    assert_eq!(take(&mem), Acquired::Clean);
}

#[test]
fn a_forked_child_takes_no_mark_from_its_parent() {
    let dir = folder();
    let open = || TopicFile::open(&dir.path().join("topic"), &FileOptions::default().size(4096)).unwrap().0;
    let (file, other) = (open(), open());
    let mut mark = file.mark(7);
    // SAFETY: the child makes a system call, and ends.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        drop(mark.take());
        // SAFETY: ends the child without running anything of the test's.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: waits for the child just made, and stores nothing.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
    assert!(other.has_mark(7..=7));
    drop(mark);
    assert!(!other.has_mark(7..=7));
}

#[test]
fn a_reader_wakes_although_the_publisher_died_before_it_could_wake_it() {
    let dir = folder();
    let topic = Transport::open(open(&dir.path().join("topic")), RobustLock).unwrap();
    let asleep = [(); 5].map(|()| {
        let mut publisher = start("publish", dir.path());
        let cursor = Cursor::end(&topic).unwrap();
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while !topic.has_news(&cursor).unwrap() {
                    topic.sleep(SECOND / 10, || topic.may_have_news(&cursor)).unwrap();
                }
                Instant::now()
            });
            thread::sleep(SECOND / 20);
            publisher.go();
            publisher.process.wait().unwrap();
            let died = Instant::now();
            sleeper.join().unwrap().saturating_duration_since(died)
        })
    });
    // A busy machine may add to it.
    assert!(asleep.iter().min().unwrap() < &Duration::from_millis(150), "asleep for {asleep:?}");
}

#[test]
fn errors_name_the_owner() {
    let dir = folder();
    let mem = open(&dir.path().join("0"));
    let topic = Transport::open(mem, RobustLock).unwrap();
    let _holder = start("hold 0", dir.path());
    match topic.lock(Some(Duration::ZERO)).map(drop) {
        Err(error @ Error::Lock(LockError::TimedOut { owner })) => {
            assert!(error.to_string().contains(&owner.to_string()), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

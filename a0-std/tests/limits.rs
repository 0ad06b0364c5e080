//! The far ends: counters that wrap, sequence numbers that end, many threads, many topics, forks, stopped programs.

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use a0_core::Mem;
use a0_core::layout::{header, page};
use a0_std::{
    DiscoverySync, Error, File, FileOptions, Init, LockError, Protocol, Publisher, ReaderSync, SubscriberSync, Writer,
};
use a0_testkit::private_root::{file, root, text, topic, write};
use a0_testkit::{bare, until};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};

const LONG: Duration = Duration::from_secs(20);

/// This program, about to do `task` beside the test. It uses the same `A0_ROOT`.
fn child(task: &str, topic: &str) -> Command {
    let root = root();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child_process", "--exact", "--nocapture"]);
    command.env("A0_ROOT", root).env("A0_TEST_TASK", task).env("A0_TEST_TOPIC", topic);
    command.stdout(Stdio::null());
    command
}

/// What other processes do in these tests; nothing if nobody asked.
#[test]
fn child_process() {
    let Ok(task) = std::env::var("A0_TEST_TASK") else { return };
    let topic = std::env::var("A0_TEST_TOPIC").unwrap();
    match &*task {
        "hold the lock, stopped" => {
            let publisher = Publisher::new(&topic).unwrap();
            let mut locked = bare(publisher.file()).lock(None).unwrap();
            locked.push(b"in time").unwrap();
            // To this thread: it goes no further, while a signal to the process may reach another one first.
            // SAFETY: only sends a signal.
            #[allow(unsafe_code)]
            let stopped = unsafe { libc::raise(libc::SIGSTOP) };
            assert_eq!(stopped, 0);
            drop(locked);
        }
        "fork" => fork(&topic),
        "read with little memory" => read_with_little_memory(&topic),
        task => panic!("{task}?"),
    }
}

/// More than a thread's heap of glibc, whose addresses are taken from the start.
const LARGE: usize = 100 << 20;

fn read_with_little_memory(topic: &str) {
    let mut reader = SubscriberSync::new(topic, Init::Oldest).unwrap();
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let taken: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    let limit = |bytes| setrlimit(Resource::As, Rlimit { current: bytes, maximum: None }).unwrap();
    limit(Some(4096 * taken + (20 << 20)));
    let refused = reader.read().map(drop);
    let looked = reader.read_in_place(|view| view.len());
    // A test that fails needs memory.
    limit(None);
    assert!(matches!(refused, Err(Error::NoMemory { size, .. }) if size > LARGE as u64), "{refused:?}");
    assert!(matches!(looked, Ok(Some(LARGE))), "it was left unread: {looked:?}");
}

#[test]
fn a_message_for_which_there_is_no_memory_is_an_error() {
    let topic = topic();
    let publisher = Publisher::with_options(&topic, &FileOptions::default().size(128 << 20)).unwrap();
    publisher.publish(vec![7; LARGE]).unwrap();
    assert!(child("read with little memory", &topic).status().unwrap().success());
}

#[test]
fn a_stopped_holder_is_named_in_time_and_goes_on_when_it_is_continued() {
    let topic = topic();
    let impatient = FileOptions::default().lock_timeout(Duration::from_millis(100));
    let publisher = Publisher::with_options(&topic, &impatient).unwrap();
    let patient = Publisher::new(&topic).unwrap();
    let mut reader = SubscriberSync::new(&topic, ()).unwrap();
    let mut holder = child("hold the lock, stopped", &topic).spawn().unwrap();
    until(|| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", holder.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    });

    let started = Instant::now();
    let error = publisher.publish("refused").unwrap_err();
    assert!((100..5000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    let Error::Topic { cause: a0_std::TopicError::Lock(LockError::TimedOut { owner }), .. } = &error else {
        panic!("{error:?}")
    };
    let threads = format!("/proc/{}/task/{owner}", holder.id());
    assert!(std::path::Path::new(&threads).exists(), "{owner} is no thread of the holder");
    let said = error.to_string();
    assert!(said.contains(&owner.to_string()) && said.contains(publisher.file().path().to_str().unwrap()), "{said}");
    // Reading needs no lock.
    assert!(reader.file().state().is_ok() && reader.can_read().is_ok());

    let waiting = std::thread::spawn(move || patient.publish("after"));
    kill_process(Pid::from_child(&holder), Signal::CONT).unwrap();
    assert!(waiting.join().unwrap().is_ok());
    assert!(holder.wait().unwrap().success());
    let first = reader.read_blocking(LONG).map(|_| ()).unwrap_err();
    assert!(matches!(first, Error::BadMessage { .. }), "the holder writes no packets: {first}");
    assert_eq!(text(&reader.read_blocking(LONG).unwrap()), "after");
    publisher.publish("free again").unwrap();
}

const EACH: usize = 300;

/// Both sides of a fork use what was opened before it, and what they open then.
fn fork(topic: &str) {
    let publisher = Publisher::new(topic).unwrap();
    let mut reader = SubscriberSync::new(topic, ()).unwrap();
    publisher.publish("before").unwrap();
    // SAFETY: the child has the one thread that it needs, and ends without running anything of its parent's.
    #[allow(unsafe_code)]
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    let name = if child == 0 { "child" } else { "parent" };
    let work = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let own = Publisher::new(topic).unwrap();
        for i in 0..EACH {
            let publisher = if i % 2 == 0 { &publisher } else { &own };
            publisher.publish(format!("{name} {i}")).unwrap();
        }
        assert_eq!(text(&reader.read_blocking(LONG).unwrap()), "before");
        for _ in 0..2 * EACH {
            assert_eq!(reader.read_blocking(LONG).unwrap().missed(), 0);
        }
    }));
    if child == 0 {
        // SAFETY: ends the child at once.
        #[allow(unsafe_code)]
        unsafe {
            libc::_exit(i32::from(work.is_err()))
        };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made and stores into a local.
    #[allow(unsafe_code)]
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status, work.is_ok()), (child, 0, true));
}

#[test]
fn both_sides_of_a_fork_publish_and_subscribe() {
    let topic = topic();
    let mut forking = child("fork", &topic).spawn().unwrap();
    let started = Instant::now();
    let status = loop {
        match forking.try_wait().unwrap() {
            Some(status) => break status,
            None if started.elapsed() > 2 * LONG => {
                forking.kill().unwrap();
                panic!("it hangs");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert!(status.success(), "{status:?} {:?}", status.signal());
    let mut reader = SubscriberSync::new(&topic, Init::Oldest).unwrap();
    let (mut ids, mut payloads) = (HashSet::new(), HashSet::new());
    while let Some(message) = reader.read().unwrap() {
        assert!(ids.insert(message.id().to_owned()), "an id twice");
        assert!(payloads.insert(text(&message)));
    }
    assert_eq!(payloads.len(), 1 + 2 * EACH);
}

/// A publisher and a subscriber that wait for each other, in both ways of sleeping, while a counter wraps.
#[test]
fn counters_of_events_and_sleepers_wrap_unnoticed() {
    for foreign in [0, 1] {
        let (there, back) = (file(1 << 16), file(1 << 16));
        for file in [&there, &back] {
            let mem = bare(file).mem();
            mem.store_u32(header::FOREIGN, foreign, SeqCst);
            mem.store_u32(header::EVENTS, u32::MAX - 20, SeqCst);
            // The two lowest bits say who sleeps.
            mem.store_u32(header::SLEEPERS, (u32::MAX - 20 * 4) & !3, SeqCst);
        }
        let mut questions = ReaderSync::new(&there, ()).unwrap();
        let mut answers = ReaderSync::new(&back, ()).unwrap();
        let (there_again, back_again) = (there.clone(), back.clone());
        let answerer = std::thread::spawn(move || {
            let writer = Writer::new(&back_again);
            for _ in 0..100 {
                let question = questions.read_blocking(LONG).unwrap();
                // Long enough for the other side to fall asleep.
                std::thread::sleep(Duration::from_micros(200));
                writer.write(question.payload()).unwrap();
            }
        });
        let writer = Writer::new(&there_again);
        for i in 0..100 {
            writer.write(i.to_string()).unwrap();
            assert_eq!(text(&answers.read_blocking(LONG).unwrap()), i.to_string());
        }
        answerer.join().unwrap();
        for file in [&there, &back] {
            let mem = bare(file).mem();
            assert!(mem.load_u32(header::EVENTS, SeqCst) < 1000, "it did not wrap");
            assert_eq!(mem.load_u32(header::FOREIGN, SeqCst), foreign);
        }
        let slept = foreign == 1 || bare(&back).mem().load_u32(header::SLEEPERS, SeqCst) < 4000;
        assert!(slept, "the epoch did not wrap");
    }
}

#[test]
fn sequence_numbers_end_with_an_error_and_everything_stays_readable() {
    let file = file(4096);
    let last = u64::MAX;
    for index in [0, 1] {
        let mem = bare(&file).mem();
        mem.store_u64(page::seq_low(index), last - 2, SeqCst);
        mem.store_u64(page::seq_high(index), last - 3, SeqCst);
    }
    let mut reader = ReaderSync::new(&file, ()).unwrap();
    write(&file, &["0", "1", "2"]);
    let before = std::fs::read(file.path()).unwrap();
    for _ in 0..2 {
        let error = Writer::new(&file).write("no").unwrap_err();
        assert!(matches!(error, Error::Topic { cause: a0_std::TopicError::SequenceExhausted, .. }), "{error}");
        assert!(matches!(file.clear(), Err(Error::Topic { cause: a0_std::TopicError::SequenceExhausted, .. })));
    }
    let after = std::fs::read(file.path()).unwrap();
    assert!(before[48..] == after[48..], "a refused message changes nothing");
    for (i, payload) in ["0", "1", "2"].into_iter().enumerate() {
        let message = reader.read_blocking(LONG).unwrap();
        assert_eq!((text(&message), message.seq(), message.missed()), (payload.to_owned(), last - 2 + i as u64, 0));
    }
    assert!(matches!(reader.read_blocking(Duration::from_millis(30)), Err(Error::Timeout { .. })));
    let mut newest = ReaderSync::new(&file, Init::MostRecent).unwrap();
    assert_eq!(newest.read().unwrap().unwrap().seq(), last);
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn thousands_of_threads_open_and_close() {
    let topic = topic();
    let mut reader = SubscriberSync::new(&topic, Init::Oldest).unwrap();
    for _ in 0..30 {
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    let subscriber = SubscriberSync::new(&topic, Init::MostRecent).unwrap();
                    Publisher::new(&topic).unwrap().publish("x").unwrap();
                    assert!(subscriber.can_read().is_ok());
                });
            }
        });
    }
    let mut seen = 0;
    while let Some(message) = reader.read().unwrap() {
        seen += 1;
        assert_eq!((message.seq(), message.missed()), (seen, 0));
    }
    assert_eq!(seen, 3000);
    // Other tests of this program come and go meanwhile.
    assert!(open_files() < 500, "{} files are open", open_files());
}

/// Bytes of memory that this process occupies.
fn memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn ten_thousand_topics_in_one_directory() {
    const TOPICS: usize = 10_000;
    root();
    let before = memory();
    let options = FileOptions::default().size(4096);
    for i in 0..TOPICS {
        Publisher::with_options(&format!("many/{i}"), &options).unwrap().publish("x").unwrap();
    }
    let mut discovery = DiscoverySync::topics(Protocol::PubSub, "many/*").unwrap();
    let mut found = HashSet::new();
    while found.len() < TOPICS {
        let event = discovery.read_blocking(LONG).unwrap();
        let a0_std::DiscoveryEvent::Found(topic) = event else { panic!("{event:?}") };
        assert!(found.insert(topic.name));
    }
    for i in 0..TOPICS {
        let mut subscriber = SubscriberSync::new(&format!("many/{i}"), Init::Oldest).unwrap();
        assert_eq!(text(&subscriber.read().unwrap().unwrap()), "x");
    }
    let grown = memory().saturating_sub(before);
    assert!(grown < 200 << 20, "{} MiB for {TOPICS} topics", grown >> 20);
    assert!(a0_linux::remove_all(&root().join("many")).unwrap());
    assert!(File::open("many/0.pubsub.a0", &options.create(false)).is_err());
}

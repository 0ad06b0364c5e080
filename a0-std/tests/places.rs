//! Places that programs run in: other PID namespaces, other users. These tests need root.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use a0_core::Mem;
use a0_core::layout::header;
use a0_linux::FileError;
use a0_std::{Error, FileOptions, Init, Mode, Protocol, Publisher, ReaderOptions, SubscriberSync};
use common::{root, text, topic, until};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

const LONG: Duration = Duration::from_secs(20);

/// A process in a PID namespace of its own, which ends with it.
struct Container {
    process: Child,
    lines: mpsc::Receiver<String>,
}

impl Container {
    fn start(task: &str, topic: &str) -> Container {
        let root = root();
        // The thread ids in it start over, and soon are the same as in every other one.
        let mut process = Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
            .arg(std::env::current_exe().unwrap())
            .args(["child_process", "--exact", "--nocapture"])
            .env("A0_ROOT", root)
            .env("A0_TEST_TASK", task)
            .env("A0_TEST_TOPIC", topic)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command `unshare` is needed here (package util-linux)");
        let (tell, lines) = mpsc::channel();
        let stdout = process.stdout.take().unwrap();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        Container { process, lines }
    }

    /// The next thing that the child says.
    fn says(&self) -> String {
        loop {
            let line = self.lines.recv_timeout(LONG).expect(
                "the child said nothing; this test must be allowed to make PID namespaces (run it as root, with `unshare`)",
            );
            if let Some(said) = line.split_once("child: ") {
                return said.1.to_owned();
            }
        }
    }

    fn go(&mut self) {
        writeln!(self.process.stdin.as_mut().unwrap(), "go").unwrap();
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(what: &str) {
    println!("child: {what}");
    std::io::stdout().flush().unwrap();
}

fn await_go() {
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// What other processes do in these tests; nothing if nobody asked.
#[test]
fn child_process() {
    let Ok(task) = std::env::var("A0_TEST_TASK") else { return };
    let topic = std::env::var("A0_TEST_TOPIC").unwrap();
    match &*task {
        "look" => {
            say(&Publisher::new(&topic).map(drop).unwrap_err().to_string());
            let mut subscriber = SubscriberSync::new(&topic, read_only()).unwrap();
            say(&text(&subscriber.read().unwrap().unwrap()));
            say(&text(&subscriber.read_blocking(LONG).unwrap()));
        }
        "die with the lock" => {
            let publisher = Publisher::new(&topic).unwrap();
            publisher.publish("theirs").unwrap();
            let mut locked = publisher.file().transport().lock(None).unwrap();
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
        task => panic!("{task}?"),
    }
}

fn read_only() -> ReaderOptions {
    ReaderOptions { init: Init::Oldest, file: FileOptions::default().access(Mode::ReadOnly), ..Default::default() }
}

fn is_foreign(result: &Result<Publisher, Error>) -> bool {
    matches!(result, Err(Error::File(FileError::OtherPidNamespace { .. })))
}

#[test]
fn another_pid_namespace_is_refused_and_may_read() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    publisher.publish("one").unwrap();
    let mark = publisher.file().transport().mem().load_u32(header::PID_NAMESPACE, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(u64::from(mark), std::fs::metadata("/proc/self/ns/pid").unwrap().ino());

    let container = Container::start("look", &topic);
    let error = container.says();
    assert!(error.contains(publisher.file().path().to_str().unwrap()), "{error}");
    assert!(error.contains(&format!("PID namespace {mark}")) && error.contains("--pid=host"), "{error}");
    assert!(error.contains("read-only"), "{error}");
    assert_eq!(container.says(), "one");
    publisher.publish("two").unwrap();
    assert_eq!(container.says(), "two");
}

#[test]
fn a_namespace_that_has_died_leaves_its_topics_to_the_next_one() {
    let topic = topic();
    // One container after the other, as after restarts, and then the host.
    for _ in 0..3 {
        let container = Container::start("die with the lock", &topic);
        assert_eq!(container.says(), "locked");
        assert!(is_foreign(&Publisher::new(&topic)));
        container.kill();
    }
    // It dies a moment after `unshare` does.
    let started = Instant::now();
    let publisher = loop {
        match Publisher::new(&topic) {
            Err(Error::File(FileError::OtherPidNamespace { .. })) => assert!(started.elapsed() < LONG),
            opened => break opened.unwrap(),
        }
    };
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
        let mut container = Container::start("compete", &topic);
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
        let mut containers = [(); 4].map(|()| Container::start("compete", &topic));
        containers.iter_mut().for_each(Container::go);
        let mut said = containers.each_ref().map(Container::says);
        said.sort();
        assert_eq!(said, ["got it", "refused", "refused", "refused"]);
    }
}

/// Runs something as a user without privileges. They belong to a thread in Linux, so the others stay root.
fn as_user<T: Send>(groups: &[u32], work: impl FnOnce() -> T + Send) -> T {
    const NOBODY: u32 = 65534;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let groups: Vec<_> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
            let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
            set_thread_groups(&groups).expect("this test must be allowed to become another user (run it as root)");
            set_thread_res_gid(gid, gid, gid).expect("this test must be allowed to become another user");
            set_thread_res_uid(uid, uid, uid).expect("this test must be allowed to become another user");
            work()
        });
        thread.join().unwrap()
    })
}

const GROUP: u32 = 4711;

/// A topic of root's with these permissions, which belongs to the group, and has one message.
fn shared_topic(mode: u32) -> (String, Publisher) {
    let topic = topic();
    std::fs::set_permissions(root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let publisher = Publisher::with_options(&topic, &FileOptions::default().mode(mode)).unwrap();
    chown(publisher.file().path(), None, Some(GROUP))
        .expect("this test must be allowed to change groups (run it as root)");
    publisher.publish("of root").unwrap();
    (topic, publisher)
}

fn is_denied<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::File(FileError::PermissionDenied { .. })))
}

#[test]
fn members_of_the_group_take_part_and_others_do_not() {
    let (topic, publisher) = shared_topic(0o660);
    let mut reader = SubscriberSync::new(&topic, ()).unwrap();
    as_user(&[GROUP], || {
        let mut subscriber = SubscriberSync::new(&topic, Init::Oldest).unwrap();
        assert_eq!(text(&subscriber.read().unwrap().unwrap()), "of root");
        Publisher::new(&topic).unwrap().publish("of a member").unwrap();
    });
    assert_eq!(text(&reader.read_blocking(LONG).unwrap()), "of a member");
    as_user(&[], || {
        assert!(is_denied(Publisher::new(&topic)));
        assert!(is_denied(SubscriberSync::new(&topic, read_only())));
    });
    assert_eq!(std::fs::metadata(publisher.file().path()).unwrap().mode() & 0o7777, 0o660);
}

/// Locking and waking work between users, too: both sides sleep, and one dies.
#[test]
fn users_wake_each_other() {
    let (there, publisher) = shared_topic(0o660);
    let (back, _keep) = shared_topic(0o660);
    let mut answers = SubscriberSync::new(&back, ()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            as_user(&[GROUP], || {
                let mut questions = SubscriberSync::new(&there, Init::Oldest).unwrap();
                let publisher = Publisher::new(&back).unwrap();
                for _ in 0..50 {
                    let question = questions.read_blocking(LONG).unwrap();
                    std::thread::sleep(Duration::from_micros(200));
                    publisher.publish(question.payload()).unwrap();
                }
            });
        });
        for i in 0..50 {
            if i > 0 {
                publisher.publish(i.to_string()).unwrap();
            }
            answers.read_blocking(LONG).unwrap();
        }
    });
}

#[test]
fn whoever_may_only_read_follows_without_writing() {
    let (topic, publisher) = shared_topic(0o444);
    let path = Protocol::PubSub.path(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            as_user(&[], || {
                assert!(is_denied(Publisher::new(&topic)));
                assert!(is_denied(SubscriberSync::new(&topic, ())));
                let before = std::fs::read(&path).unwrap();
                let mut subscriber = SubscriberSync::new(&topic, read_only()).unwrap();
                assert_eq!(text(&subscriber.read().unwrap().unwrap()), "of root");
                assert!(matches!(subscriber.read_blocking(Duration::from_millis(20)), Err(Error::Timeout { .. })));
                assert!(std::fs::read(&path).unwrap() == before, "a reader has written");
                tell.send(()).unwrap();
                assert_eq!(text(&subscriber.read_blocking(LONG).unwrap()), "later");
            });
        });
        told.recv_timeout(LONG).unwrap();
        publisher.publish("later").unwrap();
    });
}

#[test]
fn a_missing_topic_in_a_directory_of_others_is_a_clear_error() {
    root();
    std::fs::set_permissions(root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    as_user(&[], || {
        let error = Publisher::new("nobody/may/create").unwrap_err();
        assert!(error.to_string().contains("permission"), "{error}");
        let missing = SubscriberSync::new("nobody/may/create", read_only()).map(drop).unwrap_err();
        assert!(matches!(missing, Error::File(FileError::NotFound { .. })), "{missing}");
    });
    until(|| !root().join("nobody").exists());
}

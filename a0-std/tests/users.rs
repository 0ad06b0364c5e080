//! Different users on one topic. These tests need root.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::mpsc;
use std::time::Duration;

use a0_std::{Error, File, FileError, FileOptions, Init, Mode, Protocol, Publisher, ReaderOptions, SubscriberSync};
use a0_testkit::private_root::{root, text, topic};
use a0_testkit::until;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

const LONG: Duration = Duration::from_secs(20);

fn read_only() -> ReaderOptions {
    ReaderOptions::default().init(Init::Oldest).file(FileOptions::default().access(Mode::ReadOnly))
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

/// Whatever the umask of who came first. But what lies there stays whose it is.
#[test]
fn whoever_comes_second_creates_topics_beside_those_of_others() {
    let (first, second) = (format!("{}/shared/first", topic()), format!("{}/shared/second", topic()));
    std::fs::set_permissions(root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (beside, _keep) = (first.replace("first", "beside"), Publisher::new(&first).unwrap());
    let path = Protocol::PubSub.path(&first).unwrap();
    as_user(&[], || {
        Publisher::new(&beside).unwrap().publish("mine").unwrap();
        assert!(is_denied(Publisher::new(&second)), "the root itself was made by somebody else");
        assert!(is_denied(File::remove(&path)));
        assert!(File::remove(Protocol::PubSub.path(&beside).unwrap()).unwrap());
    });
    assert!(path.exists());
}

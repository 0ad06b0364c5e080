//! Discovery of files and topics: what is announced, once each, whatever others do meanwhile.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{DiscoveredTopic, Discovery, DiscoveryEvent, DiscoverySync, Error, PathGlob, Protocol, Publisher};
use tempfile::TempDir;

/// No wait takes longer, or else the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A moment in which nothing must happen.
const QUIET: Duration = Duration::from_millis(50);

fn dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

fn create(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
    path.to_owned()
}

fn discover(dir: impl AsRef<Path>, pattern: &str) -> DiscoverySync {
    DiscoverySync::new(dir.as_ref().join(pattern)).unwrap()
}

fn found(path: impl AsRef<Path>) -> DiscoveryEvent {
    DiscoveryEvent::Found(path.as_ref().to_owned())
}

fn removed(path: impl AsRef<Path>) -> DiscoveryEvent {
    DiscoveryEvent::Removed(path.as_ref().to_owned())
}

/// Exactly these events come next, in any order, and no others.
fn expect(discovery: &mut DiscoverySync, events: impl IntoIterator<Item = DiscoveryEvent>) {
    let mut expected: Vec<_> = events.into_iter().collect();
    while !expected.is_empty() {
        let event = discovery.read_blocking(PATIENCE).unwrap();
        let at = expected.iter().position(|expected| *expected == event);
        expected.swap_remove(at.unwrap_or_else(|| panic!("unexpected {event:?}, instead of {expected:?}")));
    }
    quiet(discovery);
}

fn quiet(discovery: &mut DiscoverySync) {
    match discovery.read_blocking(QUIET) {
        Err(Error::Timeout { .. }) => {}
        other => panic!("unexpected {other:?}"),
    }
}

/// What a series of events adds up to; each path's are found and removed in turn.
#[derive(Default)]
struct Ledger {
    there: BTreeSet<PathBuf>,
    removals: u32,
}

impl Ledger {
    fn note(&mut self, event: DiscoveryEvent) {
        match event {
            DiscoveryEvent::Found(path) => assert!(self.there.insert(path.clone()), "{path:?} found twice"),
            DiscoveryEvent::Removed(path) => {
                assert!(self.there.remove(&path), "{path:?} removed, but never found");
                self.removals += 1;
            }
        }
    }

    /// Takes events until the wanted set is there and nothing more comes.
    fn settle(&mut self, discovery: &mut DiscoverySync, wanted: &BTreeSet<PathBuf>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match discovery.read_blocking(QUIET) {
                Ok(event) => self.note(event),
                Err(Error::Timeout { .. }) if self.there == *wanted => return,
                Err(Error::Timeout { .. }) => {
                    let missing: Vec<_> = wanted.difference(&self.there).collect();
                    let extra: Vec<_> = self.there.difference(wanted).collect();
                    assert!(Instant::now() < deadline, "missing {missing:?}, announced by mistake {extra:?}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// The files below a directory, found in the simplest way.
fn truth(dir: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => files.append(&mut truth(&entry.path())),
            kind if kind.is_file() => {
                files.insert(entry.path());
            }
            _ => {}
        }
    }
    files
}

#[test]
fn patterns_match_as_in_0_3() {
    let root = common::root();
    let below = |path: &str| root.join(path).to_str().unwrap().to_owned();
    let matches = |pattern: &str, path: &str| PathGlob::new(pattern).unwrap().matches(path);
    for (pattern, path) in [
        ("/s/a/f.a0", "/s/a/f.a0"),
        ("/s/*/f.a0", "/s/a/f.a0"),
        ("/s/*/*.a0", "/s/a/f.a0"),
        ("/s/**/*.a0", "/s/f.a0"),
        ("/s/**/*.a0", "/s/a/f.a0"),
        ("/s/**/*.a0", "/s/a/b/f.a0"),
        ("/s/**/b/*.a0", "/s/a/b/f.a0"),
        ("/s/**/b/*.a0", "/s/b/f.a0"),
        ("/s/*.a0", "/s/.f.a0"),
        ("/s/*.a0", "/s/.a0"),
        ("/a/**x/b", "/a/12x/b"),
        ("/dev/shm/**", "/dev/shm/foo.a0"),
        ("/dev/shm/**/**/**/**/**/*******b***/*.a0", "/dev/shm/a/b/foo.a0"),
        ("foo.a0", "foo.a0"),
        ("foo.a0", &below("foo.a0")),
        ("**/*.a0", &below("a/b/c.a0")),
        // Differs from 0.3.
        ("/d/**", "/d/a/x"),
    ] {
        assert!(matches(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("/s/a/f.a0", "/s/a/b/f.a0"),
        ("/s/*/f.a0", "/s/a/b/f.a0"),
        ("/s/*/*.a0", "/s/a/b/f.a0"),
        ("/s/**/b/*.a0", "/s/a/f.a0"),
        ("/s/**/f.a0/**/f.a0", "/s/f.a0"),
        ("/a/**x/b", "/a/1/2x/b"),
        ("/d/**", "/d"),
        ("/d/x", "/d//x"),
        ("/d//x", "/d/x"),
        ("/d?", "/da"),
        ("/d[a]", "/da"),
        ("foo.a0", "/foo.a0"),
        ("**/*.a0", "/foo.a0"),
    ] {
        assert!(!matches(pattern, path), "{pattern} {path}");
    }
    assert_eq!(PathGlob::new("a/*").unwrap().as_path(), root.join("a/*"));
    // 0.3 has room for 32 components.
    let deep = "/d".repeat(100);
    assert!(matches(&format!("{deep}/*"), &format!("{deep}/f")));
    assert!(matches!(PathGlob::new(""), Err(Error::BadPattern { .. })));
}

#[test]
fn what_cannot_be_discovered_is_an_error() {
    common::root();
    for pattern in ["", "../x", "a/../*"] {
        assert!(matches!(DiscoverySync::new(pattern), Err(Error::BadPattern { .. })), "{pattern}");
        assert!(matches!(DiscoverySync::topics(Protocol::Rpc, pattern), Err(Error::BadPattern { .. })), "{pattern}");
    }
    assert!(matches!(Discovery::topics(Protocol::Rpc, "/x", |_| ()), Err(Error::BadPattern { .. })));
}

#[test]
fn before_and_after_the_start_and_deep_down() {
    let dir = dir();
    let path = |depth: usize, name: &str| dir.path().join("d/".repeat(depth)).join(name);
    let early: Vec<_> = (0..=13).map(|depth| create(path(depth, "early.a0"))).collect();
    create(path(3, "other"));
    let mut discovery = discover(&dir, "**/*.a0");
    expect(&mut discovery, early.iter().map(found));
    let late: Vec<_> = (0..=13).map(|depth| create(path(depth, "late.a0"))).collect();
    let new: Vec<_> = (0..=13).map(|depth| create(path(depth, "new/new.a0"))).collect();
    expect(&mut discovery, late.iter().chain(&new).map(found));
    fs::remove_dir_all(path(5, "")).unwrap();
    let gone = early.iter().chain(&late).chain(&new).filter(|path| !path.exists());
    expect(&mut discovery, gone.map(removed));
    assert_eq!(discovery.unwatched(), 0);
}

#[test]
fn exact_paths_and_roots_that_do_not_exist_yet() {
    let dir = dir();
    let path = dir.path().join("not/yet/there/x.a0");
    let mut exact = DiscoverySync::new(&path).unwrap();
    let mut all = discover(&dir, "not/yet/**");
    quiet(&mut exact);
    quiet(&mut all);
    create(&path);
    create(dir.path().join("not/yet/there/y.a0/z"));
    expect(&mut exact, [found(&path)]);
    expect(&mut all, [found(&path), found(dir.path().join("not/yet/there/y.a0/z"))]);
    expect(&mut DiscoverySync::new(&path).unwrap(), [found(&path)]);
    // The root goes away, by removal and by renaming something above it, and comes back.
    fs::remove_dir_all(dir.path().join("not")).unwrap();
    expect(&mut exact, [removed(&path)]);
    create(&path);
    expect(&mut exact, [found(&path)]);
    fs::rename(dir.path().join("not"), dir.path().join("now")).unwrap();
    expect(&mut exact, [removed(&path)]);
    create(dir.path().join("now/yet/there/other.a0"));
    quiet(&mut exact);
    fs::rename(dir.path().join("now"), dir.path().join("not")).unwrap();
    expect(&mut exact, [found(&path)]);
    expect(
        &mut all,
        [
            removed(&path),
            removed(dir.path().join("not/yet/there/y.a0/z")),
            found(&path),
            found(dir.path().join("not/yet/there/other.a0")),
        ],
    );
}

#[test]
fn renamed_replaced_and_created_again() {
    let dir = dir();
    let (outside, path, other) = (dir.path().join("outside"), dir.path().join("in/a.a0"), dir.path().join("in/b.a0"));
    fs::create_dir(dir.path().join("in")).unwrap();
    let mut discovery = discover(&dir, "in/*.a0");
    // Into place, within, and out.
    fs::rename(create(&outside), &path).unwrap();
    expect(&mut discovery, [found(&path)]);
    fs::rename(&path, &other).unwrap();
    expect(&mut discovery, [removed(&path), found(&other)]);
    fs::rename(&other, &outside).unwrap();
    expect(&mut discovery, [removed(&other)]);
    // A link, as topics are created.
    fs::hard_link(&outside, &path).unwrap();
    expect(&mut discovery, [found(&path)]);
    // Removed and created again, and replaced, before anybody looks.
    fs::remove_file(&path).unwrap();
    create(&path);
    expect(&mut discovery, [removed(&path), found(&path)]);
    fs::rename(create(dir.path().join("another")), &path).unwrap();
    expect(&mut discovery, [removed(&path), found(&path)]);
    // A directory in the place of a file, and the other way round.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    expect(&mut discovery, [removed(&path)]);
    fs::remove_dir(&path).unwrap();
    create(&path);
    expect(&mut discovery, [found(&path)]);
    // What is neither found nor removed for whoever looks later.
    create(dir.path().join("in/short.a0"));
    fs::remove_file(dir.path().join("in/short.a0")).unwrap();
    quiet(&mut discovery);
}

#[test]
fn directories_move_with_all_that_is_in_them() {
    let (dir, elsewhere) = (dir(), dir());
    let names = ["x.a0", "deep/y.a0", "deep/er/z.a0"];
    let mut discovery = discover(&dir, "**/*.a0");
    quiet(&mut discovery);
    let (here, there) = (dir.path().join("box"), elsewhere.path().join("box"));
    names.iter().for_each(|name| drop(create(there.join(name))));
    fs::rename(&there, &here).unwrap();
    expect(&mut discovery, names.map(|name| found(here.join(name))));
    let renamed = dir.path().join("renamed");
    fs::rename(&here, &renamed).unwrap();
    expect(&mut discovery, names.iter().flat_map(|name| [removed(here.join(name)), found(renamed.join(name))]));
    create(renamed.join("deep/new.a0"));
    expect(&mut discovery, [found(renamed.join("deep/new.a0"))]);
    fs::rename(&renamed, &there).unwrap();
    let gone = names.iter().chain(&["deep/new.a0"]).map(|name| removed(renamed.join(name)));
    expect(&mut discovery, gone);
    create(there.join("deep/late.a0"));
    quiet(&mut discovery);
    // Two directories change places.
    names.iter().for_each(|name| drop(create(here.join(name))));
    create(dir.path().join("second/only.a0"));
    let mut ledger = Ledger::default();
    ledger.settle(&mut discovery, &truth(dir.path()));
    fs::rename(&here, dir.path().join("third")).unwrap();
    fs::rename(dir.path().join("second"), &here).unwrap();
    fs::rename(dir.path().join("third"), dir.path().join("second")).unwrap();
    ledger.settle(&mut discovery, &truth(dir.path()));
    create(here.join("after.a0"));
    expect(&mut discovery, [found(here.join("after.a0"))]);
}

#[test]
fn links_specials_and_temporaries() {
    let (dir, elsewhere) = (dir(), dir());
    let file = create(dir.path().join("real/file"));
    let mut discovery = discover(&dir, "**");
    expect(&mut discovery, [found(&file)]);
    // Circles, and links that lead nowhere or to a directory.
    symlink(dir.path(), dir.path().join("real/circle")).unwrap();
    symlink(".", dir.path().join("real/self")).unwrap();
    symlink("loop", dir.path().join("real/loop")).unwrap();
    symlink("nowhere", dir.path().join("real/dangling")).unwrap();
    create(dir.path().join("real/.alephzero_mkstemp.Ab12Cd"));
    let fifo = dir.path().join("real/fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let link = dir.path().join("real/link");
    symlink(&file, &link).unwrap();
    expect(&mut discovery, [found(&link)]);
    expect(&mut discover(&dir, "**"), [found(&file), found(&link)]);
    // Links that the pattern itself names.
    let entry = elsewhere.path().join("entry");
    symlink(dir.path(), &entry).unwrap();
    let mut through = discover(&elsewhere, "entry/real/f*");
    expect(&mut through, [found(entry.join("real/file"))]);
    create(dir.path().join("real/f2"));
    expect(&mut through, [found(entry.join("real/f2"))]);
    fs::remove_file(&entry).unwrap();
    expect(&mut through, [removed(entry.join("real/file")), removed(entry.join("real/f2"))]);
}

#[test]
fn a_link_on_the_way_may_lead_nowhere_at_first() {
    let (dir, elsewhere) = (dir(), dir());
    let (entry, target) = (dir.path().join("entry"), elsewhere.path().join("later"));
    symlink(&target, &entry).unwrap();
    let mut discovery = discover(&dir, "entry/*");
    quiet(&mut discovery);
    create(target.join("x"));
    expect(&mut discovery, [found(entry.join("x"))]);
    fs::remove_dir_all(&target).unwrap();
    expect(&mut discovery, [removed(entry.join("x"))]);
    create(target.join("y"));
    expect(&mut discovery, [found(entry.join("y"))]);
}

/// What the kernel has forgotten is found by looking.
#[test]
fn more_changes_than_the_kernel_remembers() {
    let limit: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let dir = dir();
    create(dir.path().join("kept"));
    create(dir.path().join("goes/away/x"));
    create(dir.path().join("replaced"));
    let mut discovery = discover(&dir, "**");
    let mut ledger = Ledger::default();
    ledger.settle(&mut discovery, &truth(dir.path()));
    for round in 0..limit {
        create(dir.path().join(format!("noise{}", round % 100)));
        fs::remove_file(dir.path().join(format!("noise{}", round % 100))).unwrap();
    }
    // None of this leaves a notice.
    fs::remove_dir_all(dir.path().join("goes")).unwrap();
    create(dir.path().join("comes/new/y"));
    fs::remove_file(dir.path().join("replaced")).unwrap();
    create(dir.path().join("replaced"));
    ledger.settle(&mut discovery, &truth(dir.path()));
    assert_eq!(ledger.removals, 2, "goes/away/x and replaced");
    // New directories are watched, too.
    let late = create(dir.path().join("comes/new/z"));
    expect(&mut discovery, [found(late)]);
}

/// A directory is watched before it is listed: else what comes in between would be missed. Each one is made when the one
/// before is done with, so that it is entered while files come.
#[test]
fn directories_are_filled_while_they_are_entered() {
    const DIRECTORIES: usize = 2000;
    const FILES: usize = 10;
    let dir = dir();
    let mut discovery = discover(&dir, "**");
    let mut ledger = Ledger::default();
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        let creator = scope.spawn(|| {
            for n in 1..=DIRECTORIES {
                for file in 0..FILES {
                    create(dir.path().join(format!("{n}/{file}")));
                }
                let started = Instant::now();
                while count.load(Ordering::Relaxed) < n * FILES {
                    assert!(started.elapsed() < PATIENCE, "something was missed");
                    thread::yield_now();
                }
            }
        });
        while !creator.is_finished() {
            if let Ok(event) = discovery.read_blocking(QUIET) {
                ledger.note(event);
                count.store(ledger.there.len(), Ordering::Relaxed);
            }
        }
    });
    ledger.settle(&mut discovery, &truth(dir.path()));
    assert_eq!((ledger.there.len(), ledger.removals), (DIRECTORIES * FILES, 0));
}

/// A shell that creates, removes and renames files and directories as fast as it can.
fn churn(dir: &Path, name: &str, rounds: u32) -> Child {
    let script = r#"
        cd "$0" || exit 1
        i=0
        while [ $i -lt $2 ]; do
            d="$1/$((i % 7))/$((i % 3))"
            mkdir -p "$d"
            for k in 1 2 3 4 5 6 7 8 9 10 11 12; do : > "$d/$i-$k"; done
            : > "$1.tmp"; mv "$1.tmp" "$d/moved$((i % 50))"
            case $((i % 10)) in
                3) mv "$1/$((i % 7))" "$1/shelf$i"; [ $((i % 4)) -eq 0 ] || mv "$1/shelf$i" "$1/$((i % 7))" ;;
                5) rm -r "$1/$(((i + 3) % 7))" ;;
                8) rm -f "$d/$i-1" "$d/moved$((i % 50))" ;;
            esac
            i=$((i + 1))
        done
        rm -f "$1.tmp"
    "#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(dir).args([name, &rounds.to_string()]);
    shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn other_processes_churn() {
    let dir = dir();
    let mut churners = ["a", "b", "c"].map(|name| churn(dir.path(), name, 500));
    let mut discovery = discover(&dir, "**");
    let mut ledger = Ledger::default();
    let deadline = Instant::now() + PATIENCE;
    while churners.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        assert!(Instant::now() < deadline);
        if let Ok(event) = discovery.read_blocking(QUIET) {
            ledger.note(event);
        }
    }
    let there = truth(dir.path());
    assert!(there.len() > 1000, "{} files are too few for a test", there.len());
    ledger.settle(&mut discovery, &there);
    assert!(ledger.removals > 100, "{} removals are too few for a test", ledger.removals);
    assert_eq!(discovery.unwatched(), 0);
}

fn collect<T: Send + 'static>(
    start: impl FnOnce(Box<dyn FnMut(DiscoveryEvent<T>) + Send>) -> Result<Discovery, Error>,
) -> (Discovery, Receiver<DiscoveryEvent<T>>) {
    let (sender, receiver) = channel();
    let discovery = start(Box::new(move |event| drop(sender.send(event)))).unwrap();
    (discovery, receiver)
}

#[test]
fn topics_by_name() {
    let root = common::root();
    let family = common::topic();
    let topic = |protocol: Protocol, name: &str| {
        let name = format!("{family}/{name}");
        DiscoveredTopic { protocol, path: protocol.path(&name).unwrap(), name }
    };
    create(topic(Protocol::Rpc, "server").path);
    create(root.join(&family).join("unknown.a0"));
    let (_all, all) = collect(|callback| Discovery::topics(Protocol::ALL, &format!("{family}/**"), callback));
    let (_flat, flat) = collect(|callback| Discovery::topics(Protocol::PubSub, &format!("{family}/*"), callback));
    let next = |events: &Receiver<_>| events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next(&all), DiscoveryEvent::Found(topic(Protocol::Rpc, "server")));
    let _news = Publisher::new(&format!("{family}/news")).unwrap();
    assert_eq!(next(&all), DiscoveryEvent::Found(topic(Protocol::PubSub, "news")));
    assert_eq!(next(&flat), DiscoveryEvent::Found(topic(Protocol::PubSub, "news")));
    let _left = Publisher::new(&format!("{family}/front/left")).unwrap();
    assert_eq!(next(&all), DiscoveryEvent::Found(topic(Protocol::PubSub, "front/left")));
    create(topic(Protocol::Deadman, "alive").path);
    assert_eq!(next(&all), DiscoveryEvent::Found(topic(Protocol::Deadman, "alive")));
    fs::remove_file(topic(Protocol::PubSub, "news").path).unwrap();
    assert_eq!(next(&all), DiscoveryEvent::Removed(topic(Protocol::PubSub, "news")));
    assert_eq!(next(&flat), DiscoveryEvent::Removed(topic(Protocol::PubSub, "news")));
    assert!(all.recv_timeout(QUIET).is_err() && flat.try_recv().is_err());
}

/// Many threads of many processes that create topics at once: each topic is announced once, no temporary ever.
#[test]
fn topics_that_are_created_at_once() {
    common::root();
    let family = common::topic();
    let (_discovery, events) =
        collect(|callback| Discovery::topics(Protocol::PubSub, &format!("{family}/**"), callback));
    let options = a0_std::FileOptions::default().size(4096);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (family, options) = (&family, &options);
            scope.spawn(move || {
                for at in 0..100 {
                    let name = format!("{family}/{}/{}", at % 10, (at * 7 + thread) % 100);
                    Publisher::with_options(&name, options).unwrap();
                }
            });
        }
    });
    let mut counts = BTreeMap::new();
    let expected = truth(&common::root().join(&family)).len();
    while counts.len() < expected {
        match events.recv_timeout(PATIENCE).unwrap() {
            DiscoveryEvent::Found(topic) => *counts.entry(topic.name).or_insert(0) += 1,
            DiscoveryEvent::Removed(topic) => panic!("{topic:?} was not removed"),
        }
    }
    assert!(events.recv_timeout(QUIET).is_err());
    assert!(counts.values().all(|count| *count == 1));
}

#[test]
fn waiting_ends() {
    let dir = dir();
    let mut discovery = discover(&dir, "*");
    assert!(matches!(discovery.read_blocking(Duration::ZERO), Err(Error::Timeout { .. })));
    let interrupter = discovery.interrupter();
    let waiter = thread::spawn(move || (discovery.read_blocking(None), discovery.read_blocking(None)));
    interrupter.interrupt();
    let (first, second) = waiter.join().unwrap();
    assert!(matches!(first, Err(Error::Interrupted { .. })) && matches!(second, Err(Error::Interrupted { .. })));
}

#[test]
fn dropping_ends_the_thread_and_works_inside_the_callback() {
    let dir = dir();
    let path = create(dir.path().join("x"));
    let (alive, dead) = channel::<()>();
    let discovery = Discovery::new(dir.path().join("*"), move |_| {
        let _moved_here = &alive;
    });
    drop(discovery.unwrap());
    // The callback is gone, and the thread with it.
    assert!(dead.try_recv().is_err_and(|error| error == std::sync::mpsc::TryRecvError::Disconnected));

    let (hand_over, own) = channel::<Discovery>();
    let (sender, events) = channel();
    let discovery = Discovery::new(dir.path().join("*"), move |event| {
        drop(own.recv().unwrap());
        sender.send(event).unwrap();
    });
    hand_over.send(discovery.unwrap()).unwrap();
    assert_eq!(events.recv_timeout(PATIENCE).unwrap(), found(path));
    assert!(events.recv_timeout(PATIENCE).is_err(), "the thread has ended");
}

/// The tests above where the system lets nothing, or only some of the directories be watched. Needs user namespaces,
/// which some sandboxes forbid; `without_watches` in `tree.rs` is for everywhere.
#[test]
fn where_few_directories_may_be_watched() {
    let this = std::env::current_exe().unwrap();
    for (limit, number) in [("watches", "6"), ("watches", "20"), ("instances", "0")] {
        let script = r#"echo $1 > /proc/sys/user/max_inotify_$0 || exit 77; shift; exec "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", script, limit, number]).arg(&this);
        let output = command
            .args(["--skip", "where_few", "--skip", "filled", "--skip", "deep_down", "--skip", "churn"])
            .output();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) if output.status.code() == Some(101) => {
                panic!("{number} {limit}: {}", String::from_utf8_lossy(&output.stdout))
            }
            // Some systems let only root make a user namespace. Where root cannot either, this test has not passed.
            other if rustix::process::geteuid().is_root() => panic!("unshare does not work: {other:?}"),
            other => return eprintln!("not tested, because unshare needs root here: {other:?}"),
        }
    }
}

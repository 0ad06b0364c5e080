//! Programs that create the same topic files at once, are stopped, or are killed meanwhile.
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail it")]

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{KIB, child, entries, on_each_filesystem, open, small, task, temp_dir};
use a0_linux::{TopicFile, is_temporary, remove_all};
use rustix::fs::{FlockOperation, flock};

/// The test that other processes run.
const CHILD: &str = concat!(module_path!(), "::child_process");

#[test]
fn one_of_many_creators_wins() {
    on_each_filesystem(|dir| {
        let children: Vec<_> =
            (0..4).map(|_| child(CHILD, "race", dir).stdout(Stdio::piped()).spawn().unwrap()).collect();
        let reports = thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| race(dir))).collect();
            thread::sleep(Duration::from_millis(300));
            fs::write(dir.join("go"), "").unwrap();
            let mut reports: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            for child in children {
                let output = child.wait_with_output().unwrap();
                assert!(output.status.success());
                reports.push(String::from_utf8(output.stdout).unwrap());
            }
            reports
        });

        let mut inodes = HashMap::new();
        let mut created = HashMap::new();
        let mut lines = 0;
        for line in reports.iter().flat_map(|report| report.lines()) {
            let Some(line) = line.strip_prefix("opened ") else { continue };
            let fields: Vec<u64> = line.split(' ').map(|field| field.parse().unwrap()).collect();
            let [name, ino, size, was_created] = fields[..] else { panic!("{line}") };
            assert_eq!(*inodes.entry(name).or_insert(ino), ino, "two files");
            assert_eq!(size, 64 * KIB);
            *created.entry(name).or_insert(0) += was_created;
            lines += 1;
        }
        assert_eq!(lines, 20 * RACES);
        assert!((0..RACES).all(|name| created[&name] == 1), "{created:?}");
        assert_eq!(entries(dir).len() as u64, RACES + 1, "temporary files are left: {:?}", entries(dir));
    });
}

#[test]
fn opening_survives_constant_removal() {
    on_each_filesystem(|dir| {
        let path = dir.join("a/b/topic");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Fails when something new appears in the directory meanwhile.
                    let _ = remove_all(&dir.join("a"));
                    thread::yield_now();
                }
            });
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..200).try_for_each(|_| TopicFile::open(&path, &small()).map(drop))))
                .collect();
            let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            done.store(true, Ordering::Relaxed);
            for result in results {
                result.unwrap();
            }
        });
    });
}

#[test]
fn stopped_creator_does_not_stop_others() {
    let dir = temp_dir("/dev/shm");
    let stopped = fs::File::open(dir.path()).unwrap();
    flock(&stopped, FlockOperation::LockExclusive).unwrap();
    let start = Instant::now();
    open(&dir.path().join("topic"), &small());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn creators_that_are_killed_leave_nothing_unfinished() {
    on_each_filesystem(|dir| {
        for round in 0..40u64 {
            let mut creator = child(CHILD, "create for ever", dir).stdout(Stdio::null()).spawn().unwrap();
            let started = Instant::now();
            while entries(dir).is_empty() {
                assert!(started.elapsed() < Duration::from_secs(20), "it creates nothing");
                thread::yield_now();
            }
            thread::sleep(Duration::from_micros(round * 7919 % 3000));
            creator.kill().unwrap();
            creator.wait().unwrap();
            for name in entries(dir) {
                let metadata = fs::metadata(dir.join(&name)).unwrap();
                assert!(!is_temporary(Path::new(&name)), "{name}");
                assert_eq!((metadata.len(), metadata.mode() & 0o7777), (64 * KIB, 0o640), "{name}");
                fs::remove_file(dir.join(&name)).unwrap();
            }
        }
    });
}

/// How many files the racers create.
const RACES: u64 = 50;

/// Opens one file after the other, and tells about it.
fn race(dir: &Path) -> String {
    while !dir.join("go").exists() {
        thread::yield_now();
    }
    (0..RACES)
        .map(|name| {
            let file = open(&dir.join(name.to_string()), &small()).0;
            format!("opened {name} {} {} {}\n", file.identity().1, file.size(), u8::from(file.created()))
        })
        .collect()
}

/// What other processes do in these tests; nothing if nobody asked.
#[test]
fn child_process() {
    let Some((task, dir)) = task() else { return };
    match &*task {
        "race" => print!("\n{}", race(&dir)),
        "create for ever" => {
            // As many as there is room for.
            for name in 0..500 {
                open(&dir.join(name.to_string()), &small().mode(0o640));
            }
            loop {
                thread::park();
            }
        }
        task => panic!("{task}?"),
    }
}

//! More changes than anybody can follow, and fewer watches than it takes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::{Ledger, PATIENCE, QUIET, create, dir, discover, expect, found, truth};

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
    let deadline = Instant::now() + 10 * PATIENCE;
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

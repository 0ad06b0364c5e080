//! Topic files where there is little room, or none: on small filesystems, mounted for the purpose (as root).
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail it")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use a0_core::{Mem, Transport, Unshared};
use a0_linux::{DeadmanFile, DeadmanLayout, FileError, FileOptions, Mode};
use common::{KIB, SmallFilesystem, byte, child, entries, open, refused, small, task};

/// The test that other processes run.
const CHILD: &str = concat!(module_path!(), "::child_process");

#[test]
fn full_filesystem_is_an_error_that_says_what_is_needed() {
    let filesystem = SmallFilesystem::mount("size=1m");
    let path = filesystem.path().join("topic");
    let error = refused(&path, &FileOptions::default());
    let FileError::NoSpace { needed, available, .. } = error else { panic!("{error:?}") };
    assert_eq!((needed, available), (16 << 20, Some(1 << 20)));
    assert!(error.to_string().contains("needs 16777216 bytes, and 1048576 are free"), "{error}");
    assert_eq!(error.errno(), libc::ENOSPC);
    assert_eq!(entries(filesystem.path()), [""; 0]);

    open(&path, &small().size(600 * KIB));
    let error = refused(&filesystem.path().join("second"), &small().size(600 * KIB));
    assert!(matches!(error, FileError::NoSpace { available: Some(free), .. } if free < 600 * KIB), "{error:?}");
    assert_eq!(entries(filesystem.path()), ["topic"]);

    let sparse = open(&filesystem.path().join("sparse"), &FileOptions::default().reserve(false)).0;
    assert_eq!(sparse.size(), 16 << 20);
}

/// Everybody else may fill the filesystem: what was reserved can be written. What was not kills the writer.
#[test]
fn reserved_space_outlasts_a_full_filesystem() {
    for (reserve, signal) in [(true, None), (false, Some(libc::SIGBUS))] {
        let filesystem = SmallFilesystem::mount("size=1m");
        let path = filesystem.path().join("topic");
        open(&path, &small().size(600 * KIB).reserve(reserve));
        filesystem.fill();
        let status = child(CHILD, "write every page", filesystem.path()).stdout(Stdio::null()).status().unwrap();
        assert_eq!((status.signal(), status.success()), (signal, reserve));
    }
}

/// As 0.3 creates its files: without any page. Even looking at them takes one.
#[test]
fn pages_that_are_missing_where_there_is_something_to_read_are_an_error() {
    let filesystem = SmallFilesystem::mount("size=1m");
    let topic = filesystem.path().join("topic");
    let deadman = filesystem.path().join("deadman");
    let used = filesystem.path().join("used");
    for (path, size) in [(&topic, 16 << 20), (&deadman, 32)] {
        fs::File::create(path).unwrap().set_len(size).unwrap();
    }
    // A message that was allocated and not filled.
    let sparse = small().size(256 * KIB).reserve(false);
    let transport = Transport::open(open(&used, &sparse).1, Unshared).unwrap();
    let mut locked = transport.lock(None).unwrap();
    locked.alloc(100 * KIB).unwrap();
    locked.commit();
    drop(locked);
    filesystem.fill();

    for access in [Mode::ReadOnly, Mode::Shared, Mode::Exclusive] {
        let options = small().access(access);
        for path in [&topic, &used] {
            let error = refused(path, &options);
            assert!(matches!(error, FileError::NoSpace { available: Some(0), .. }), "{error:?}");
        }
        let error = DeadmanFile::open(&deadman, &options, DeadmanLayout::Bytes32).unwrap_err();
        assert!(matches!(error, FileError::NoSpace { .. }), "{error:?}");
    }

    // Not removed: a process that is being started elsewhere may still have it open.
    fs::File::options().write(true).open(filesystem.path().join("others")).unwrap().set_len(0).unwrap();
    for path in [&topic, &used] {
        assert_eq!(byte(&open(path, &small().access(Mode::ReadOnly)).1, 200), 0);
    }
    let blocks = |path| fs::metadata(path).unwrap().blocks() * 512;
    assert_eq!((blocks(&topic), blocks(&used)), (4096, 2 * 4096), "looking took more than one page");
    DeadmanFile::open(&deadman, &small().access(Mode::ReadOnly), DeadmanLayout::Bytes32).unwrap();
}

/// What is there can be read, and nothing else has to be.
#[test]
fn a_sparse_topic_can_be_read_while_there_is_no_page_left() {
    let filesystem = SmallFilesystem::mount("size=1m");
    let path = filesystem.path().join("topic");
    let sparse = FileOptions::default().reserve(false);
    let transport = Transport::open(open(&path, &sparse).1, Unshared).unwrap();
    transport.lock(None).unwrap().push(&[7; 10_000]).unwrap();
    filesystem.fill();
    for access in [Mode::ReadOnly, Mode::Shared] {
        assert_eq!(byte(&open(&path, &small().access(access)).1, 10_000), 7);
    }
}

#[test]
fn filesystem_without_room_for_a_name_is_full() {
    // The directory and the file.
    let filesystem = SmallFilesystem::mount("size=1m,nr_inodes=2");
    let path = filesystem.path().join("topic");
    let file = open(&path, &small()).0;
    let error = refused(&filesystem.path().join("second"), &small());
    assert!(matches!(error, FileError::NoSpace { available: None, .. }), "{error:?}");
    assert_eq!(entries(filesystem.path()), ["topic"]);
    // There is no room for a directory either.
    for path in ["a/second", "a/b/second"] {
        let error = refused(&filesystem.path().join(path), &small());
        assert_eq!(error.errno(), libc::ENOSPC);
    }
    assert_eq!(open(&path, &small()).0.identity(), file.identity());
}

#[test]
fn filesystem_that_cannot_reserve_gets_a_sparse_file() {
    let filesystem = SmallFilesystem::mount_type("ramfs", "mode=755");
    let path = filesystem.path().join("topic");
    let (file, mem) = open(&path, &small());
    assert_eq!((file.created(), file.size(), mem.size()), (true, 64 * KIB, 64 * KIB));
    assert!(fs::metadata(&path).unwrap().blocks() * 512 <= 4096, "more than the page of the header");
}

#[test]
fn read_only_filesystem_can_still_be_read() {
    let filesystem = SmallFilesystem::mount("size=1m");
    let path = filesystem.path().join("topic");
    open(&path, &small()).1.write(1000, b"7");
    let remount = || Command::new("mount").args(["-o", "remount,ro"]).arg(filesystem.path()).status().unwrap();
    // A process that is being started elsewhere may still have a file open for writing.
    assert!((0..100).any(|_| remount().success() || {
        thread::sleep(Duration::from_millis(50));
        false
    }));
    for path in [&path, &filesystem.path().join("new"), &filesystem.path().join("a/new")] {
        let error = refused(path, &small());
        assert!(matches!(error, FileError::PermissionDenied { .. }), "{error:?}");
        assert_eq!(error.errno(), libc::EROFS);
    }
    assert_eq!(byte(&open(&path, &small().access(Mode::ReadOnly)).1, 1000), b'7');
}

#[test]
fn creators_of_one_file_need_the_space_of_one() {
    for _ in 0..20 {
        // A new one each time: a removed file keeps its space while a process that is being started still has it open.
        let filesystem = SmallFilesystem::mount("size=1m");
        let path = filesystem.path().join("a/topic");
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    open(&path, &small().size(900 * KIB));
                });
            }
        });
        assert_eq!(entries(filesystem.path()), ["a"]);
    }
}

/// No page of it need be reserved for this.
#[test]
fn a_filesystem_of_huge_pages_is_refused() {
    let filesystem = SmallFilesystem::mount_type("hugetlbfs", "mode=755");
    let existing = filesystem.path().join("existing");
    fs::File::create(&existing).unwrap();
    for path in [existing, filesystem.path().join("new"), filesystem.path().join("a/new")] {
        let error = refused(&path, &small());
        assert!(matches!(error, FileError::HugePages { .. }), "{error:?}");
        let error = DeadmanFile::open(&path, &small(), DeadmanLayout::Bytes32).unwrap_err();
        assert!(matches!(error, FileError::HugePages { .. }), "{error:?}");
    }
}

/// A control group with a limit on memory, removed on drop.
struct Group(PathBuf);

impl Group {
    /// `None` where none can be made.
    fn new(limit: u64) -> Option<Group> {
        let name = format!("a0-test-{}", std::process::id());
        [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")].into_iter().find_map(
            |(mount, file)| {
                let path = Path::new(mount).join(&name);
                // Elsewhere it would be a mere directory.
                fs::metadata(Path::new(mount).join("cgroup.procs")).ok()?;
                fs::create_dir(&path).ok()?;
                let group = Group(path);
                fs::write(group.0.join(file), limit.to_string()).ok().map(|()| group)
            },
        )
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// The kernel would kill whoever takes more.
#[test]
fn a_limit_on_memory_is_an_error_and_no_death() {
    let Some(group) = Group::new(64 << 20) else {
        eprintln!("not tried: no control group can be made here");
        return;
    };
    let filesystem = SmallFilesystem::mount("size=300m");
    let this = child(CHILD, "create what is too large", filesystem.path());
    let mut command = Command::new("sh");
    command.args(["-c", "echo 0 >$0/cgroup.procs && exec \"$@\""]).arg(&group.0).arg(this.get_program());
    command.args(this.get_args()).envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(entries(filesystem.path()), ["fits"]);
}

/// What other processes do in these tests; nothing if nobody asked.
#[test]
fn child_process() {
    let Some((task, dir)) = task() else { return };
    match &*task {
        "write every page" => {
            let mem = open(&dir.join("topic"), &small()).1;
            (1000..mem.size()).step_by(4096).for_each(|at| mem.write(at, b"7"));
        }
        "create what is too large" => {
            let error = refused(&dir.join("large"), &small().size(256 << 20));
            let FileError::MemoryLimit { needed, available, group, .. } = &error else { panic!("{error:?}") };
            assert_eq!(*needed, 256 << 20);
            assert!(*available <= 64 << 20 && group.to_string_lossy().contains("a0-test-"), "{error}");
            open(&dir.join("fits"), &small().size(16 << 20));
        }
        task => panic!("{task}?"),
    }
}

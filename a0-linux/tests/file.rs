//! Topic files on real filesystems: a tmpfs, a disk, and small ones mounted for the purpose (as root).
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail it")]

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use a0_core::{Access, Mem, RawMem};
use a0_linux::{FileError, FileOptions, Mapping, Mode, TopicFile, is_temporary, remove, remove_all};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::process::{Gid, Uid, umask};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use tempfile::TempDir;

const KIB: u64 = 1024;

/// Runs a test on a tmpfs and on the disk.
fn on_each_filesystem(test: impl Fn(&Path)) {
    for base in ["/dev/shm", "/tmp"] {
        let dir = temp_dir(base);
        test(dir.path());
    }
}

fn temp_dir(base: &str) -> TempDir {
    let dir = tempfile::Builder::new().prefix("a0-file-").tempdir_in(base).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    dir
}

fn small() -> FileOptions {
    FileOptions::default().size(64 * KIB)
}

fn open(path: &Path, options: &FileOptions) -> (TopicFile, RawMem<Mapping>) {
    TopicFile::open(path, options).unwrap()
}

/// The error of opening, which must name the file that it is about.
fn refused(path: &Path, options: &FileOptions) -> FileError {
    let error = TopicFile::open(path, options).unwrap_err();
    assert!(error.to_string().contains(error.path().to_str().unwrap()), "{error}");
    assert!(path.starts_with(error.path()), "{error}");
    error
}

fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn byte(mem: &impl Mem, offset: u64) -> u8 {
    let mut byte = [0];
    mem.read(offset, &mut byte);
    byte[0]
}

/// Runs something as a user without privileges. They belong to a thread in Linux, so the others stay root.
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    const NOBODY: u32 = 65534;
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
            set_thread_groups(&[]).expect("these tests run as root");
            set_thread_res_gid(gid, gid, gid).expect("these tests run as root");
            set_thread_res_uid(uid, uid, uid).expect("these tests run as root");
            work()
        });
        thread.join().unwrap()
    })
}

/// The number of this process's PID namespace.
fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").unwrap().ino()
}

/// A filesystem of its own for one test, unmounted on drop.
struct SmallFilesystem {
    dir: TempDir,
}

impl SmallFilesystem {
    fn mount(options: &str) -> Self {
        Self::mount_type("tmpfs", options)
    }

    fn mount_type(kind: &str, options: &str) -> Self {
        let dir = temp_dir("/tmp");
        let mount = Command::new("mount").args(["-t", kind, "-o", options, kind]).arg(dir.path()).output();
        let Output { status, stderr, .. } = mount.expect("the command `mount` is needed here");
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "this test must be allowed to mount filesystems (run it as root): {stderr}");
        SmallFilesystem { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for SmallFilesystem {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}

#[test]
fn new_file_is_exactly_as_asked_and_later_options_change_nothing() {
    on_each_filesystem(|dir| {
        let path = dir.join("cam.pubsub.a0");
        let (file, mem) = open(&path, &FileOptions::default());
        assert!(file.created());
        assert_eq!((file.path(), file.size(), file.access()), (&*path, 16 << 20, Mode::Shared));
        assert_eq!((mem.size(), mem.access()), (16 << 20, Access::ReadWrite));
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((meta.len(), meta.mode(), meta.nlink()), (16 << 20, 0o100_666, 1));
        assert_eq!(file.identity(), (meta.dev(), meta.ino()));
        // All zeros but for the mark of this PID namespace.
        let mut content = fs::read(&path).unwrap();
        let mark: Vec<u8> = content.splice(132..136, [0; 4]).collect();
        assert_eq!(u64::from(u32::from_le_bytes(mark.try_into().unwrap())), pid_namespace());
        assert!(content.iter().all(|byte| *byte == 0));

        let (again, _) = open(&path, &small().mode(0o600));
        assert!(!again.created());
        assert_eq!((again.size(), again.identity()), (16 << 20, file.identity()));
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((meta.len(), meta.mode()), (16 << 20, 0o100_666));
        assert_eq!(entries(dir), ["cam.pubsub.a0"]);
    });
}

#[test]
fn open_files_may_move_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<(TopicFile, RawMem<Mapping>, FileError)>();
}

#[test]
fn space_is_taken_on_creation_unless_declined() {
    on_each_filesystem(|dir| {
        // More than one piece, and no multiple of a page.
        let size = (64 << 20) + 5000;
        let full = open(&dir.join("full"), &FileOptions::default().size(size)).0;
        assert_eq!(full.size(), size);
        assert!(fs::metadata(full.path()).unwrap().blocks() * 512 >= size);

        let sparse = open(&dir.join("sparse"), &FileOptions::default().size(size).reserve(false)).0;
        assert_eq!(sparse.size(), size);
        assert!(fs::metadata(sparse.path()).unwrap().blocks() * 512 <= 4096, "more than the page of the header");
    });
}

#[test]
fn impossible_sizes_leave_nothing_behind() {
    on_each_filesystem(|dir| {
        let path = dir.join("topic");
        for reserve in [true, false] {
            for size in [i64::MAX as u64, (1 << 63), u64::MAX, 1 << 62] {
                let error = refused(&path, &small().size(size).reserve(reserve));
                assert!(matches!(error, FileError::TooLarge { .. } | FileError::NoSpace { .. }), "{size}: {error:?}");
                assert!(error.to_string().contains(&size.to_string()), "{error}");
            }
            for size in [0, 1, 143] {
                let error = refused(&path, &small().size(size).reserve(reserve));
                assert!(matches!(error, FileError::TooSmall { size: got, .. } if got == size), "{error:?}");
            }
        }
        assert_eq!(entries(dir), [""; 0]);
        assert_eq!(open(&path, &small().size(144)).0.size(), 144);
    });
}

#[test]
fn directories_come_with_the_file_and_go_with_remove_all() {
    on_each_filesystem(|dir| {
        let path = dir.join("a/b/c/topic");
        open(&path, &small());
        open(&dir.join("a/x/../y/./topic"), &small());
        assert!(dir.join("a/y/topic").is_file());
        symlink(dir.join("a"), dir.join("link")).unwrap();
        open(&dir.join("link/d/topic"), &small());
        assert!(dir.join("a/d/topic").is_file());

        let error = remove(&dir.join("a")).unwrap_err();
        assert!(matches!(error, FileError::NotAFile { .. }), "{error:?}");
        assert!(remove(&path).unwrap());
        assert!(!remove(&path).unwrap());
        let error = remove_all(&dir.join("a/y/topic")).unwrap_err();
        assert!(matches!(error, FileError::NotADirectory { .. }), "{error:?}");
        assert!(remove_all(&dir.join("a")).unwrap());
        assert!(!remove_all(&dir.join("a")).unwrap());
        assert_eq!(entries(dir), ["link"]);
    });
}

#[test]
fn missing_files_stay_missing_where_none_may_be_created() {
    on_each_filesystem(|dir| {
        for options in [small().access(Mode::ReadOnly), small().create(false)] {
            let error = refused(&dir.join("a/topic"), &options);
            assert!(matches!(error, FileError::NotFound { .. }), "{error:?}");
            assert_eq!(error.errno(), libc::ENOENT);
        }
        assert_eq!(entries(dir), [""; 0]);
    });
}

#[test]
fn writers_and_readers_share_the_bytes() {
    on_each_filesystem(|dir| {
        let path = dir.join("topic");
        let (file, writer) = open(&path, &small());
        let reader = open(&path, &small().access(Mode::ReadOnly)).1;
        let other = open(&path, &small().access(Mode::Exclusive)).1;
        // The bytes outlive the file handle.
        drop(file);
        writer.write(1000, b"7");
        other.write(64 * KIB - 1, b"8");
        assert_eq!((byte(&reader, 1000), byte(&reader, 64 * KIB - 1)), (b'7', b'8'));
        assert_eq!((byte(&other, 1000), byte(&writer, 64 * KIB - 1)), (b'7', b'8'));
    });
}

#[test]
fn storing_into_a_read_only_mapping_panics() {
    on_each_filesystem(|dir| {
        let path = dir.join("topic");
        open(&path, &small());
        let reader = open(&path, &small().access(Mode::ReadOnly)).1;
        assert_eq!(reader.access(), Access::ReadOnly);
        let store = catch_unwind(AssertUnwindSafe(|| reader.write(1000, b"7")));
        assert!(store.is_err());
        assert_eq!(byte(&reader, 1000), 0);
    });
}

#[test]
fn permissions_decide_who_may_do_what() {
    on_each_filesystem(|dir| {
        let path = dir.join("of-root");
        let (_file, writer) = open(&path, &small().mode(0o444));
        writer.write(1000, b"7");
        as_nobody(|| {
            for access in [Mode::Shared, Mode::Exclusive] {
                let error = refused(&path, &small().access(access));
                assert!(matches!(error, FileError::PermissionDenied { .. }), "{error:?}");
                assert_eq!(error.errno(), libc::EACCES);
                assert!(error.to_string().contains("read-only"), "{error}");
            }
            let reader = open(&path, &small().access(Mode::ReadOnly)).1;
            assert_eq!(byte(&reader, 1000), b'7');
        });

        let path = dir.join("of-nobody");
        as_nobody(|| {
            // Whoever creates a file may write it, whatever its permissions are for later.
            open(&path, &small().mode(0o400)).1.write(1000, b"8");
            assert!(matches!(refused(&path, &small()), FileError::PermissionDenied { .. }));
            assert_eq!(byte(&open(&path, &small().access(Mode::ReadOnly)).1, 1000), b'8');
        });

        let private = dir.join("private");
        fs::create_dir(&private).unwrap();
        fs::set_permissions(&private, Permissions::from_mode(0o755)).unwrap();
        as_nobody(|| {
            for path in [private.join("topic"), private.join("a/topic")] {
                let error = refused(&path, &small());
                assert!(matches!(error, FileError::PermissionDenied { .. }), "{error:?}");
            }
            assert!(matches!(remove(&private).unwrap_err(), FileError::NotAFile { .. }));
        });
        assert_eq!(entries(&private), [""; 0]);
        fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
        as_nobody(|| {
            let error = refused(&private.join("topic"), &small().access(Mode::ReadOnly));
            assert!(matches!(error, FileError::PermissionDenied { .. }), "{error:?}");
        });
    });
}

#[test]
fn what_is_no_topic_file_is_refused() {
    on_each_filesystem(|dir| {
        let fifo = dir.join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let _listener = UnixListener::bind(dir.join("socket")).unwrap();
        fs::create_dir(dir.join("dir")).unwrap();
        let trailing = PathBuf::from(format!("{}/new/", dir.display()));
        let dot = PathBuf::from(format!("{}/new/.", dir.display()));
        let before = entries(dir);
        for access in [Mode::Shared, Mode::ReadOnly] {
            let options = small().access(access);
            for path in [&*fifo, &dir.join("socket"), &dir.join("dir"), Path::new("/dev/null")] {
                let error = refused(path, &options);
                assert!(matches!(error, FileError::NotAFile { .. }), "{error:?}");
            }
            let error = refused(&fifo.join("topic"), &options);
            assert!(matches!(&error, FileError::NotADirectory { path } if *path == fifo), "{error:?}");
            let error = refused(&fifo.join("a/topic"), &options);
            assert!(matches!(&error, FileError::NotADirectory { path } if *path == fifo), "{error:?}");
        }
        for path in [&trailing, &dot, &dir.join("new/.."), Path::new("")] {
            let error = refused(path, &small());
            assert!(matches!(error, FileError::NotAFile { .. }), "{error:?}");
        }
        let error = TopicFile::open(&dir.join("nul\0"), &small()).unwrap_err();
        assert!(matches!(error, FileError::Os { .. }), "{error:?}");
        let error = refused(&dir.join("x".repeat(300)), &small());
        assert_eq!(error.errno(), libc::ENAMETOOLONG);
        assert_eq!(entries(dir), before);
    });
}

#[test]
fn short_files_are_refused_and_left_alone() {
    on_each_filesystem(|dir| {
        let path = dir.join("short");
        for size in [0, 1, 143] {
            fs::write(&path, vec![1; size]).unwrap();
            for access in [Mode::Shared, Mode::Exclusive, Mode::ReadOnly] {
                let error = refused(&path, &small().access(access));
                assert!(matches!(error, FileError::TooSmall { size: got, .. } if got == size as u64), "{error:?}");
            }
            assert_eq!(fs::read(&path).unwrap(), vec![1; size]);
        }
    });
}

#[test]
fn links_are_followed_to_their_file() {
    on_each_filesystem(|dir| {
        let (target, link) = (dir.join("target"), dir.join("link"));
        symlink(&target, &link).unwrap();
        let error = refused(&link, &small());
        assert!(matches!(error, FileError::DanglingLink { .. }), "{error:?}");
        let error = refused(&link.join("topic"), &small());
        assert!(matches!(error, FileError::NotADirectory { .. }), "{error:?}");
        assert_eq!(entries(dir), ["link"]);

        let file = open(&target, &small()).0;
        assert_eq!(open(&link, &small()).0.identity(), file.identity());
        symlink(dir.join("loop"), dir.join("loop")).unwrap();
        assert_eq!(refused(&dir.join("loop"), &small()).errno(), libc::ELOOP);
    });
}

#[test]
fn removal_is_noticed_and_the_bytes_stay() {
    on_each_filesystem(|dir| {
        let path = dir.join("topic");
        let (file, mem) = open(&path, &small());
        assert!(!file.is_removed().unwrap());
        assert!(remove(&path).unwrap());
        assert!(file.is_removed().unwrap());
        mem.write(1000, b"7");
        assert_eq!(byte(&mem, 1000), b'7');

        let (new, new_mem) = open(file.path(), &small());
        assert!(new.created() && !new.is_removed().unwrap());
        assert_ne!(new.identity(), file.identity());
        assert_eq!(byte(&new_mem, 1000), 0);
    });
}

#[test]
fn descriptors_are_not_inherited() {
    on_each_filesystem(|dir| {
        for _created_then_opened in 0..2 {
            let file = open(&dir.join("topic"), &small()).0;
            assert_eq!(fcntl_getfd(&file).unwrap(), FdFlags::CLOEXEC);
        }
    });
}

#[test]
fn relative_paths_start_at_the_working_directory() {
    on_each_filesystem(|dir| {
        run_child("relative", dir);
        assert_eq!(entries(dir), ["a", "topic"]);
        assert_eq!(entries(&dir.join("a")), ["topic"]);
    });
}

#[test]
fn umask_restricts_directories_but_not_files() {
    on_each_filesystem(|dir| {
        run_child("umask", dir);
        let mode = |name| fs::metadata(dir.join(name)).unwrap().mode() & 0o7777;
        assert_eq!(mode("a"), 0o700);
        assert_eq!(mode("a/b"), 0o700);
        assert_eq!(mode("a/b/666"), 0o666);
        assert_eq!(mode("a/b/640"), 0o640);
    });
}

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
        let mut filling = fs::File::create(filesystem.path().join("others")).unwrap();
        while std::io::Write::write_all(&mut filling, &[1; 4096]).is_ok() {}
        let status = child("write every page", filesystem.path()).stdout(Stdio::null()).status().unwrap();
        assert_eq!((status.signal(), status.success()), (signal, reserve));
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
    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(filesystem.path()).status().unwrap();
    assert!(status.success());
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

#[test]
fn one_of_many_creators_wins() {
    on_each_filesystem(|dir| {
        let children: Vec<_> = (0..4).map(|_| child("race", dir).stdout(Stdio::piped()).spawn().unwrap()).collect();
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
        let path = dir.join("a/topic");
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
            let mut creator = child("create for ever", dir).stdout(Stdio::null()).spawn().unwrap();
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

/// This program, about to do `task` in `dir`.
fn child(task: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child_process", "--exact", "--nocapture"]).env("A0_TEST_TASK", task).env("A0_TEST_DIR", dir);
    command
}

fn run_child(task: &str, dir: &Path) {
    assert!(child(task, dir).status().unwrap().success());
}

/// What other processes do in these tests; nothing if nobody asked.
#[test]
fn child_process() {
    let Ok(task) = std::env::var("A0_TEST_TASK") else { return };
    let dir = PathBuf::from(std::env::var("A0_TEST_DIR").unwrap());
    match &*task {
        "race" => print!("\n{}", race(&dir)),
        "umask" => {
            umask(rustix::fs::Mode::from_raw_mode(0o077));
            open(&dir.join("a/b/666"), &small());
            open(&dir.join("a/b/640"), &small().mode(0o640));
        }
        "relative" => {
            std::env::set_current_dir(&dir).unwrap();
            open(Path::new("topic"), &small());
            open(Path::new("a/topic"), &small());
            assert!(!open(Path::new("./topic"), &small()).0.created());
        }
        "write every page" => {
            let mem = open(&dir.join("topic"), &small()).1;
            (1000..mem.size()).step_by(4096).for_each(|at| mem.write(at, b"7"));
        }
        "create for ever" => {
            for name in 0.. {
                open(&dir.join(name.to_string()), &small().mode(0o640));
            }
        }
        task => panic!("{task}?"),
    }
}

//! Topic files on real filesystems: a tmpfs and a disk.
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail it")]

use std::fs::{self, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::common::{KIB, byte, child, entries, on_each_filesystem, open, refused, small, task};
use a0_core::{Access, Mem, RawMem};
use a0_linux::{DeadmanFile, DeadmanLayout, FileError, FileOptions, Mapping, Mode, TopicFile, remove, remove_all};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::process::{Gid, Uid, umask};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// The test that other processes run.
const CHILD: &str = concat!(module_path!(), "::child_process");

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

/// It says that there is no such file, which others say of a directory that was removed meanwhile.
#[test]
fn a_directory_that_takes_no_files_is_an_error() {
    let error = refused(Path::new("/proc/topic"), &FileOptions::default());
    assert!(matches!(error, FileError::Os { what: "create a file for", .. }), "{error:?}");
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
        let other = open(&path, &small()).1;
        // The bytes outlive the file handle.
        drop(file);
        writer.write(1000, b"7");
        other.write(64 * KIB - 1, b"8");
        assert_eq!((byte(&reader, 1000), byte(&reader, 64 * KIB - 1)), (b'7', b'8'));
        assert_eq!((byte(&other, 1000), byte(&writer, 64 * KIB - 1)), (b'7', b'8'));
    });
}

/// What `Mode::Exclusive` leaves out, it must not need.
#[test]
fn who_has_a_file_alone_shares_it_with_readers_only() {
    on_each_filesystem(|dir| {
        let (path, link) = (dir.join("topic"), dir.join("another name"));
        let alone = small().access(Mode::Exclusive);
        let (file, mem) = open(&path, &alone);
        fs::hard_link(&path, &link).unwrap();
        // The bytes outlive the file handle, and with them its right to them.
        drop(file);
        for path in [&path, &link] {
            let error = refused(path, &small());
            assert!(matches!(error, FileError::Exclusive { .. }), "{error:?}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            let error = refused(path, &alone);
            assert!(matches!(error, FileError::NotAlone { .. }), "{error:?}");
            open(path, &small().access(Mode::ReadOnly));
        }
        drop(mem);
        let shared = open(&link, &small());
        let error = refused(&path, &alone);
        assert!(matches!(error, FileError::NotAlone { .. }), "{error:?}");
        assert_eq!(error.errno(), libc::EBUSY);
        drop(shared);
        open(&path, &alone);
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
        let (end, _other_end) = std::io::pipe().unwrap();
        let pipe = PathBuf::from(format!("/proc/self/fd/{}", end.as_raw_fd()));
        let trailing = PathBuf::from(format!("{}/new/", dir.display()));
        let dot = PathBuf::from(format!("{}/new/.", dir.display()));
        let before = entries(dir);
        for access in [Mode::Shared, Mode::ReadOnly] {
            let options = small().access(access);
            let others = [&*pipe, &dir.join(".."), Path::new("/proc/self/cwd")];
            for path in [&*fifo, &dir.join("socket"), &dir.join("dir"), Path::new("/dev/null")].iter().chain(&others) {
                let error = refused(path, &options);
                assert!(matches!(error, FileError::NotAFile { .. }), "{error:?}");
                let error = DeadmanFile::open(path, &options, DeadmanLayout::Bytes32).unwrap_err();
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
fn umask_restricts_neither_directories_nor_files() {
    on_each_filesystem(|dir| {
        run_child("umask", dir);
        let mode = |name| fs::metadata(dir.join(name)).unwrap().mode() & 0o7777;
        assert_eq!(mode("a"), 0o1777);
        assert_eq!(mode("a/b"), 0o1777);
        assert_eq!(mode("a/b/666"), 0o666);
        assert_eq!(mode("a/b/640"), 0o640);
    });
}

/// What others may write to has the sticky bit; a directory that is there is left alone; a group is inherited.
#[test]
fn directories_get_their_permissions_when_they_are_made() {
    on_each_filesystem(|dir| {
        let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().mode() & 0o7777;
        for (asked, made) in [(0o755, 0o755), (0o775, 0o1775), (0o700, 0o700), (0o1777, 0o1777)] {
            let name = format!("{asked:o}");
            open(&dir.join(&name).join("topic"), &small().dir_mode(asked));
            assert_eq!(mode(&name), made);
        }
        fs::create_dir(dir.join("theirs")).unwrap();
        fs::set_permissions(dir.join("theirs"), Permissions::from_mode(0o2750)).unwrap();
        open(&dir.join("theirs/new/topic"), &small());
        assert_eq!((mode("theirs"), mode("theirs/new")), (0o2750, 0o3777));
    });
}

fn run_child(task: &str, dir: &Path) {
    assert!(child(CHILD, task, dir).status().unwrap().success());
}

/// What other processes do in these tests; nothing if nobody asked.
#[test]
fn child_process() {
    let Some((task, dir)) = task() else { return };
    match &*task {
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
        task => panic!("{task}?"),
    }
}

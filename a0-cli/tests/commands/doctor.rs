//! `a0 doctor`: every finding, provoked; and silence where all is well.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::common::{Root, Said, said, send};
use crate::sandbox::{Denied, deny};
use a0_std::{File, FileOptions, Writer};
use a0_testkit::bare;
use nix::sys::signal::Signal;
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;

const SMALL: &str = "--arena 64K";

fn findings(said: &Said) -> Vec<Value> {
    assert_eq!(said.err, "", "{said:?}");
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Expects a finding of this kind, with these words, in text and in JSON.
#[track_caller]
fn expect(said: &Said, severity: &str, check: &str, words: &str) {
    let found = findings(said);
    let hit = found.iter().find(|found| found["check"] == check && found["problem"].as_str().unwrap().contains(words));
    let hit = hit.unwrap_or_else(|| panic!("no {check} '{words}' in {said:?}"));
    assert_eq!(hit["severity"], severity, "{hit}");
    assert_eq!(hit["remedy"].is_string(), severity != "note", "{hit}");
    let failed = found.iter().any(|found| found["severity"] == "error");
    assert_eq!(said.code, Some(i32::from(failed)), "{said:?}");
}

/// The same about this file of the root, of which nothing else is found.
#[track_caller]
fn expect_at(root: &Root, severity: &str, check: &str, name: &str, words: &str) {
    let said = root.run("doctor --format json");
    expect(&said, severity, check, words);
    let path = root.path(name);
    let about: Vec<_> =
        findings(&said).into_iter().filter(|found| found["path"] == path.to_string_lossy().as_ref()).collect();
    assert_eq!((about.len(), about[0]["check"].as_str()), (1, Some(check)), "{about:?}");
}

const DOCTOR: &str = "\"$a0\" doctor --format json";

#[test]
fn a_healthy_place_is_passed_in_silence() {
    let root = Root::new();
    let script = "\"$a0\" pub cam/front x --count 100 && \"$a0\" cfg write c '{}' && \"$a0\" log write l info x &&
        \"$a0\" deadman take robot -- \"$a0\" doctor --strict && \"$a0\" doctor --strict --format json";
    let said = root.in_tmpfs("size=256m,mode=1777", script);
    assert_eq!((said.code, &*said.out, &*said.err), (Some(0), "", ""), "{said:?}");
    let said = root.in_tmpfs("size=256m,mode=1777", &format!("{DOCTOR} --verbose"));
    expect(&said, "note", "permissions", "only a topic's owner may remove it");
}

#[test]
fn a_busy_lock_is_not_a_stuck_one() {
    let root = Root::new();
    let file = File::open(root.path("busy.pubsub.a0"), &FileOptions::default().size(1 << 16)).unwrap();
    let (done, mut runs) = (AtomicBool::new(false), vec![]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let writer = Writer::new(&file);
            while !done.load(Ordering::Relaxed) {
                writer.write("busy").unwrap();
            }
        });
        runs.extend((0..15).map(|_| root.run("doctor --format json")));
        done.store(true, Ordering::Relaxed);
    });
    let passes =
        |said: &Said| findings(said).iter().all(|found| !["lock", "topic"].contains(&found["check"].as_str().unwrap()));
    // A busy machine may keep the writer from going on while it has the lock, but not each time.
    for runs in runs.chunks(3) {
        assert!(runs.iter().any(passes), "{runs:?}");
    }
}

#[test]
fn what_the_kernel_lacks() {
    let root = Root::new();
    let without_both = |one, other| {
        let mut command = root.command("doctor --format json");
        deny(&mut command, one);
        deny(&mut command, other);
        said(command.output().unwrap())
    };
    let without = |denied| without_both(denied, denied);
    expect(&without(Denied::futex(0)), "error", "kernel", "FUTEX_WAIT)");
    expect(&without(Denied::futex(6)), "error", "kernel", "FUTEX_LOCK_PI)");
    expect(&without(Denied::futex(11)), "error", "kernel", "FUTEX_WAIT_REQUEUE_PI");
    expect(&without(Denied::futex(12)), "error", "kernel", "FUTEX_CMP_REQUEUE_PI");
    expect(&without(Denied::futex(13)), "warning", "kernel", "FUTEX_LOCK_PI2");
    expect(&without(Denied::call(libc::SYS_set_robust_list, libc::ENOSYS)), "error", "kernel", "no robust locks");
    for call in [libc::SYS_set_robust_list, libc::SYS_get_robust_list] {
        let mut command = root.command("doctor --format json");
        command.env("A0_FRAGILE_LOCKS", "1");
        deny(&mut command, Denied::call(libc::SYS_set_robust_list, libc::ENOSYS));
        deny(&mut command, Denied::call(call, libc::ENOSYS));
        expect(&said(command.output().unwrap()), "error", "kernel", "no robust locks");
    }
    expect(&without(Denied::call(libc::SYS_memfd_create, libc::ENOSYS)), "error", "kernel", "cannot be found out");
    expect(&without(Denied::call(libc::SYS_inotify_init1, libc::EMFILE)), "warning", "discovery", "max_user_instances");
    expect(
        &without(Denied::call(libc::SYS_inotify_add_watch, libc::ENOSPC)),
        "warning",
        "discovery",
        "max_user_watches",
    );
    // Each exists twice; which one is used is nobody's business.
    let flag = libc::O_TMPFILE as u32;
    let unnamed = |call, argument| Denied { call, argument, mask: flag, value: flag, errno: libc::EOPNOTSUPP };
    expect(
        &without_both(unnamed(libc::SYS_open, 1), unnamed(libc::SYS_openat, 2)),
        "warning",
        "links",
        "without a name",
    );
    let links = [libc::SYS_link, libc::SYS_linkat].map(|call| Denied::call(call, libc::EPERM));
    expect(&without_both(links[0], links[1]), "error", "links", "made and linked");
    assert_eq!(fs::read_dir(root.0.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn filesystems() {
    let root = Root::new();
    let tmpfs = |options: &str, script: &str| root.in_tmpfs(options, script);
    expect(&tmpfs("size=64m", DOCTOR), "warning", "space", "64.0 MiB in all: 4 topics");
    expect(&tmpfs("size=8m", DOCTOR), "error", "space", "8.0 MiB of 8.0 MiB are free");
    expect(&tmpfs("size=256m,nr_inodes=2", &format!("touch \"$A0_ROOT/x\"; {DOCTOR}")), "error", "space", "no inodes");
    expect(&tmpfs("ro", DOCTOR), "error", "filesystem", "read-only");
    let strict = tmpfs("size=64m", &format!("{DOCTOR} --strict"));
    assert_eq!((strict.code, findings(&strict).len()), (Some(1), 1));
    // Reading a page that was never written would end in SIGBUS.
    let full = "truncate -s 16M \"$A0_ROOT/x.pubsub.a0\"; head -c 8M /dev/zero >\"$A0_ROOT/fill\" 2>/dev/null;";
    expect(&tmpfs("size=1m", &format!("{full} {DOCTOR}")), "error", "topic", "was not looked at");
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let said = said(root.command("doctor --format json").env("A0_ROOT", disk.path()).output().unwrap());
    if rustix::fs::statfs(disk.path()).unwrap().f_type != 0x0102_1994 {
        expect(&said, "warning", "filesystem", "not in memory");
    }
}

/// Needs a filesystem that only root may mount.
#[test]
fn huge_pages() {
    let root = Root::new();
    let said = root.unshared(&["--mount"], &format!("mount -t hugetlbfs none \"$A0_ROOT\" || exit 77; {DOCTOR}"));
    if said.code != Some(77) {
        expect(&said, "error", "filesystem", "is on hugetlbfs");
        assert_eq!(findings(&said).len(), 1, "{said:?}");
    }
}

/// With a program of that name, and with files of systemd that are mounted over those of this machine.
#[test]
fn topics_that_go_with_their_users() {
    let root = Root::new();
    root.ok(&format!("pub t x {SMALL}"));
    let logind = root.path("systemd-logind");
    fs::copy("/bin/sleep", &logind).unwrap();
    let doctor = |settings: &str| {
        let script = format!(
            "mount -t tmpfs none /etc && mkdir -p /etc/systemd && printf '[Login]\\n{settings}\\n' >/etc/systemd/logind.conf \
             || exit 77; chown 1234 \"$A0_ROOT/t.pubsub.a0\"; {DOCTOR}"
        );
        root.unshared(&["--mount"], &script)
    };
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut logind = std::process::Command::new(logind).arg("60").spawn().unwrap();
    let removed = doctor("RemoveIPC=yes");
    let kept = doctor("RemoveIPC=no");
    logind.kill().unwrap();
    logind.wait().unwrap();
    expect(&removed, "warning", "logout", "removes everything of user 1234 in /dev/shm");
    assert!(!kept.out.contains("logout"), "{kept:?}");
}

#[test]
fn roots() {
    let root = Root::new();
    let doctor =
        |path: &Path| said(root.command("doctor --format json --verbose").env("A0_ROOT", path).output().unwrap());
    expect(&doctor(Path::new("topics")), "error", "root", "must be an absolute path");
    expect(&doctor(&root.path("not/yet")), "note", "root", "does not exist yet");
    assert!(!root.path("not").exists());
    fs::write(root.path("file"), "x").unwrap();
    expect(&doctor(&root.path("file")), "error", "root", "in the way");
    expect(&doctor(&root.path("file/below")), "error", "root", "in the way");
    let closed = root.path("closed");
    fs::create_dir(&closed).unwrap();
    for (mode, severity, words) in [
        (0o555, "warning", "not create any"),
        (0o333, "error", "may not read or enter"),
        (0o755, "note", "other users may not create topics"),
        (0o777, "note", "every user may remove every topic"),
    ] {
        fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
        expect(
            &crate::sandbox::without_privileges(&root.command("doctor --format json -v"), &closed),
            severity,
            "permissions",
            words,
        );
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let below = closed.join("topics");
    let said = crate::sandbox::without_privileges(&root.command("doctor --format json -v"), &below);
    expect(&said, "error", "permissions", "may not create A0_ROOT");
}

#[test]
fn templates() {
    let root = Root::new();
    let doctor = |variable: &str, value: &str| {
        said(root.command("doctor --format json --verbose").env(variable, value).output().unwrap())
    };
    expect(&doctor("A0_TOPIC_TMPL_RPC", "rpc.a0"), "error", "templates", "must contain {topic}");
    expect(&doctor("A0_TOPIC_TMPL_RPC", "{topic}.cfg.a0"), "error", "templates", "both would use one file");
    expect(&doctor("A0_TOPIC_TMPL_LOG", "{topic}.a0"), "warning", "templates", "topics of different names");
    expect(&doctor("A0_TOPIC_TMPL_LOG", "/var/{topic}.log.a0"), "note", "templates", "not looked at here");
}

#[test]
fn a_container() {
    let root = Root::new();
    fs::create_dir(root.path("outside")).unwrap();
    fs::create_dir(root.path("inside")).unwrap();
    let script = "cd \"$A0_ROOT\"; mount --bind outside inside; export A0_ROOT=\"$A0_ROOT/inside\"; \"$a0\" doctor --format json";
    let said = root.unshared(&["--mount", "--pid", "--fork", "--mount-proc"], script);
    expect(&said, "warning", "namespace", "PID namespace of its own");
    root.ok(&format!("pub theirs x {SMALL}"));
    overwrite(&root, "theirs.pubsub.a0", 132, &7_u32.to_le_bytes());
    expect_at(&root, "warning", "namespace", "theirs.pubsub.a0", "from PID namespace 7");
    overwrite(&root, "theirs.pubsub.a0", 32, &std::process::id().to_le_bytes());
    expect(&root.run("doctor --format json"), "error", "lock", "of PID namespace 7 has had its lock");
    overwrite(&root, "theirs.pubsub.a0", 32, &[0; 4]);
    let said = root.unshared(&["--mount"], "umount -l /proc; \"$a0\" doctor --format json");
    expect(&said, "warning", "namespace", "/proc is not mounted");
}

#[test]
fn files_that_are_no_topics() {
    let root = Root::new();
    let write = |name: &str, bytes: &[u8]| fs::write(root.path(name), bytes).unwrap();
    let temporary = ".alephzero_mkstemp.abcdef";
    write(temporary, b"unfinished");
    assert!(!root.run("doctor").out.contains(temporary), "somebody may be about to finish it");
    let old = SystemTime::now() - Duration::from_secs(100);
    fs::File::options().write(true).open(root.path(temporary)).unwrap().set_modified(old).unwrap();
    expect_at(&root, "warning", "temporary", temporary, " s ago");
    assert!(root.run("doctor").out.contains("everybody who may write to the directory may do that"));
    fs::set_permissions(root.0.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(root.run("doctor").out.contains("the owner of the directory, and root may do that"));

    write("notes.txt", b"no topic");
    expect_at(&root, "warning", "file", "notes.txt", "of unknown kind");
    root.ok(&format!("pub t x {SMALL}"));
    fs::rename(root.path("t.pubsub.a0"), root.path("t.old")).unwrap();
    expect_at(&root, "warning", "file", "t.old", "no template makes such a name");
    write("empty.pubsub.a0", b"");
    expect_at(&root, "error", "file", "empty.pubsub.a0", "is empty");
    symlink("nowhere", root.path("link.pubsub.a0")).unwrap();
    expect_at(&root, "error", "file", "link.pubsub.a0", "leads nowhere");
    mkfifoat(CWD, root.path("fifo.pubsub.a0"), Mode::RWXU).unwrap();
    expect_at(&root, "warning", "file", "fifo.pubsub.a0", "is a FIFO");
    write("d.pubsub.a0", &[0; 32]);
    expect_at(&root, "error", "file", "d.pubsub.a0", "is a deadman, but has the name");
    fs::copy(root.path("t.old"), root.path("t.deadman")).unwrap();
    expect_at(&root, "error", "file", "t.deadman", "is a topic, but has the name");
}

#[test]
fn topics_that_are_damaged_or_old() {
    let root = Root::new();
    fs::write(root.path("junk.pubsub.a0"), [0x5A; 4096]).unwrap();
    expect_at(&root, "error", "topic", "junk.pubsub.a0", "not an AlephZero topic");
    root.ok(&format!("pub links x --count 3 {SMALL}"));
    overwrite(&root, "links.pubsub.a0", 144, &99_u64.to_le_bytes());
    expect_at(&root, "error", "topic", "links.pubsub.a0", "is damaged");
    root.ok(&format!("pub packets x --count 3 {SMALL}"));
    overwrite(&root, "packets.pubsub.a0", 144 + 40, &[0xFF; 36]);
    expect_at(&root, "error", "topic", "packets.pubsub.a0", "is not a valid packet");
    // The page index of 0.2 is at 120; all else is as in 0.3.
    let mut old = vec![0; 512];
    old[..2].copy_from_slice(&[1, 1]);
    fs::write(root.path("old.pubsub.a0"), old).unwrap();
    expect_at(&root, "warning", "topic", "old.pubsub.a0", "a topic of AlephZero 0.2");
}

#[test]
fn permissions_of_topics() {
    let root = Root::new();
    root.ok(&format!("pub a x {SMALL}"));
    let modes = [(0o000, "may not read it"), (0o444, "may read it, but not write")];
    for (mode, words) in modes {
        fs::set_permissions(root.path("a.pubsub.a0"), fs::Permissions::from_mode(mode)).unwrap();
        expect(
            &crate::sandbox::without_privileges(&root.command("doctor --format json"), root.0.path()),
            "warning",
            "permissions",
            words,
        );
    }
    fs::create_dir(root.path("closed")).unwrap();
    fs::set_permissions(root.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    expect(
        &crate::sandbox::without_privileges(&root.command("doctor --format json"), root.0.path()),
        "error",
        "permissions",
        "cannot be read",
    );
    fs::set_permissions(root.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn owners_of_locks() {
    let root = Root::new();
    let lock = |name: &str, word: u32| {
        root.ok(&format!("pub {name} x {SMALL}"));
        overwrite(&root, &format!("{name}.pubsub.a0"), 32, &word.to_le_bytes());
    };
    for (name, word) in [("stale", 0x3FFF_FFFF), ("waiters", 0xBFFF_FFFF), ("go", 0x7FFF_FFFF)] {
        lock(name, word);
        let file = format!("{name}.pubsub.a0");
        expect_at(&root, "warning", "lock", &file, "the next program that publishes takes it over");
        // Of which PID namespace that thread is, is unknown.
        let namespace = fs::read(root.path(&file)).unwrap()[132..136].to_vec();
        overwrite(&root, &file, 132, &[0; 4]);
        expect_at(&root, "error", "lock", &file, "does not exist here");
        overwrite(&root, &file, 132, &namespace);
        root.ok(&format!("pub {name} y"));
        assert!(!root.run("doctor").out.contains(name));
    }
    lock("stranger", std::process::id());
    expect_at(&root, "error", "lock", "stranger.pubsub.a0", "does not use this file");
    // Free, and the next one who takes it deals with that.
    lock("died", 0x4000_0000);
    assert!(!root.run("doctor").out.contains("died"));

    let file = File::open(root.path("slow.pubsub.a0"), &FileOptions::default().size(1 << 16)).unwrap();
    let locked = bare(&file).lock(None).unwrap();
    expect_at(&root, "error", "lock", "slow.pubsub.a0", "has had its lock for more than 100ms");
    drop(locked);
    assert!(!root.run("doctor").out.contains("slow"));

    root.ok(&format!("pub stopped x {SMALL}"));
    let mut reader = root.start("echo stopped");
    a0_testkit::until(|| {
        fs::read_to_string(format!("/proc/{}/maps", reader.id())).unwrap().contains("stopped.pubsub.a0")
    });
    send(&reader, Signal::SIGSTOP);
    lock("stopped", reader.id());
    expect_at(&root, "error", "lock", "stopped.pubsub.a0", "which is stopped");
    reader.kill().unwrap();
    reader.wait().unwrap();
}

#[test]
fn owners_of_deadmen() {
    let root = Root::new();
    // Thread id, and a mark that somebody has it; the last one was killed while it took it.
    let layouts = [("cpp", 32, 16, 0), ("python", 72, 48, 0), ("half", 32, 16, 0x4000_0000)];
    for (name, size, word, flag) in layouts {
        for (owner, words) in [(0x3FFF_FFFF, "does not exist here"), (std::process::id(), "does not use this file")] {
            let name = format!("{name}-{owner:x}.deadman");
            let mut bytes = vec![0; size];
            bytes[word..word + 4].copy_from_slice(&u32::to_le_bytes(owner | flag));
            if let Some(locked) = bytes.get_mut(64) {
                *locked = 1;
            }
            fs::write(root.path(&name), bytes).unwrap();
            expect_at(&root, "warning", "deadman", &name, words);
        }
    }
}

/// Whatever is found: no byte, no time and no name changes.
#[test]
fn nothing_is_changed() {
    let root = Root::new();
    root.ok(&format!("pub deep/a x --count 3 {SMALL}"));
    root.ok(&format!("pub held x {SMALL}"));
    overwrite(&root, "held.pubsub.a0", 32, &0x3FFF_FFFF_u32.to_le_bytes());
    fs::write(root.path("new.rpc.a0"), [0; 4096]).unwrap();
    fs::write(root.path("d.deadman"), [0xFF; 32]).unwrap();
    fs::write(root.path("old.pubsub.a0"), [1; 512]).unwrap();
    let before = content(root.0.path());
    assert_eq!(root.run("doctor --strict").code, Some(1));
    assert_eq!(before, content(root.0.path()));
}

fn content(dir: &Path) -> BTreeMap<std::path::PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut content(&path));
        } else {
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            found.insert(path.clone(), (fs::read(&path).unwrap(), modified));
        }
    }
    found
}

fn overwrite(root: &Root, name: &str, offset: u64, bytes: &[u8]) {
    fs::File::options().write(true).open(root.path(name)).unwrap().write_all_at(bytes, offset).unwrap();
}

#[test]
fn usage() {
    let root = Root::new();
    assert_eq!(root.run("doctor --format xml").code, Some(2));
    assert!(root.ok("doctor --help").contains("Exit codes:"));
}

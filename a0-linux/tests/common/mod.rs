//! What tests of files share.
#![allow(dead_code, reason = "every test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail it")]

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use a0_core::{Mem, RawMem};
use a0_linux::{FileError, FileOptions, Mapping, TopicFile};
use tempfile::TempDir;

pub(crate) const KIB: u64 = 1024;

/// Runs a test on a tmpfs and on the disk.
pub(crate) fn on_each_filesystem(test: impl Fn(&Path)) {
    for base in ["/dev/shm", "/tmp"] {
        let dir = temp_dir(base);
        test(dir.path());
    }
}

pub(crate) fn temp_dir(base: &str) -> TempDir {
    let dir = tempfile::Builder::new().prefix("a0-file-").tempdir_in(base).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    dir
}

pub(crate) fn small() -> FileOptions {
    FileOptions::default().size(64 * KIB)
}

pub(crate) fn open(path: &Path, options: &FileOptions) -> (TopicFile, RawMem<Mapping>) {
    TopicFile::open(path, options).unwrap()
}

/// The error of opening, which must name the file that it is about.
pub(crate) fn refused(path: &Path, options: &FileOptions) -> FileError {
    let error = TopicFile::open(path, options).unwrap_err();
    assert!(error.to_string().contains(error.path().to_str().unwrap()), "{error}");
    assert!(path.starts_with(error.path()), "{error}");
    error
}

pub(crate) fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn byte(mem: &impl Mem, offset: u64) -> u8 {
    let mut byte = [0];
    mem.read(offset, &mut byte);
    byte[0]
}

/// A filesystem of its own for one test, unmounted on drop.
pub(crate) struct SmallFilesystem {
    dir: TempDir,
}

impl SmallFilesystem {
    pub(crate) fn mount(options: &str) -> Self {
        Self::mount_type("tmpfs", options)
    }

    pub(crate) fn mount_type(kind: &str, options: &str) -> Self {
        let dir = temp_dir("/tmp");
        let mount = Command::new("mount").args(["-t", kind, "-o", options, kind]).arg(dir.path()).output();
        let Output { status, stderr, .. } = mount.expect("the command `mount` is needed here");
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "this test must be allowed to mount filesystems (run it as root): {stderr}");
        SmallFilesystem { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Takes what is left, in a file of its own.
    pub(crate) fn fill(&self) {
        let mut others = fs::File::create(self.path().join("others")).unwrap();
        while others.write_all(&[1; 4096]).is_ok() {}
    }
}

impl Drop for SmallFilesystem {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}

/// This program, about to do `task` in `dir` in a test, which is `concat!(module_path!(), "::NAME")`.
pub(crate) fn child(test: &str, task: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([a0_testkit::actor::test_name(test), "--exact", "--nocapture"])
        .env("A0_TEST_TASK", task)
        .env("A0_TEST_DIR", dir);
    command
}

/// What [`child`] was asked to do, and where; `None` if nobody asked.
pub(crate) fn task() -> Option<(String, PathBuf)> {
    let task = std::env::var("A0_TEST_TASK").ok()?;
    Some((task, PathBuf::from(std::env::var("A0_TEST_DIR").unwrap())))
}

//! A new file, made without a name, or under another one, and then given its own.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use a0_core::RawMem;
use rustix::fs::{
    Access, AtFlags, CWD, FallocateFlags, Mode, OFlags, fallocate, fchmod, fstatfs, fstatvfs, ftruncate, openat,
};
use rustix::io::{Errno, retry_on_intr};
use tempfile::TempPath;

use crate::file::cgroup::{self, Room};
use crate::file::directory::{self, Turn};
use crate::file::error::FileError;
use crate::file::kind::Kind;
use crate::file::mapping::Mapping;
use crate::file::opened::{TopicFile, check_pages, open_existing};
use crate::file::options::FileOptions;

/// What names of unfinished files start with, the same as in 0.3: programs that look for topics skip them.
const PREFIX: &str = ".alephzero_mkstemp.";

/// Whether a file has the name of one that is still being made, by this library or by 0.3. Such files are no topics.
pub fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(PREFIX.as_bytes()))
}

/// Space is reserved in pieces of this many bytes. A signal makes the kernel give up on a piece, and a program that gets
/// signals all the time would never reserve a large file in one go.
const PIECE: u64 = 64 << 20;

/// Creates the file, or opens the one that somebody else has just created; `None` if that one is gone again.
pub(super) fn create(
    kind: Kind,
    path: &Path,
    options: &FileOptions,
) -> Result<Option<(TopicFile, RawMem<Mapping>)>, FileError> {
    check_name(path)?;
    kind.check_size(path, options.size)?;
    let Some(dir) = directory::create(directory::parent(path), options.dir_mode)? else { return Ok(None) };
    check_pages(path, &dir)?;

    let turn = Turn::take(&dir);
    if let Some(theirs) = open_existing(kind, path, options.access)? {
        return Ok(Some(theirs));
    }
    for way in [Way::Unnamed, Way::Named] {
        match create_by(way, kind, path, &dir, &turn, options)? {
            Made::Ours(ours) => return Ok(Some(ours)),
            Made::Theirs => return open_existing(kind, path, options.access),
            Made::Gone => return Ok(None),
            Made::NotThisWay => {}
        }
    }
    // The second way always says more.
    Ok(None)
}

/// How a file is kept from others until it is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It has no name, and vanishes with its creator.
    Unnamed,
    /// It has another name, as in 0.3, for filesystems that have no files without one.
    Named,
}

/// What became of an attempt.
enum Made {
    /// It was made.
    Ours((TopicFile, RawMem<Mapping>)),
    /// Somebody else was faster.
    Theirs,
    /// Somebody has removed the directory.
    Gone,
    /// This system or this filesystem cannot do it this way.
    NotThisWay,
}

fn create_by(
    way: Way,
    kind: Kind,
    path: &Path,
    dir: &OwnedFd,
    turn: &Turn,
    options: &FileOptions,
) -> Result<Made, FileError> {
    let unfinished = match Unfinished::create(way, dir, path) {
        Ok(Some(unfinished)) => unfinished,
        Ok(None) => return Ok(Made::NotThisWay),
        // Those of /proc are there, and say so, too, when they are asked for a file.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !turn.is_in(directory::parent(path)) => {
            return Ok(Made::Gone);
        }
        Err(error) => return Err(failure(path, options.size, None, "create a file for", error)),
    };
    // From here on, leaving this function removes it.
    let Unfinished { fd, name } = unfinished;
    fill(&fd, path, options)?;
    // Mapped before it gets its name, since a size that cannot be mapped must leave no file.
    let ours = TopicFile::map(kind, fd, path, options.access, true)?;
    // A link, not a rename: it never replaces a file, and it is what others watch for.
    match rustix::fs::linkat(CWD, &*name, dir, path.file_name().unwrap_or_default(), AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(Made::Ours(ours)),
        Err(Errno::EXIST) if is_dangling(path) => Err(FileError::DanglingLink { path: path.into() }),
        Err(Errno::EXIST) => Ok(Made::Theirs),
        Err(Errno::NOENT) => Ok(Made::Gone),
        // Security modules may know no files without a name; the other way finds out whether that was it.
        Err(_) if way == Way::Unnamed => Ok(Made::NotThisWay),
        Err(errno @ (Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS)) => {
            Err(FileError::NoHardLinks { path: path.into(), cause: errno.into() })
        }
        Err(errno) => Err(failure(path, options.size, None, "create", errno.into())),
    }
}

/// Refuses what can only ever name a directory.
fn check_name(path: &Path) -> Result<(), FileError> {
    let bytes = path.as_os_str().as_bytes();
    if path.file_name().is_none() || bytes.ends_with(b"/") || bytes.ends_with(b"/.") {
        return Err(FileError::NotAFile { path: path.into(), what: "the name of a directory" });
    }
    Ok(())
}

fn is_dangling(path: &Path) -> bool {
    directory::is_link(path) && matches!(rustix::fs::stat(path), Err(Errno::NOENT))
}

/// An empty file that nobody else may open. Dropping it removes it.
struct Unfinished {
    fd: OwnedFd,
    /// A path by which it can be linked.
    name: Name,
}

enum Name {
    /// What the kernel calls an open file.
    OfDescriptor(PathBuf),
    Temporary(TempPath),
}

impl Deref for Name {
    type Target = Path;

    fn deref(&self) -> &Path {
        match self {
            Name::OfDescriptor(path) => path,
            Name::Temporary(path) => path,
        }
    }
}

impl Unfinished {
    /// Makes one; `None` if that is not possible this way.
    fn create(way: Way, dir: &OwnedFd, path: &Path) -> io::Result<Option<Unfinished>> {
        match way {
            Way::Unnamed => Ok(Unfinished::unnamed(dir)),
            Way::Named => Unfinished::named(dir, path).map(Some),
        }
    }

    fn unnamed(dir: &OwnedFd) -> Option<Unfinished> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        // Filesystems and kernels have many ways to say that they cannot; the other way says what is really wrong.
        let fd = retry_on_intr(|| openat(dir, ".", flags, Mode::RUSR | Mode::WUSR)).ok()?;
        // Without /proc there is no way to give it a name.
        name_of(&fd).map(|name| Unfinished { fd, name: Name::OfDescriptor(name) })
    }

    fn named(dir: &OwnedFd, path: &Path) -> io::Result<Unfinished> {
        // Nobody can put another directory in the place of this one, while that of the path could be replaced.
        let dir = name_of(dir).unwrap_or_else(|| directory::parent(path).into());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let open = |name: &Path| {
            let fd = retry_on_intr(|| rustix::fs::open(name, flags, Mode::RUSR | Mode::WUSR))?;
            Ok(fd)
        };
        let file = tempfile::Builder::new().prefix(PREFIX).rand_bytes(6).make_in(dir, open)?;
        let (fd, name) = file.into_parts();
        Ok(Unfinished { fd, name: Name::Temporary(name) })
    }
}

/// What the kernel calls an open file; `None` without /proc.
fn name_of(fd: &OwnedFd) -> Option<PathBuf> {
    let name = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    rustix::fs::access(&name, Access::EXISTS).is_ok().then_some(name)
}

/// Gives a new file its permissions and its size.
fn fill(fd: &OwnedFd, path: &Path, options: &FileOptions) -> Result<(), FileError> {
    let size = options.size;
    fchmod(fd, Mode::from_raw_mode(options.mode & 0o7777))
        .map_err(|errno| FileError::os(path, "set the permissions of", errno))?;
    if options.reserve {
        check_memory(fd, path, size)?;
    }
    let available = available(fd);
    let sized = if options.reserve { reserve(fd, size, available) } else { ftruncate(fd, size) };
    sized.map_err(|errno| failure(path, size, available, "set the size of", errno.into()))
}

/// Refuses to take more memory than this program's control group permits.
fn check_memory(fd: &OwnedFd, path: &Path, size: u64) -> Result<(), FileError> {
    const TMPFS: u64 = 0x0102_1994;
    let is_memory = fstatfs(fd).is_ok_and(|filesystem| filesystem.f_type as u64 == TMPFS);
    match is_memory.then(cgroup::room).flatten() {
        Some(Room { left: available, group }) if available < size => {
            Err(FileError::MemoryLimit { path: path.into(), needed: size, available, group })
        }
        _ => Ok(()),
    }
}

/// Makes the file `size` bytes long and takes the space for them.
fn reserve(fd: &OwnedFd, size: u64, available: Option<u64>) -> Result<(), Errno> {
    if i64::try_from(size).is_err() {
        return Err(Errno::FBIG);
    }
    // Not left to the kernel, which would take everything that others need before it notices.
    if available.is_some_and(|available| available < size) {
        return Err(Errno::NOSPC);
    }
    let mut start = 0;
    while start < size {
        let len = PIECE.min(size - start);
        match retry_on_intr(|| fallocate(fd, FallocateFlags::empty(), start, len)) {
            Ok(()) => start += len,
            // A filesystem that cannot promise space: a sparse file is the best there is.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return ftruncate(fd, size),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Bytes free on the file's filesystem; `None` if it has no limit or does not tell.
fn available(fd: &OwnedFd) -> Option<u64> {
    let stat = fstatvfs(fd).ok()?;
    // All free blocks, although some may be kept for root: too much is corrected by the reservation, too little not.
    (stat.f_blocks != 0).then(|| stat.f_bfree.saturating_mul(stat.f_frsize))
}

/// The error for a step that may have failed for want of space, or because of the size.
fn failure(path: &Path, size: u64, available: Option<u64>, what: &'static str, cause: io::Error) -> FileError {
    match Errno::from_io_error(&cause) {
        // NOMEM: the memory of a tmpfs, where it has no limit of its own or a larger one than its control group.
        Some(Errno::NOSPC | Errno::DQUOT | Errno::NOMEM) => {
            // Others may have taken what was free at first; that number would then only confuse.
            let available = available.filter(|available| *available < size);
            FileError::NoSpace { path: path.into(), needed: size, available }
        }
        Some(Errno::FBIG | Errno::INVAL | Errno::OVERFLOW) => FileError::TooLarge { path: path.into(), size, cause },
        _ => FileError::os(path, what, cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Filesystems without unnamed files are rare, so the other way is tried where both work.
    #[test]
    fn both_ways_make_the_same_file_and_leave_nothing_else() {
        for base in ["/dev/shm", "/tmp"] {
            let dir = tempfile::tempdir_in(base).unwrap();
            let options = FileOptions::default().size(5000).mode(0o604);
            let open = OwnedFd::from(std::fs::File::open(dir.path()).unwrap());
            for way in [Way::Unnamed, Way::Named] {
                let path = dir.path().join("topic");
                let make = || create_by(way, Kind::Topic, &path, &open, &Turn::take(&open), &options).unwrap();
                let Made::Ours((file, _)) = make() else { panic!("{way:?}") };
                assert!(file.created() && !file.is_removed().unwrap());
                assert!(matches!(make(), Made::Theirs), "it never replaces a file");
                let metadata = std::fs::metadata(&path).unwrap();
                assert_eq!((metadata.len(), metadata.permissions().mode() & 0o7777), (5000, 0o604));
                let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
                assert_eq!(names, ["topic"]);
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
}

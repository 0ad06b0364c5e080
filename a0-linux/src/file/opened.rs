//! A file that is open, and its bytes.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use a0_core::RawMem;
use a0_core::internal::is_topic;
use rustix::fs::{FileType, OFlags, Stat, fstat, fstatfs};
use rustix::io::Errno;

use crate::file::error::FileError;
use crate::file::holes::{self, Filled};
use crate::file::kind::Kind;
use crate::file::mapping::Mapping;
use crate::file::namespace::Opened;
use crate::file::options::Mode;
use crate::file::way::{Obstacle, Way};

/// An open topic file. Its bytes are a value of their own, for a [`a0_core::Transport`] to own, and stay mapped when
/// this one is dropped.
#[derive(Debug)]
pub struct TopicFile {
    pub(super) fd: Arc<OwnedFd>,
    path: PathBuf,
    size: u64,
    identity: (u64, u64),
    access: Mode,
    created: bool,
}

impl TopicFile {
    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What it was opened for.
    pub fn access(&self) -> Mode {
        self.access
    }

    /// Whether it was missing, and this call to [`TopicFile::open`] made it.
    pub fn created(&self) -> bool {
        self.created
    }

    /// Device and inode number: the same for every open topic that shares these bytes.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Whether the file has been deleted. Its bytes stay usable, but newcomers will not find them; whoever opens
    /// [`TopicFile::path`] again meets them in a new file.
    ///
    /// # Errors
    /// [`FileError::Truncated`] if the file has become shorter. Whoever touches the bytes that are gone is killed by
    /// `SIGBUS`, so this comes in time only where somebody asks before that happens. [`FileError::Os`] if the system does
    /// not tell.
    pub fn is_removed(&self) -> Result<bool, FileError> {
        let stat = fstat(&self.fd).map_err(|errno| FileError::os(&self.path, "look at", errno))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size < self.size {
            return Err(FileError::Truncated { path: self.path.clone(), size, expected: self.size });
        }
        Ok(stat.st_nlink == 0)
    }

    /// Whether these bytes are there to be read: at least half of them, or all but 64 KiB. Of a sparse file, which costs
    /// its maker nothing, the rest may be holes. `filled` is what earlier calls have found out about this file.
    pub fn is_there(&self, range: Range<u64>, filled: &mut Filled) -> bool {
        filled.is_there(&self.fd, range)
    }

    /// Checks and maps an open file.
    pub(super) fn map(
        kind: Kind,
        fd: OwnedFd,
        path: &Path,
        access: Mode,
        created: bool,
    ) -> Result<(Self, RawMem<Mapping>), FileError> {
        let stat = fstat(&fd).map_err(|errno| FileError::os(path, "look at", errno))?;
        check_type(path, &stat)?;
        check_pages(path, &fd)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        kind.check_size(path, size)?;
        let fd = Arc::new(fd);
        let refused = |error| FileError::map(path, size, error);
        let mapping = Mapping::new(&fd, kind.mapped(size), access != Mode::ReadOnly).map_err(refused)?;
        holes::check(kind, &fd, &mapping, &stat, path)?;
        let mem = mapping.into_mem().map_err(refused)?;
        let opened = Opened { fd: &fd, path, mark: kind.pid_namespace() };
        opened.claim(access, &mem, kind == Kind::Deadman || is_topic(&mem))?;
        let identity = (stat.st_dev, stat.st_ino);
        Ok((TopicFile { fd, path: path.into(), size, identity, access, created }, mem))
    }
}

impl AsFd for TopicFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The file that is there; `None` if there is none.
pub(super) fn open_existing(
    kind: Kind,
    path: &Path,
    access: Mode,
) -> Result<Option<(TopicFile, RawMem<Mapping>)>, FileError> {
    let flags = if access == Mode::ReadOnly { OFlags::RDONLY } else { OFlags::RDWR };
    // NONBLOCK: without it, opening a FIFO waits for somebody at its other end. Regular files don't care.
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match Way::to(path).and_then(|way| way.open(flags)) {
        Ok(Some(fd)) => TopicFile::map(kind, fd, path, access, false).map(Some),
        Ok(None) => Ok(None),
        Err(Obstacle::Known(error)) => Err(error),
        Err(Obstacle::Refused(_, errno)) => Err(refusal(path, access, errno)),
    }
}

fn refusal(path: &Path, access: Mode, errno: Errno) -> FileError {
    match errno {
        Errno::ISDIR => FileError::NotAFile { path: path.into(), what: "a directory" },
        Errno::NXIO => FileError::NotAFile { path: path.into(), what: "a socket, or a device without driver" },
        Errno::ACCESS | Errno::PERM | Errno::ROFS => FileError::no_access(path, access, errno),
        _ => FileError::os(path, "open", errno),
    }
}

/// Refuses what lies on a filesystem of huge pages: sizes there are multiples of 2 MiB or more, which no deadman has, and
/// files cannot be written.
pub(super) fn check_pages(path: &Path, fd: &impl AsFd) -> Result<(), FileError> {
    const HUGETLBFS: u64 = 0x9584_58F6;
    match fstatfs(fd) {
        // As many bits as the number has; the rest is its sign.
        Ok(filesystem) if filesystem.f_type as u64 & 0xFFFF_FFFF == HUGETLBFS => {
            Err(FileError::HugePages { path: path.into() })
        }
        _ => Ok(()),
    }
}

fn check_type(path: &Path, stat: &Stat) -> Result<(), FileError> {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a directory",
        FileType::Fifo => "a FIFO",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    };
    Err(FileError::NotAFile { path: path.into(), what })
}

//! Topic files: opened, or created so that nobody ever sees a half-made one.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use a0_core::{RawMem, is_topic};
use rustix::fs::{FileType, OFlags, Stat, fstat, fstatfs};
use rustix::io::Errno;

use error::FileError;
use holes::Filled;
use kind::Kind;
use mapping::Mapping;
use namespace::Opened;
use way::{Obstacle, Way};

mod cgroup;
pub(crate) mod create;
mod directory;
pub(crate) mod error;
pub(crate) mod holes;
pub(crate) mod kind;
pub(crate) mod mapping;
pub(crate) mod marks;
pub(crate) mod namespace;
mod ofd;
pub(crate) mod remove;
mod way;

/// What a program wants to do with a topic, and beside whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Read and write beside others: the file is mapped writable, and everybody locks and notifies.
    #[default]
    Shared,
    /// Read and write alone: mapped as for [`Mode::Shared`], but while it is open nobody else can open the file to write, not
    /// this process either, and it cannot be opened so while others have it: [`FileError::Exclusive`],
    /// [`FileError::NotAlone`]. So notifications are left out, and locks but for one between the threads that share the open
    /// file.
    ///
    /// A child process made by `fork` must leave it alone. AlephZero 0.3 does not ask whether somebody has a file for itself.
    Exclusive,
    /// Only read, beside others: the file is opened and mapped without the right to write, and is never created.
    ///
    /// Unlike AlephZero 0.3, where stores go to a private copy, no store is possible at all, and what others write
    /// always becomes visible.
    ReadOnly,
}

/// How to open a topic file, and how to create it if it is missing.
///
/// An existing file keeps its size and its permissions whatever is said here.
///
/// ```
/// let options = a0_linux::FileOptions::default().size(1 << 20).mode(0o600);
/// assert_eq!((options.size, options.mode), (1 << 20, 0o600));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileOptions {
    /// Bytes of a new file, header included: 16 MiB.
    pub size: u64,
    /// Permissions of a new file, exactly, whatever the umask: 0666.
    pub mode: u32,
    /// Permissions of new directories, exactly, whatever the umask: 0777. Those in which the group or others may write
    /// also get the sticky bit, so that nobody can remove or replace what belongs to others.
    pub dir_mode: u32,
    /// What to do with the topic: [`Mode::Shared`].
    pub access: Mode,
    /// Whether a new file takes all its space at once (yes), so that a full filesystem is an error on creation.
    ///
    /// Without that, a file takes space when it is first written to, as with AlephZero 0.3: many large topics that are
    /// never filled fit into a small filesystem. But when it is full, whichever program needs another page is killed by
    /// `SIGBUS`, and no library can turn that into an error. Opening looks ahead: where reading what there is would take
    /// another page, and there is none, it fails with [`FileError::NoSpace`].
    pub reserve: bool,
    /// Whether to create a missing file (yes). [`Mode::ReadOnly`] never does.
    pub create: bool,
    /// How long to wait for the lock of a topic, whatever needs it: 10 s. No sound holder needs a fraction of that; what
    /// takes longer is stopped, or hostile, and the error names its thread. As long is tried to open a file that others
    /// keep creating and removing.
    pub lock_timeout: Duration,
    /// Whether what was opened by the name of a topic goes on with the file that has the name now, when somebody has removed
    /// its own (yes), and creates it as it would have then. Publishers, loggers, configurations, clients and deadmen do so;
    /// otherwise, and where only a file was given, they say that it was removed.
    pub reopen: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions {
            size: 16 << 20,
            mode: 0o666,
            dir_mode: 0o777,
            access: Mode::Shared,
            reserve: true,
            create: true,
            lock_timeout: Duration::from_secs(10),
            reopen: true,
        }
    }
}

impl FileOptions {
    /// Sets [`FileOptions::size`].
    #[must_use]
    pub fn size(self, size: u64) -> Self {
        FileOptions { size, ..self }
    }

    /// Sets [`FileOptions::mode`].
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        FileOptions { mode, ..self }
    }

    /// Sets [`FileOptions::dir_mode`].
    #[must_use]
    pub fn dir_mode(self, dir_mode: u32) -> Self {
        FileOptions { dir_mode, ..self }
    }

    /// Sets [`FileOptions::access`].
    #[must_use]
    pub fn access(self, access: Mode) -> Self {
        FileOptions { access, ..self }
    }

    /// Sets [`FileOptions::reserve`].
    #[must_use]
    pub fn reserve(self, reserve: bool) -> Self {
        FileOptions { reserve, ..self }
    }

    /// Sets [`FileOptions::create`].
    #[must_use]
    pub fn create(self, create: bool) -> Self {
        FileOptions { create, ..self }
    }

    /// Sets [`FileOptions::lock_timeout`].
    #[must_use]
    pub fn lock_timeout(self, lock_timeout: Duration) -> Self {
        FileOptions { lock_timeout, ..self }
    }

    /// Sets [`FileOptions::reopen`].
    #[must_use]
    pub fn reopen(self, reopen: bool) -> Self {
        FileOptions { reopen, ..self }
    }
}

/// An open topic file. Its bytes are a value of their own, for a [`a0_core::Transport`] to own, and stay mapped when
/// this one is dropped.
#[derive(Debug)]
pub struct TopicFile {
    fd: Arc<OwnedFd>,
    path: PathBuf,
    size: u64,
    identity: (u64, u64),
    access: Mode,
    created: bool,
}

impl TopicFile {
    /// Opens the file at `path` and maps it, creating it if `options` say so.
    ///
    /// A new file appears under its name with its full size, its permissions, and nothing in it but zeros and the mark
    /// described below. Of several programs that create it at once one succeeds, and all of them get the same file. A
    /// program that is killed while it creates one leaves nothing behind, if the filesystem has files without a name
    /// (tmpfs and ext4 do); otherwise perhaps a file with a name for which [`is_temporary`](crate::is_temporary) is true.
    ///
    /// The lock of a topic holds thread ids, which mean something else in another PID namespace, such as that of a
    /// container. So whoever opens a topic with [`Mode::Shared`] marks it with its own namespace, and nobody from
    /// another one can open it so until the last of them has closed it or died; then the next one changes the mark.
    /// AlephZero 0.3 knows nothing of it. Where `/proc` is not mounted, a program cannot tell where it is, and neither marks
    /// nor is refused. A file that is just converted from version 0.2 gets its mark when it is opened the next time.
    ///
    /// # Errors
    /// Every [`FileError`]. If creating failed, nothing is left behind but directories.
    pub fn open(path: &Path, options: &FileOptions) -> Result<(TopicFile, RawMem<Mapping>), FileError> {
        TopicFile::open_as(Kind::Topic, path, options)
    }

    /// The same for a file of this kind.
    pub(crate) fn open_as(
        kind: Kind,
        path: &Path,
        options: &FileOptions,
    ) -> Result<(TopicFile, RawMem<Mapping>), FileError> {
        let mut since = None;
        loop {
            if let Some(existing) = open_existing(kind, path, options.access)? {
                return Ok(existing);
            }
            if options.access == Mode::ReadOnly || !options.create {
                return Err(FileError::NotFound { path: path.into() });
            }
            if let Some(created) = create::create(kind, path, options)? {
                return Ok(created);
            }
            // Others create and remove it meanwhile: once more, but not for ever.
            if since.get_or_insert_with(Instant::now).elapsed() > options.lock_timeout {
                return Err(FileError::InUse { path: path.into() });
            }
            yield_now();
        }
    }

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
    fn map(
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
fn open_existing(kind: Kind, path: &Path, access: Mode) -> Result<Option<(TopicFile, RawMem<Mapping>)>, FileError> {
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
fn check_pages(path: &Path, fd: &impl AsFd) -> Result<(), FileError> {
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

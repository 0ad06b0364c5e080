//! What can go wrong with a file, why, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use a0_core::layout::WORKSPACE;
use rustix::io::Errno;
use thiserror::Error;

use crate::file::options::Mode;

/// Why a topic file could not be opened, created or removed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// No such file, and none was to be created.
    #[error("{} does not exist: check the name and A0_ROOT, or start the program that creates it", .path.display())]
    NotFound {
        /// The missing file.
        path: PathBuf,
    },
    /// The path is a symbolic link whose target is missing.
    #[error("{} is a symbolic link to a missing file: create that file, or remove the link", .path.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
    },
    /// A symbolic link that another user has made. Whoever follows it would write to a file of that user's choice.
    #[error(
        "{} is a symbolic link of user {owner}, and only those of root and of one's own are followed: use the path it \
         leads to, have its owner changed (chown -h), or remove it",
        .path.display()
    )]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// The number of the user who owns it.
        owner: u32,
    },
    /// This user may not do that.
    #[error("no permission to {what} {} ({cause}): {remedy}", .path.display())]
    PermissionDenied {
        /// The file or directory.
        path: PathBuf,
        /// What was refused.
        what: &'static str,
        /// What would help.
        remedy: &'static str,
        /// The refusal.
        cause: io::Error,
    },
    /// Too short to be a topic.
    #[error(
        "{} is too small for a topic: {size} bytes, where the header alone has {WORKSPACE}; remove the file if no \
         program uses it, or ask for a larger size",
        .path.display()
    )]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// Bytes there are, or were asked for.
        size: u64,
    },
    /// Somebody has shortened the file while it was open.
    #[error(
        "{} was truncated to {size} of {expected} bytes while it was open: remove it, and start everybody who uses it \
         again; to empty a topic use 'a0 clear'",
        .path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that are left.
        size: u64,
        /// Bytes that there were.
        expected: u64,
    },
    /// Neither of the two sizes that a deadman can have.
    #[error(
        "{} is no deadman: it has {size} bytes, where a deadman has 32 (AlephZero 0.3.15) or 72 (the Python package); \
         remove the file if no program uses it, or use another name",
        .path.display()
    )]
    NotADeadman {
        /// The file.
        path: PathBuf,
        /// Bytes there are.
        size: u64,
    },
    /// Larger than the filesystem or the address space permits.
    #[error(
        "{} cannot be created or mapped with {size} bytes ({cause}): choose a smaller size, or raise the limit on \
         memory (ulimit -v, ulimit -f)",
        .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes there are, or were asked for.
        size: u64,
        /// What the system said.
        cause: io::Error,
    },
    /// Something that has no bytes to map.
    #[error("{} cannot be a topic, it is {what}: use another name, or remove it", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Something that should contain the file, but is no directory.
    #[error("{} is in the way, since it is no directory: use another name, or remove it", .path.display())]
    NotADirectory {
        /// The part of the path that is no directory.
        path: PathBuf,
    },
    /// The filesystem is full.
    #[error(
        "no space for {}: it needs {needed} bytes{}; choose a smaller size, remove unused topics, or enlarge the \
         filesystem (mount -o remount,size=…, docker run --shm-size=…)",
        .path.display(),
        Available(*.available)
    )]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Bytes that the file takes.
        needed: u64,
        /// Bytes that were free, if that was known to be too little.
        available: Option<u64>,
    },
    /// The memory that this program may use is taken.
    #[error(
        "no memory for {}: it needs {needed} bytes, and the limit of the control group {} leaves {available}; choose a \
         smaller size, remove unused topics, or raise the limit (docker run --memory=…, MemoryMax=…)",
        .path.display(),
        .group.display()
    )]
    MemoryLimit {
        /// The file.
        path: PathBuf,
        /// Bytes that the file takes.
        needed: u64,
        /// Bytes that are left.
        available: u64,
        /// The control group that has the limit.
        group: PathBuf,
    },
    /// The filesystem is one of huge pages.
    #[error(
        "{} lies on a hugetlbfs, which has no room for small files: keep topics on a tmpfs, such as /dev/shm (which can \
         use huge pages, too: mount -o huge=…)",
        .path.display()
    )]
    HugePages {
        /// The file.
        path: PathBuf,
    },
    /// The filesystem cannot give a finished file its name.
    #[error("the filesystem of {} has no hard links: keep topics on a tmpfs, such as /dev/shm", .path.display())]
    NoHardLinks {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Other programs kept creating and removing it.
    #[error("{} keeps appearing and disappearing: stop the program that removes it", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Programs in another PID namespace, such as another container, use it. The kernel would take the threads that they
    /// have noted in the lock, or in the deadman, for others.
    #[error(
        "{} is in use by programs of PID namespace {theirs}, and this one is in {ours}, where their thread ids mean \
         nothing: run both in one (docker run --pid=host or --pid=container:NAME), end those programs, or open it \
         read-only",
        .path.display()
    )]
    OtherPidNamespace {
        /// The file.
        path: PathBuf,
        /// Number of their namespace, as in `/proc/PID/ns/pid`.
        theirs: u32,
        /// Number of the caller's namespace.
        ours: u32,
    },
    /// Somebody has it open for itself alone, with [`Mode::Exclusive`].
    #[error(
        "{} is open for one alone (Mode::Exclusive), or somebody who may write to it keeps it locked (F_OFD_SETLK): use what \
         is open, end the program that has it, or open it read-only",
        .path.display()
    )]
    Exclusive {
        /// The file.
        path: PathBuf,
    },
    /// It was to be opened with [`Mode::Exclusive`], but others have it open to write, or this program has already.
    #[error(
        "{} cannot be opened for one alone (Mode::Exclusive), since it is open, in this program or another: close it there, \
         or open it with Mode::Shared",
        .path.display()
    )]
    NotAlone {
        /// The file.
        path: PathBuf,
    },
    /// [`Mode::Exclusive`] needs what this filesystem does not have.
    #[error(
        "the filesystem of {} has no locks on files (F_OFD_SETLK), which Mode::Exclusive needs ({cause}): keep topics on a \
         tmpfs, such as /dev/shm, or open it with Mode::Shared",
        .path.display()
    )]
    NoFileLocks {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// This process, or this machine, has too many files open.
    #[error("too many open files to open {} ({cause}): close some, or raise the limit (ulimit -n)", .path.display())]
    TooManyFiles {
        /// The file.
        path: PathBuf,
        /// Which limit it was.
        cause: io::Error,
    },
    /// Anything else that the system refused.
    #[error("cannot {what} {}: {cause}", .path.display())]
    Os {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

impl FileError {
    /// The file or directory that it is about.
    pub fn path(&self) -> &Path {
        match self {
            FileError::NotFound { path }
            | FileError::DanglingLink { path }
            | FileError::ForeignLink { path, .. }
            | FileError::MemoryLimit { path, .. }
            | FileError::HugePages { path }
            | FileError::PermissionDenied { path, .. }
            | FileError::TooSmall { path, .. }
            | FileError::Truncated { path, .. }
            | FileError::NotADeadman { path, .. }
            | FileError::TooLarge { path, .. }
            | FileError::NotAFile { path, .. }
            | FileError::NotADirectory { path }
            | FileError::NoSpace { path, .. }
            | FileError::NoHardLinks { path, .. }
            | FileError::InUse { path }
            | FileError::OtherPidNamespace { path, .. }
            | FileError::Exclusive { path }
            | FileError::NotAlone { path }
            | FileError::NoFileLocks { path, .. }
            | FileError::TooManyFiles { path, .. }
            | FileError::Os { path, .. } => path,
        }
    }

    /// The system's error number, or the one that comes closest.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            FileError::NotFound { .. } | FileError::DanglingLink { .. } => Errno::NOENT,
            FileError::TooSmall { .. } | FileError::Truncated { .. } | FileError::NotADeadman { .. } => Errno::INVAL,
            FileError::NotAFile { what: "a directory", .. } => Errno::ISDIR,
            FileError::NotAFile { .. } => Errno::INVAL,
            FileError::NotADirectory { .. } => Errno::NOTDIR,
            FileError::NoSpace { .. } => Errno::NOSPC,
            FileError::MemoryLimit { .. } => Errno::NOMEM,
            FileError::HugePages { .. } => Errno::OPNOTSUPP,
            FileError::ForeignLink { .. } => Errno::ACCESS,
            FileError::InUse { .. }
            | FileError::OtherPidNamespace { .. }
            | FileError::Exclusive { .. }
            | FileError::NotAlone { .. } => Errno::BUSY,
            FileError::PermissionDenied { cause, .. }
            | FileError::TooLarge { cause, .. }
            | FileError::NoHardLinks { cause, .. }
            | FileError::NoFileLocks { cause, .. }
            | FileError::TooManyFiles { cause, .. }
            | FileError::Os { cause, .. } => Errno::from_io_error(cause).unwrap_or(Errno::IO),
        };
        errno.raw_os_error()
    }

    /// A failure of no special kind, or of one that is the same whatever was tried.
    pub(super) fn os(path: &Path, what: &'static str, error: impl Into<io::Error>) -> Self {
        let (path, cause) = (path.into(), error.into());
        match Errno::from_io_error(&cause) {
            Some(Errno::MFILE | Errno::NFILE) => FileError::TooManyFiles { path, cause },
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
                let remedy = "change the owner or the permissions of the directory, or run as another user";
                FileError::PermissionDenied { path, what, remedy, cause }
            }
            _ => FileError::Os { path, what, cause },
        }
    }

    pub(super) fn no_access(path: &Path, access: Mode, errno: Errno) -> Self {
        let (what, remedy) = match access {
            Mode::ReadOnly => ("read", "let this user read it (chmod o+r) and enter its directories (chmod o+x)"),
            Mode::Shared | Mode::Exclusive => {
                ("write", "open it read-only, or let this user write it (chmod o+rw) and enter its directories")
            }
        };
        FileError::PermissionDenied { path: path.into(), what, remedy, cause: errno.into() }
    }

    pub(super) fn map(path: &Path, size: u64, cause: io::Error) -> Self {
        match Errno::from_io_error(&cause) {
            Some(Errno::NOMEM | Errno::OVERFLOW) => FileError::TooLarge { path: path.into(), size, cause },
            _ => FileError::os(path, "map", cause),
        }
    }
}

/// What is said about the space left, if it is known.
struct Available(Option<u64>);

impl std::fmt::Display for Available {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, ", and {bytes} are free"),
            None => f.write_str(" and a directory entry"),
        }
    }
}

//! How a file is to be opened, and created.

use std::time::Duration;

#[cfg(doc)]
use crate::file::error::FileError;

/// What a program wants to do with a topic, and beside whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever has to do with files must know of every way to open them")]
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

//! Topic files: opened, or created so that nobody ever sees a half-made one.

use std::path::Path;
use std::thread::yield_now;
use std::time::Instant;

use a0_core::RawMem;

use error::FileError;
use kind::Kind;
use mapping::Mapping;
use opened::{TopicFile, open_existing};
use options::{FileOptions, Mode};

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
pub(crate) mod opened;
pub(crate) mod options;
pub(crate) mod remove;
mod way;

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
}

//! AlephZero on Linux: topic files in shared memory, and the clocks.
//!
//! ```
//! use a0_core::{Transport, Unshared};
//! use a0_linux::{FileOptions, Mode, TopicFile};
//!
//! let dir = tempfile::tempdir()?;
//! let options = FileOptions::default().size(64 * 1024).access(Mode::Exclusive);
//! let (file, mem) = TopicFile::open(&dir.path().join("cam/front.pubsub.a0"), &options)?;
//! assert!(file.created());
//!
//! let topic = Transport::open(mem, Unshared)?;
//! topic.lock(None)?.push(b"ready")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod file;

pub use clock::SystemClock;
pub use file::error::FileError;
pub use file::mapping::Mapping;
pub use file::remove::{remove, remove_all};
pub use file::{FileOptions, Mode, TopicFile};

//! AlephZero on Linux: what [`a0_core`] needs from an operating system.
//!
//! * [`TopicFile`] opens and creates topic files in shared memory.
//! * [`RobustLock`] is the topic lock. It survives the death of its holder at any instruction, is shared with 0.3
//!   programs, and costs no system call when nobody else wants it. [`AccessLock`] is the lock that goes with the way a
//!   file was opened; [`in_place`] gives references to what is locked.
//! * [`DeadmanFile`] is what says whether a thread still lives.
//! * [`wait_any`] sleeps on many topics at once.
//! * [`PerProcess`] is for what a forked child must not inherit, [`Latest`] for what is replaced while others use it.
//! * [`SystemClock`], [`thread_id`] and [`random_seed`] are the rest.
//!
//! ```
//! use a0_core::Transport;
//! use a0_linux::{FileOptions, RobustLock, TopicFile};
//!
//! let dir = tempfile::tempdir_in("/dev/shm")?;
//! let options = FileOptions::default().size(64 * 1024);
//! let (file, mem) = TopicFile::open(&dir.path().join("cam/front.pubsub.a0"), &options)?;
//! assert!(file.created());
//!
//! let topic = Transport::open(mem, RobustLock)?;
//! topic.lock(None)?.push(b"ready")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What its safety rests on
//!
//! As in [`a0_core`], safe code makes no reference to the bytes of a topic, so nobody who writes to the file can do harm to a
//! program's memory. References are made in [`in_place`], whose functions are unsafe and say what they ask for: that who may
//! write to the file keeps to the protocol, this process included. Beyond that:
//!
//! * A mapping lives as long as the [`Mapping`] that owns it, and longer if the kernel may still look at a lock in it.
//! * The kernel looks at the robust list of a thread when that ends, and hands on the locks in it; an owner that it does not
//!   know is dead, in the PID namespace that the file is marked with.
//! * Locks of open file descriptions (`F_OFD_SETLK`) hold as long as a file is open. They keep out a second PID namespace, and
//!   whoever else wants what is open with [`Mode::Exclusive`]. On a filesystem without them there is no such mode.
//! * A file that is truncated ends those who touch what is gone with `SIGBUS`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod clock;
mod deadman;
mod file;
mod futex;
pub mod in_place;
mod latest;
mod lock;
mod pi_mutex;
mod process;
mod random;
mod robust_list;
mod wait_any;

pub use a0_core;
pub use clock::{SystemClock, WallFromMono};
pub use deadman::DeadmanFile;
pub use deadman::hold::DeadmanHold;
pub use deadman::layout::DeadmanLayout;
pub use deadman::sight::{DeadmanSight, Until};
pub use file::create::is_temporary;
pub use file::error::FileError;
pub use file::holes::Filled;
pub use file::mapping::Mapping;
pub use file::marks::Mark;
pub use file::opened::TopicFile;
pub use file::options::{FileOptions, Mode};
pub use file::remove::{remove, remove_all};
pub use latest::Latest;
pub use lock::{AccessLock, LocalLock, RobustLock};
pub use process::PerProcess;
pub use random::random_seed;
pub use robust_list::{fork_count, id as thread_id};
pub use wait_any::{MAX_WORDS, wait_any};

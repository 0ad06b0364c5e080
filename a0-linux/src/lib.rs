//! AlephZero on Linux: what [`a0_core`] needs from an operating system.
//!
//! * [`RobustLock`]: the topic lock. Survives the death of its holder at any instruction, shares topics with 0.3 programs,
//!   and costs no system call when nobody else wants it.
//! * [`AccessLock`]: the same, or no lock at all, as a file was opened.

mod lock;
mod thread;

pub use lock::{AccessLock, RobustLock};
pub use thread::id as thread_id;

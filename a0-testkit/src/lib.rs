//! What the tests of AlephZero stand on; never part of a program.
//!
//! The protocol of `a0-core` is written against two traits, so it runs over memories and locks that were made for
//! testing it:
//!
//! * [`StoreLog`] remembers every store, and replays each prefix of them as the memory after a crash.
//! * [`Tamper`] takes one [`Guard`] out of the protocol. A test that still passes then tests nothing.
//! * [`CrashLock`] says that the last owner died.
//! * [`OldWriter`] does what programs with a core older than 0.3.15 do, store by store.
//! * [`run_history`] compares a topic with the [`Model`] step by step.
//! * [`Model`] says what a topic holds, in the plainest words.
//!
//! And for tests of whole programs:
//!
//! * [`actor`] runs the test program once more, as another process that can be killed.
//! * [`private_root`] gives each test program a directory for its topics, and each test a topic.
//! * [`bare()`] opens the memory of a topic, to lock, walk and damage it; [`until()`] waits for what others do.
pub mod actor;
mod bare;
mod crash_lock;
mod guard;
pub mod history;
mod model;
mod old_writer;
pub mod private_root;
mod store_log;
mod tamper;
mod until;
mod view;

pub use bare::{Bare, bare};
pub use crash_lock::CrashLock;
pub use guard::Guard;
pub use history::{Place, Step, run_history};
pub use model::{Model, Placed};
pub use old_writer::{OldStore, OldWriter};
pub use store_log::StoreLog;
pub use tamper::Tamper;
pub use until::until;
pub use view::{Message, Violation, read_all, walk};

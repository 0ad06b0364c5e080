//! What the tests of AlephZero stand on; never part of a program.
//!
//! The protocol of `a0-core` is written against two traits, so it runs over memories and locks that were made for
//! testing it:
//!
//! * [`StoreLog`] remembers every store, and replays each prefix of them as the memory after a crash.
//! * [`LoomMem`] is made of loom's atomics, so that loom tries every schedule and every value a load may give.
//! * [`Tamper`] takes one guard out of the protocol. A test that still passes then tests nothing.
//! * [`CrashLock`] says that the last owner died; [`SimLock`] is a futex in loom's terms.
//! * [`run_history`] compares a topic with the [`Model`] step by step.
//! * [`Model`] says what a topic holds, in the plainest words.
pub mod history;
mod loom_mem;
mod model;
mod sim_lock;
mod store_log;
mod tamper;
mod view;

pub use history::{Place, Step, run_history};
pub use loom_mem::LoomMem;
pub use model::{Model, Placed};
pub use sim_lock::{CrashLock, SimLock};
pub use store_log::StoreLog;
pub use tamper::{Guard, Tamper};
pub use view::{Message, Violation, read_all, walk};

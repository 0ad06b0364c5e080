//! Calling what users have given.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls back. A panic ends only this call: the hook has reported it, and the next message is not to suffer for it.
pub(crate) fn call(callback: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(callback)));
}

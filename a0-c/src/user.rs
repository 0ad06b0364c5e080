//! What callbacks get from those who have registered them.
#![allow(unsafe_code)]

use std::ffi::c_void;

use crate::error::{Result, argument};

/// Frees what a callback uses. Called exactly once, after the last call of the callback, by whatever thread; also if
/// the function that was given the callback fails.
pub type a0rs_free = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// A user's pointer, and how it is freed.
pub(crate) struct User {
    pointer: *mut c_void,
    free: a0rs_free,
}

// SAFETY: whoever registers a callback promises that another thread may call it with this pointer, and free it.
unsafe impl Send for User {}
// SAFETY: sharing it only gives away copies of the pointer.
unsafe impl Sync for User {}

impl User {
    pub(crate) fn new(pointer: *mut c_void, free: a0rs_free) -> User {
        User { pointer, free }
    }

    pub(crate) fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: once, and nobody is called back any more.
            unsafe { free(self.pointer) };
        }
    }
}

/// A callback that must be there.
pub(crate) fn callback<F>(callback: Option<F>) -> Result<F> {
    callback.ok_or_else(|| argument("callback", "it is null"))
}

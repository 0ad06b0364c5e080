//! Values that each process has for itself.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::robust_list::fork_count;

/// A value that begins anew in a forked child: what its parent has made of it may be locked there by a thread that the
/// child has not got. Getting it never waits.
///
/// ```
/// use a0_linux::PerProcess;
/// use std::sync::Mutex;
///
/// static NAMES: PerProcess<Mutex<Vec<String>>> = PerProcess::new();
/// NAMES.get().lock().unwrap().push("mine".to_owned());
/// assert_eq!(NAMES.get().lock().unwrap().len(), 1);
/// ```
pub struct PerProcess<T> {
    /// Null before it was asked for.
    current: AtomicPtr<Of<T>>,
}

struct Of<T> {
    forks: u32,
    value: T,
}

impl<T> PerProcess<T> {
    /// Nothing yet.
    pub const fn new() -> PerProcess<T> {
        PerProcess { current: AtomicPtr::new(null_mut()) }
    }

    fn found(&self, current: *mut Of<T>) -> Option<&T> {
        // SAFETY: null, or from a box that is only freed when this is dropped.
        let of = unsafe { current.as_ref() };
        of.filter(|of| of.forks == fork_count()).map(|of| &of.value)
    }
}

impl<T: Default> PerProcess<T> {
    /// That of this process.
    pub fn get(&self) -> &T {
        let mut current = self.current.load(Ordering::Acquire);
        loop {
            if let Some(value) = self.found(current) {
                return value;
            }
            let new = Box::into_raw(Box::new(Of { forks: fork_count(), value: T::default() }));
            match self.current.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire) {
                // The parent's is not dropped: it may be in use by threads that are not here.
                Ok(_) => current = new,
                Err(other) => {
                    current = other;
                    // SAFETY: from the box above, which nobody else has seen.
                    drop(unsafe { Box::from_raw(new) });
                }
            }
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> PerProcess<T> {
        PerProcess::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PerProcess").field(&self.found(self.current.load(Ordering::Acquire))).finish()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let current = *self.current.get_mut();
        if self.found(current).is_some() {
            // SAFETY: from a box, which nobody can reach any more.
            drop(unsafe { Box::from_raw(current) });
        }
    }
}

// SAFETY: it owns a `T`, and hands out references to it.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for PerProcess<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn all_threads_have_the_same_and_it_is_dropped_once() {
        let kept: PerProcess<Arc<AtomicU32>> = PerProcess::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| kept.get().fetch_add(1, Ordering::Relaxed));
            }
        });
        let value = Arc::clone(kept.get());
        assert_eq!((value.load(Ordering::Relaxed), Arc::strong_count(&value)), (8, 2));
        drop(kept);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}

//! A value that is replaced now and then, beside those who use it.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A value, and what has taken its place since. All of them are kept, as somebody may still be using them, so there is a
/// limit. Getting the newest one takes no lock, and no more than a look while it is the first one.
///
/// ```
/// use a0_linux::Latest;
///
/// let name = Latest::new("first");
/// let before = name.get();
/// assert_eq!(name.replace(before, "second"), Some(&"second"));
/// // Somebody else was faster.
/// assert_eq!(name.replace(before, "third"), Some(&"second"));
/// assert_eq!((*before, *name.get()), ("first", "second"));
/// ```
pub struct Latest<T> {
    first: T,
    /// Null while that is the newest.
    newest: AtomicPtr<Successor<T>>,
}

struct Successor<T> {
    value: T,
    number: usize,
    before: *mut Successor<T>,
}

impl<T> Latest<T> {
    /// So often it can be replaced.
    pub const MOST: usize = 16;

    /// Begins with this one.
    pub const fn new(first: T) -> Latest<T> {
        Latest { first, newest: AtomicPtr::new(null_mut()) }
    }

    /// The newest one.
    #[inline(always)]
    pub fn get(&self) -> &T {
        match self.successor(self.newest.load(Ordering::Acquire)) {
            None => &self.first,
            Some(successor) => &successor.value,
        }
    }

    fn successor(&self, newest: *mut Successor<T>) -> Option<&Successor<T>> {
        // SAFETY: null, or from a box that is freed only when this is dropped.
        unsafe { newest.as_ref() }
    }

    /// Makes `new` the newest if `before` is, and gives the newest; `None` if that was done too often.
    pub fn replace(&self, before: &T, new: T) -> Option<&T> {
        let newest = self.newest.load(Ordering::Acquire);
        let (seen, number) =
            self.successor(newest).map_or((&self.first, 0), |successor| (&successor.value, successor.number));
        if !std::ptr::eq(seen, before) {
            return Some(seen);
        }
        if number == Latest::<T>::MOST {
            return None;
        }
        let new = Box::into_raw(Box::new(Successor { value: new, number: number + 1, before: newest }));
        if self.newest.compare_exchange(newest, new, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            // SAFETY: from the box above, which nobody else has seen.
            drop(unsafe { Box::from_raw(new) });
        }
        Some(self.get())
    }
}

impl<T: fmt::Debug> fmt::Debug for Latest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T> Drop for Latest<T> {
    fn drop(&mut self) {
        let mut newest = *self.newest.get_mut();
        while !newest.is_null() {
            // SAFETY: from a box, which nobody can reach any more.
            let successor = unsafe { Box::from_raw(newest) };
            newest = successor.before;
        }
    }
}

// SAFETY: it owns `T`s, and hands out references to them.
unsafe impl<T: Send + Sync> Sync for Latest<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Latest<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn all_are_kept_up_to_a_limit_and_dropped_once() {
        let counted = Arc::new(());
        let latest = Latest::new((0, Arc::clone(&counted)));
        let first = latest.get();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let before = latest.get();
                        if latest.replace(before, (before.0 + 1, Arc::clone(&counted))).is_none() {
                            break;
                        }
                    }
                });
            }
        });
        assert_eq!((first.0, latest.get().0), (0, Latest::<()>::MOST));
        assert_eq!(Arc::strong_count(&counted), 2 + Latest::<()>::MOST);
        drop(latest);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}

//! Numbers that those who have a file open leave with it, for others to find, until they close it or die.
//!
//! Each is a lock on one byte far behind the end of any file. The system keeps it, so there is nothing to be cleaned up.
//! Others' marks do no harm to one's own. Whoever may read the file can leave them.

use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::file::ofd::{self, How};
use crate::file::opened::TopicFile;
use crate::robust_list::fork_count;

/// The byte that stands for 0.
const FIRST: u64 = 1 << 62;
/// The greatest number.
const LAST: u64 = FIRST - 2;

/// A number that is left with a file until this is dropped. A forked child keeps it, too, as it keeps the file; what the child
/// drops is not taken from its parent.
#[derive(Debug)]
#[must_use = "dropped, it is gone"]
pub struct Mark {
    fd: Arc<OwnedFd>,
    byte: u64,
    /// In which process.
    forks: u32,
}

impl TopicFile {
    /// Leaves a number with the file; of those beyond 2⁶² - 2, that one. `None` where the system has no such locks.
    pub fn mark(&self, number: u64) -> Option<Mark> {
        let byte = FIRST + number.min(LAST);
        let set = ofd::set(&self.fd, byte, 1, How::Shared);
        set.is_ok_and(|set| set).then(|| Mark { fd: Arc::clone(&self.fd), byte, forks: fork_count() })
    }

    /// Whether anybody has left one of these numbers who has opened the file by himself: one's own do not count.
    pub fn has_mark(&self, numbers: RangeInclusive<u64>) -> bool {
        let (first, last) = ((*numbers.start()).min(LAST), (*numbers.end()).min(LAST));
        first <= last && ofd::is_locked(&self.fd, FIRST + first, last - first + 1)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // The lock of a parent is the same one.
        if self.forks == fork_count() {
            // It fails if the system has forgotten the lock.
            let _ = ofd::set(&self.fd, self.byte, 1, How::Not);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::FileOptions;
    use crate::file::opened::TopicFile;

    #[test]
    fn marks_are_seen_by_others_until_they_are_dropped_or_the_file_is_closed() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let open = || TopicFile::open(&dir.path().join("topic"), &FileOptions::default().size(4096)).unwrap().0;
        let (one, other) = (open(), open());
        let marks = [5, 7, u64::MAX].map(|number| one.mark(number).unwrap());
        assert!(other.has_mark(0..=5) && other.has_mark(6..=7) && other.has_mark(u64::MAX..=u64::MAX));
        assert!(!other.has_mark(0..=4) && !other.has_mark(6..=6) && !other.has_mark(8..=1 << 61));
        assert!(!one.has_mark(0..=u64::MAX));
        let same = other.mark(5);
        assert!(same.is_some() && one.has_mark(5..=5));
        drop(marks);
        assert!(!other.has_mark(0..=u64::MAX));
        drop((same, other));
        assert!(!one.has_mark(0..=u64::MAX));
    }
}

//! A topic without what `a0-std` adds.
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail it")]

use std::sync::Mutex;

use a0_core::{RawMem, Transport};
use a0_linux::{FileOptions, Mapping, RobustLock, TopicFile};
use a0_std::File;

/// A topic over real shared memory.
pub type Bare = Transport<RawMem<Mapping>, RobustLock>;

/// Where a leak check finds them.
static OPEN: Mutex<Vec<&'static Bare>> = Mutex::new(Vec::new());

/// The topic in a file, to be locked, walked and damaged; it stays open, as tests are short.
pub fn bare(file: &File) -> &'static Bare {
    let (_, mem) = TopicFile::open(file.path(), &FileOptions::default()).unwrap();
    let topic = Box::leak(Box::new(Transport::open(mem, RobustLock).unwrap()));
    OPEN.lock().unwrap().push(topic);
    topic
}

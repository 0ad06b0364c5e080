//! A topic without what `a0-std` adds.

use a0_core::{RawMem, Transport};
use a0_linux::{FileOptions, Mapping, RobustLock, TopicFile};
use a0_std::File;

/// The topic in a file, to be locked, walked and damaged; it stays open, as tests are short.
pub(crate) fn bare(file: &File) -> &'static Transport<RawMem<Mapping>, RobustLock> {
    let (_, mem) = TopicFile::open(file.path(), &FileOptions::default()).unwrap();
    Box::leak(Box::new(Transport::open(mem, RobustLock).unwrap()))
}

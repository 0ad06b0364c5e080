//! Pages that a sparse file has not got yet.
//!
//! Memory of a tmpfs is taken by whoever comes first, a reader included, and if there is none left, that one is killed by
//! `SIGBUS`. What programs of AlephZero have written has its pages. But a file that was only just created sparse has no
//! page for its header, and a message may have been allocated without being filled.
//!
//! A hole costs nothing, however large it is. So what a file says about its content is no measure for what a reader may
//! ask memory for, and reading a hole through a mapping fills it.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;

use a0_core::layout::{WORKSPACE, page};
use rustix::fs::{SeekFrom, Stat, fstat, seek};
use rustix::io::{Errno, pread};

use crate::file::error::FileError;
use crate::file::kind::Kind;
use crate::file::mapping::Mapping;

/// What `st_blocks` counts.
const BLOCK: u64 = 512;

/// So much of what a reader takes may be missing in the file, whatever it is.
const FORGIVEN: u64 = 64 << 10;

/// What is known of a file's holes, so that it is seldom asked for. Nothing at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filled {
    /// There is no hole before this offset.
    until: u64,
}

impl Filled {
    /// So many bytes can be read from anywhere without a question.
    pub fn unasked(&self) -> usize {
        if self.until == u64::MAX { usize::MAX } else { FORGIVEN as usize }
    }

    /// Whether at least half of these bytes of the file are there, but for 64 KiB. Whoever asks memory for them does not
    /// ask for much more than others have spent.
    pub(super) fn is_there(&mut self, fd: &OwnedFd, range: Range<u64>) -> bool {
        let len = range.end.saturating_sub(range.start);
        if len <= FORGIVEN || range.end <= self.until {
            return true;
        }
        // A filesystem that does not know has no holes to speak of.
        let Ok(stat) = fstat(fd) else { return true };
        let (size, has) = (stat.st_size.cast_unsigned(), stat.st_blocks.cast_unsigned() * BLOCK);
        // Where all is taken, no hole is left, and space that is only reserved looks like one.
        self.until = if has >= size { u64::MAX } else { next(fd, SeekFrom::Hole(self.until), size) };
        range.end <= self.until || len - present(fd, &range) <= (len / 2).max(FORGIVEN)
    }
}

/// How many of these bytes are no holes.
fn present(fd: &OwnedFd, range: &Range<u64>) -> u64 {
    let (mut at, mut found) = (range.start, 0);
    while at < range.end {
        // Behind the last data there is none: an error.
        let data = next(fd, SeekFrom::Data(at), range.end).min(range.end);
        at = next(fd, SeekFrom::Hole(data), range.end).clamp(data, range.end);
        found += at - data;
    }
    found
}

fn next(fd: &OwnedFd, what: SeekFrom, or: u64) -> u64 {
    seek(fd, what).unwrap_or(or)
}

/// Fails if reading what the file holds takes a page that is not to be had.
///
/// Only the first missing page is tried: where there is one, more are likely, and a file full of holes, which need not be
/// anybody's mistake, shall not take memory that nobody uses.
///
/// # Errors
/// [`FileError::NoSpace`].
pub(super) fn check(kind: Kind, fd: &OwnedFd, mapping: &Mapping, stat: &Stat, path: &Path) -> Result<(), FileError> {
    let (size, has) = (stat.st_size.cast_unsigned(), stat.st_blocks.cast_unsigned() * BLOCK);
    if has >= size {
        return Ok(());
    }
    // A filesystem that does not know has no holes to speak of.
    let hole = next(fd, SeekFrom::Hole(0), size);
    if hole >= used(kind, fd).min(size) {
        return Ok(());
    }
    match mapping.touch(hole) {
        Err(Errno::FAULT | Errno::NOMEM) => {
            Err(FileError::NoSpace { path: path.into(), needed: size - has, available: Some(0) })
        }
        // Linux before 5.14 cannot try it.
        _ => Ok(()),
    }
}

/// The end of what there is to read.
fn used(kind: Kind, fd: &OwnedFd) -> u64 {
    // Read as a file is read, so that no page of it comes into being.
    let mut header = [MaybeUninit::uninit(); WORKSPACE as usize];
    let header = pread(fd, &mut header, 0).map_or(&[][..], |(read, _)| read);
    let word = |at: u64| header.get(at as usize..)?.first_chunk().copied().map(u64::from_le_bytes);
    let ends = [0, 1].map(|index| word(page::high_water_mark(index).offset()).unwrap_or(0));
    match kind {
        Kind::Topic => ends[0].max(ends[1]).max(WORKSPACE),
        Kind::Deadman => WORKSPACE,
    }
}

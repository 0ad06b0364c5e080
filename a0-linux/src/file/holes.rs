//! Pages that a sparse file has not got yet.
//!
//! Memory of a tmpfs is taken by whoever comes first, a reader included, and if there is none left, that one is killed by
//! `SIGBUS`. What programs of AlephZero have written has its pages. But a file that was only just created sparse has no
//! page for its header, and a message may have been allocated without being filled.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use a0_core::layout::{WORKSPACE, page};
use rustix::fs::{SeekFrom, Stat, seek};
use rustix::io::{Errno, pread};

use crate::file::error::FileError;
use crate::file::kind::Kind;
use crate::file::mapping::Mapping;

/// What `st_blocks` counts.
const BLOCK: u64 = 512;

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
    let hole = seek(fd, SeekFrom::Hole(0)).unwrap_or(size);
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

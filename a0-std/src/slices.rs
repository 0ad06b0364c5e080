//! Slices of what lies in a topic, for as long as a closure runs: the only unsafe code of this crate.
//!
//! A slice must not outlive the lock, and the lock ends with its thread, whatever became of the guard: a guard that is leaked
//! on a thread that then ends borrows for ever, and holds nothing. A closure cannot be outlived: while it runs, its thread
//! does, and the guard is borrowed.
#![allow(unsafe_code)]

use std::ops::Range;

use a0_core::{Cursor, Received, Select};
use a0_linux::in_place;

use crate::file::{SharedLoan, SharedLocked};

/// Moves the cursor behind the selected message, and shows its data.
pub(crate) fn look<R>(
    locked: &SharedLocked<'_>,
    cursor: &mut Cursor,
    select: Select,
    look: impl FnOnce(Received, &[u8]) -> R,
) -> Result<Option<R>, a0_core::Error> {
    // SAFETY: the lock is held until the closure returns: this thread runs it, and the guard is borrowed. This crate hands
    // out neither the memory nor the lock of a file, writes to frames only under that lock, and gets it once at a time
    // however often the file is open: see `crate::File`. Other programs keep to the protocol, as this crate's users are told.
    let found = unsafe { in_place::advance(locked, cursor, select) }?;
    Ok(found.map(|(received, data)| look(received, data)))
}

/// Shows part of the data of a loan, to be written.
pub(crate) fn fill<R>(loan: &mut SharedLoan<'_>, range: Range<u64>, fill: impl FnOnce(&mut [u8]) -> R) -> R {
    // SAFETY: as in `look`.
    fill(unsafe { in_place::loaned(loan, range) })
}

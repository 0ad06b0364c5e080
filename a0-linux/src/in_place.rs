//! References to the bytes of a locked topic.
//!
//! They rest on a promise that no type can make: that every program with the right to write to the file keeps to the
//! protocol, and so leaves alone what is locked. The lock sees to the threads of this process. For topics that others may
//! damage on purpose there are the copying accesses, which need no promise.
#![allow(unsafe_code)]

use core::ops::Range;

use a0_core::{Cursor, Error, Loan, Locked, RawMem, Received, Select};

use crate::file::mapping::Mapping;
use crate::lock::AccessLock;

/// Moves the cursor behind the selected message, as [`Locked::advance`] does, and gives its data in place.
///
/// # Errors
/// As [`Locked::advance`].
pub fn advance<'l>(
    locked: &'l Locked<'_, RawMem<Mapping>, AccessLock>,
    cursor: &mut Cursor,
    select: Select,
) -> Result<Option<(Received, &'l [u8])>, Error> {
    let Some(received) = locked.advance(cursor, select)? else { return Ok(None) };
    // SAFETY: the lock is held while the slice lives, and each `AccessLock` that can be held keeps out this process's other
    // threads, and other uses by this thread: they fail. Other programs that keep to the protocol write to a live frame
    // only under the lock.
    let data = unsafe { locked.mem().bytes(received.offset, received.len) };
    Ok(Some((received, data)))
}

/// Part of the data of a frame that is being filled, in place.
///
/// # Panics
/// If the range is not inside the data.
pub fn loaned<'l>(loan: &'l Loan<'_, RawMem<Mapping>, AccessLock>, range: Range<u64>) -> &'l [u8] {
    let (offset, len) = inside(loan, range);
    // SAFETY: as in `advance`, and the frame is this loan's own, which is borrowed.
    unsafe { loan.mem().bytes(offset, len) }
}

/// Part of the data of a frame that is being filled, in place, to be written.
///
/// # Panics
/// If the range is not inside the data.
pub fn loaned_mut<'l>(loan: &'l mut Loan<'_, RawMem<Mapping>, AccessLock>, range: Range<u64>) -> &'l mut [u8] {
    let (offset, len) = inside(loan, range);
    // SAFETY: allocated and not committed, as a commit consumes the loan; the loan holds the lock, as in `advance`; and
    // it is borrowed for as long as the slice lives.
    unsafe { loan.mem().bytes_mut(offset, len) }
}

fn inside(loan: &Loan<'_, RawMem<Mapping>, AccessLock>, range: Range<u64>) -> (u64, usize) {
    assert!(
        range.start <= range.end && range.end <= loan.size(),
        "{range:?} outside the frame's {} bytes",
        loan.size()
    );
    (loan.data() + range.start, (range.end - range.start) as usize)
}

//! References to the bytes of a locked topic.
//!
//! They are sound only as long as nobody else writes there, and no type can say that. Each function here is therefore unsafe,
//! with the same contract; what it asks for has two parts.
//!
//! **Of this process**, while the slice lives:
//! * The lock stays held. The guard is borrowed, but that is not enough: the kernel takes the lock from a thread that ends,
//!   whatever became of its guard, so the slice must be gone before its thread is; and nobody calls
//!   [`Lock::unlock`](a0_core::Lock::unlock) behind the guard's back.
//! * Nobody writes to those bytes in another way: through [`Mem`](a0_core::Mem), through another mapping of the file whose
//!   lock is not that of the first one, or through the file itself.
//!
//! **Of other programs**: all that may write to the file keep to the protocol, and so leave alone what is locked. For topics
//! that others may damage on purpose there are the copying accesses, which need no promise.
#![allow(unsafe_code)]

use core::ops::Range;

use a0_core::{Cursor, Error, Loan, Locked, RawMem, Received, Select};

use crate::file::mapping::Mapping;
use crate::lock::AccessLock;

/// Moves the cursor behind the selected message, as [`Locked::advance`] does, and gives its data in place.
///
/// # Errors
/// As [`Locked::advance`].
///
/// # Safety
/// The contract of [this module](self).
pub unsafe fn advance<'l>(
    locked: &'l Locked<'_, RawMem<Mapping>, AccessLock>,
    cursor: &mut Cursor,
    select: Select,
) -> Result<Option<(Received, &'l [u8])>, Error> {
    let Some(received) = locked.advance(cursor, select)? else { return Ok(None) };
    // SAFETY: the lock is held while the slice lives, and nobody writes to a live frame otherwise, as the caller promises.
    let data = unsafe { locked.mem().bytes(received.offset, received.len) };
    Ok(Some((received, data)))
}

/// Part of the data of a frame that is being filled, in place, to be written.
///
/// # Safety
/// The contract of [this module](self), for reading, too.
///
/// # Panics
/// If the range is not inside the data.
pub unsafe fn loaned<'l>(loan: &'l mut Loan<'_, RawMem<Mapping>, AccessLock>, range: Range<u64>) -> &'l mut [u8] {
    assert!(
        range.start <= range.end && range.end <= loan.size(),
        "{range:?} outside the frame's {} bytes",
        loan.size()
    );
    let (offset, len) = (loan.data() + range.start, (range.end - range.start) as usize);
    // SAFETY: allocated and not committed, as a commit consumes the loan, which is borrowed for as long as the slice lives;
    // the lock is held, and nobody uses the frame otherwise, as the caller promises.
    unsafe { loan.mem().bytes_mut(offset, len) }
}

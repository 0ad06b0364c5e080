//! Locks on a file that belong to whoever has opened it, and end with the last process that has it open by that.
//!
//! Unlike `flock`, the exclusive one can be had only by those who may write to the file.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use a0_core::layout::Field;
use rustix::io::Errno;

/// How to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Beside others that do so, too.
    Shared,
    /// Alone; the file must be open for writing.
    Alone,
    Not,
}

/// Changes the lock on the bytes of a field, in one step: a lock that is changed is held all the time. Does not wait: gives
/// whether it is so now.
///
/// # Errors
/// That the system has no such locks for this file, or cannot make another one.
pub(super) fn lock(fd: &OwnedFd, field: Field<u32>, how: How) -> Result<bool, Errno> {
    set(fd, field.offset(), size_of::<u32>() as u64, how)
}

/// The same for bytes anywhere; there need not be any.
pub(super) fn set(fd: &OwnedFd, start: u64, len: u64, how: How) -> Result<bool, Errno> {
    let range = range(start, len, how);
    loop {
        // SAFETY: the descriptor is open, and the system reads what `range` says.
        let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const range) };
        match std::io::Error::last_os_error() {
            _ if done != -1 => return Ok(true),
            error => match Errno::from_io_error(&error) {
                Some(Errno::AGAIN | Errno::ACCESS) => return Ok(false),
                Some(Errno::INTR) => {}
                other => return Err(other.unwrap_or(Errno::IO)),
            },
        }
    }
}

/// Whether somebody who has opened the file elsewhere has a lock, of whichever kind, on any of these bytes.
pub(super) fn is_locked(fd: &OwnedFd, start: u64, len: u64) -> bool {
    let mut range = range(start, len, How::Alone);
    // SAFETY: the descriptor is open, and the system changes `range`, which is not used meanwhile.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range) };
    done != -1 && range.l_type != libc::F_UNLCK as libc::c_short
}

fn range(start: u64, len: u64, how: How) -> libc::flock {
    let kind = match how {
        How::Shared => libc::F_RDLCK,
        How::Alone => libc::F_WRLCK,
        How::Not => libc::F_UNLCK,
    };
    // SAFETY: numbers only, for each of which 0 is one.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = kind as _;
    range.l_whence = libc::SEEK_SET as _;
    range.l_start = start as _;
    range.l_len = len as _;
    range
}

/// Whether an error says that there are no such locks here at all, now or later.
pub(super) fn are_missing(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// What all else rests on.
    #[test]
    fn who_may_only_read_cannot_have_it_alone_and_a_change_lets_nobody_in() {
        let field = a0_core::layout::header::PID_NAMESPACE;
        let path = tempfile::NamedTempFile::new_in("/dev/shm").unwrap().into_temp_path();
        let [one, other] = [(); 2].map(|()| OwnedFd::from(File::options().read(true).write(true).open(&path).unwrap()));
        let reader = OwnedFd::from(File::open(&path).unwrap());
        assert_eq!(lock(&reader, field, How::Alone), Err(Errno::BADF));
        assert_eq!(lock(&reader, field, How::Shared), Ok(true));
        assert_eq!(lock(&one, field, How::Shared), Ok(true));
        assert_eq!(lock(&one, field, How::Alone), Ok(false));
        assert_eq!(lock(&reader, field, How::Not), Ok(true));
        assert_eq!(lock(&one, field, How::Alone), Ok(true));
        assert_eq!(lock(&other, field, How::Shared), Ok(false));
        drop(one);
        assert_eq!(lock(&other, field, How::Alone), Ok(true));
    }
}

//! Having a deadman.

use std::marker::PhantomData;

use a0_core::{LockError, Mem};

use crate::deadman::layout::DeadmanLayout;
use crate::deadman::sight::{Took, owner_of};
use crate::deadman::{DeadmanFile, long, short};
use crate::robust_list;

/// A deadman that the calling thread has taken. Dropping this releases it.
///
/// It belongs to the thread, and cannot be sent to another one. A forked child has not got it.
///
/// ```
/// use a0_linux::{DeadmanFile, DeadmanLayout, FileOptions};
///
/// let dir = tempfile::tempdir_in("/dev/shm")?;
/// let path = dir.path().join("robot.deadman");
/// let deadman = DeadmanFile::open(&path, &FileOptions::default(), DeadmanLayout::default())?;
///
/// let hold = deadman.try_take()?.expect("nobody has it");
/// assert_eq!(deadman.look().owner, Some(a0_linux::thread_id()));
/// drop(hold);
/// assert!(!deadman.look().taken);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping it releases the deadman"]
pub struct DeadmanHold {
    // A clone, not a reference: a hold that is leaked leaks the mapping, too, which the kernel has been told of.
    file: DeadmanFile,
    thread: u32,
    how: Took,
    of_this_thread: PhantomData<*const ()>,
}

impl DeadmanFile {
    /// Takes it for the calling thread, unless somebody has it, or keeps everybody from taking it for a tenth of a second: `None`.
    /// The thread keeps it until the hold is dropped, or
    /// the thread dies.
    ///
    /// # Errors
    /// [`LockError::ReadOnly`], [`LockError::TooMany`]; [`LockError::StaleOwner`] or
    /// [`LockError::Os`] if the file was damaged by a program that does not keep to the protocol.
    pub fn try_take(&self) -> Result<Option<DeadmanHold>, LockError> {
        if !self.is_writable() {
            return Err(LockError::ReadOnly);
        }
        if self.look_closely().owner.is_some() {
            return Ok(None);
        }
        let taken = match self.layout() {
            DeadmanLayout::Bytes32 => short::try_take(self.mem()),
            DeadmanLayout::Bytes72 => long::try_take(self.mem()),
        };
        Ok(taken?.map(|how| DeadmanHold::new(self, how)))
    }
}

impl DeadmanHold {
    fn new(file: &DeadmanFile, how: Took) -> DeadmanHold {
        DeadmanHold { file: file.clone(), thread: robust_list::id(), how, of_this_thread: PhantomData }
    }

    /// How often the deadman was taken, with this time.
    pub fn token(&self) -> u64 {
        self.how.token
    }

    /// Whether the owner before did not release it, but died.
    pub fn previous_owner_died(&self) -> bool {
        self.how.previous_owner_died
    }

    /// The thread that has it: the one that took it.
    pub fn thread(&self) -> u32 {
        self.thread
    }

    /// Whether it was taken in this file, opened by whomever.
    pub fn is_of(&self, file: &DeadmanFile) -> bool {
        self.file.file().identity() == file.file().identity()
    }

    /// Whether the file still says so. A program that does not keep to the protocol may have overwritten it.
    pub fn is_intact(&self) -> bool {
        let word = self.file.mem().load_u32(self.file.word(), std::sync::atomic::Ordering::Relaxed);
        owner_of(word) == Some(self.thread)
    }
}

impl Drop for DeadmanHold {
    fn drop(&mut self) {
        // In a forked child it is still the parent's.
        if robust_list::id() != self.thread {
            return;
        }
        match self.file.layout() {
            DeadmanLayout::Bytes32 => short::release(self.file.mem(), self.thread),
            DeadmanLayout::Bytes72 => long::release(self.file.mem(), self.thread),
        }
    }
}

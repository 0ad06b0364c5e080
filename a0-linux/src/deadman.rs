//! The deadman: a word in shared memory that a thread takes for as long as it lives, so that others learn of its death.
//!
//! There are two layouts, and the size of the file says which one it is. In both, all zeros is "never taken", the owner
//! is a thread id in a word that the kernel marks when that thread dies, and a token counts how often it was taken.
//! Thread ids mean something else in another PID namespace, so both also say whose they are, as topics do.

pub(crate) mod hold;
pub(crate) mod layout;
mod long;
mod short;
pub(crate) mod sight;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use a0_core::layout::Field;
use a0_core::{Access, LockError, Mem, RawMem};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::deadman::layout::{DeadmanLayout, PID_NAMESPACE};
use crate::deadman::sight::{DeadmanSight, Until, owner_of, pause};
use crate::file::error::FileError;
use crate::file::kind::Kind;
use crate::file::mapping::Mapping;
use crate::file::namespace;
use crate::file::opened::TopicFile;
use crate::file::options::FileOptions;
use crate::futex::{OWNER_DIED, WAITERS};

/// The longest sleep in one go: whatever is missed, by whomever, is noticed after that.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// An open deadman. Clones share the mapping.
#[derive(Clone, Debug)]
pub struct DeadmanFile {
    open: Arc<Open>,
}

#[derive(Debug)]
struct Open {
    file: TopicFile,
    layout: DeadmanLayout,
    mem: RawMem<Mapping>,
    /// The PID namespace of this process.
    namespace: Option<u32>,
}

impl DeadmanFile {
    /// Opens the file at `path`; if it is missing and `options` permit, creates one with this layout. The size in
    /// `options` means nothing here.
    ///
    /// Whoever opens a deadman with [`Mode::Shared`](crate::Mode::Shared) marks it with its PID namespace, as
    /// [`TopicFile::open`] does with topics: nobody from another one can open it so meanwhile. With
    /// [`Mode::ReadOnly`](crate::Mode::ReadOnly) everybody can see whether it is taken, and wait for that.
    ///
    /// # Errors
    /// As [`TopicFile::open`]; [`FileError::NotADeadman`] if the file has neither of the two sizes.
    pub fn open(path: &Path, options: &FileOptions, layout: DeadmanLayout) -> Result<DeadmanFile, FileError> {
        let (file, mem) = TopicFile::open_as(Kind::Deadman, path, &options.clone().size(layout.size()))?;
        let size = file.size();
        let layout =
            DeadmanLayout::of_size(size).ok_or_else(|| FileError::NotADeadman { path: path.to_owned(), size })?;
        let namespace = namespace::own();
        Ok(DeadmanFile { open: Arc::new(Open { file, layout, mem, namespace }) })
    }

    /// The open file.
    pub fn file(&self) -> &TopicFile {
        &self.open.file
    }

    /// Its layout.
    pub fn layout(&self) -> DeadmanLayout {
        self.open.layout
    }

    /// What it looks like now. Makes no system call, and changes nothing.
    pub fn look(&self) -> DeadmanSight {
        let seen = match self.open.layout {
            DeadmanLayout::Bytes32 => short::look(self.mem()),
            DeadmanLayout::Bytes72 => long::look(self.mem()),
        };
        DeadmanSight { other_namespace: self.other_namespace(), ..seen }
    }

    /// What it looks like now, with a system call to find out whether its owner exists.
    ///
    /// The kernel says so itself when an owner dies, but not in a file from before the machine was started, or in a copy of
    /// a file. If the owner is a thread that does not exist, this says that it died, and marks the file accordingly. Of an
    /// owner in another PID namespace only the kernel can tell.
    pub fn look_closely(&self) -> DeadmanSight {
        let seen = self.look();
        let ours = seen.owner.filter(|_| seen.other_namespace.is_none());
        let Some(owner) = ours.filter(|owner| !exists(*owner)) else { return seen };
        if self.is_writable() {
            bury(self.mem(), self.word(), owner);
            return self.look();
        }
        DeadmanSight { taken: false, owner: None, owner_died: true, ..seen }
    }

    /// Sleeps until what was `seen` has changed, at most `at_most`, and never longer than a tenth of a second. May return
    /// early for any reason.
    ///
    /// # Errors
    /// [`LockError::TooMany`], [`LockError::Os`].
    pub fn sleep(&self, seen: &DeadmanSight, until: Until, at_most: Duration) -> Result<(), LockError> {
        let at_most = at_most.min(LONGEST_SLEEP);
        match self.open.layout {
            _ if !self.is_writable() => pause(at_most),
            DeadmanLayout::Bytes32 => return short::sleep(self.mem(), seen, at_most),
            DeadmanLayout::Bytes72 => return long::sleep(self.mem(), seen, until, at_most),
        }
        Ok(())
    }

    /// Ends the sleep of everybody else, as far as they sleep where that is possible. Whoever finds that the owner has died
    /// calls it, because the kernel wakes only one.
    pub fn wake_all(&self) {
        if self.is_writable() && self.open.layout == DeadmanLayout::Bytes32 {
            short::wake_all(self.mem());
        }
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.mem().access() == Access::ReadWrite
    }

    fn mem(&self) -> &RawMem<Mapping> {
        &self.open.mem
    }

    fn other_namespace(&self) -> Option<u32> {
        let mark = self.mem().load_u32(PID_NAMESPACE, std::sync::atomic::Ordering::Acquire);
        (mark != 0 && Some(mark) != self.open.namespace).then_some(mark)
    }

    /// The word with the owner's thread id.
    fn word(&self) -> Field<u32> {
        match self.open.layout {
            DeadmanLayout::Bytes32 => short::WORD,
            DeadmanLayout::Bytes72 => long::OWNER_MUTEX.word(),
        }
    }
}

/// Whether there is such a thread, of this process or another.
fn exists(thread: u32) -> bool {
    let pid = i32::try_from(thread).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// Does what the kernel would have done when the owner died.
fn bury(mem: &RawMem<Mapping>, word: Field<u32>, owner: u32) {
    use std::sync::atomic::Ordering::Relaxed;
    let mark = |word| (owner_of(word) == Some(owner)).then_some((word & WAITERS) | OWNER_DIED);
    // If it is somebody else's by now, that one lives.
    let _ = mem.atomic_u32(word).fetch_update(Relaxed, Relaxed, mark);
}

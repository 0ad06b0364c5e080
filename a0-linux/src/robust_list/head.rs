//! What the kernel knows of a thread: its list head.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ptr::null;

use a0_core::layout::header;
use rustix::io::Errno;

/// Distance from an entry to its lock word, in our own heads and those of 0.3.
pub(crate) const WORD_IN_ENTRY: isize = (header::LOCK_WORD.offset() - header::MUTEX_NEXT.offset()) as isize;

/// Marks an entry whose word is a priority-inheritance lock.
pub(super) const PI: usize = 1;

/// `struct robust_list_head` of the kernel. Only its thread uses it.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Head {
    first: Cell<usize>,
    word_offset: Cell<isize>,
    pending: Cell<usize>,
}

impl Head {
    /// A head of nobody, with this in `pending`.
    pub(super) const fn new(pending: usize) -> Head {
        Head { first: Cell::new(0), word_offset: Cell::new(0), pending: Cell::new(pending) }
    }

    /// Makes the list empty, for entries with their words at this distance.
    pub(super) fn clear(&self, word_offset: isize) {
        self.set_first(self.end());
        self.word_offset.set(word_offset);
    }

    /// Where the list leads after its last entry.
    pub(super) fn end(&self) -> usize {
        (&raw const *self).addr()
    }

    pub(super) fn set_first(&self, entry: usize) {
        self.first.set(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.get() == self.end()
    }

    pub(super) fn word_offset(&self) -> isize {
        self.word_offset.get()
    }

    #[inline(always)]
    pub(super) fn pending(&self) -> usize {
        self.pending.get()
    }

    #[inline(always)]
    pub(super) fn set_pending(&self, entry: usize) {
        self.pending.set(entry);
    }
}

/// The head that somebody has registered for the calling thread, null if nobody has.
pub(super) fn registered() -> Result<*const Head, Errno> {
    let mut head: *const Head = null();
    let mut len = 0_usize;
    // SAFETY: writes the two results to the locals; 0 means the calling thread.
    let result = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
    match result {
        0 if head.is_null() || len == size_of::<Head>() => Ok(head),
        0 => Err(Errno::INVAL),
        _ => Err(errno()),
    }
}

/// Whether the kernel says that it is this one.
pub(super) fn is_registered(head: &Head) -> bool {
    registered() == Ok(&raw const *head)
}

/// Registers this head for the calling thread, in place of any other; null for none.
///
/// # Safety
/// It must be there as long as it is registered.
pub(super) unsafe fn register(head: *const Head) -> Result<(), Errno> {
    // SAFETY: the kernel reads the head when the thread dies; the caller promises that it is there then.
    let result = unsafe { libc::syscall(libc::SYS_set_robust_list, head, size_of::<Head>()) };
    if result == 0 { Ok(()) } else { Err(errno()) }
}

fn errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOSYS)
}

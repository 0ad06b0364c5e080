//! What can go wrong, as small `Copy` values; the layer that knows file names adds them.

use thiserror::Error;

/// Any failure of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The memory does not hold what a 0.3 topic holds.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The lock could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The memory must start on a multiple of 8.
    #[error("the memory does not start on a multiple of 8")]
    Unaligned,
    /// Read-only memory that nobody has initialised yet, or that is still of version 0.2.
    #[error("not initialised yet, or of version 0.2: the first program that opens it for writing sees to that")]
    Uninitialized,
    /// A message that can never fit.
    #[error("a message of {size} bytes is larger than the arena, which takes at most {max}")]
    FrameTooLarge {
        /// Bytes asked for.
        size: u64,
        /// Most data bytes that one frame can have here.
        max: u64,
    },
    /// [`crate::Locked::resize`] outside of what is used and what is mapped.
    #[error("an arena of {size} bytes is refused: {used} bytes are in use and {mapped} exist")]
    BadResize {
        /// Bytes asked for.
        size: u64,
        /// Bytes in use.
        used: u64,
        /// Bytes of memory.
        mapped: u64,
    },
    /// The destination given for a read cannot hold the message, which stays unread.
    #[error("the message has {size} bytes, more than the buffer takes")]
    BufferTooSmall {
        /// Bytes of the message.
        size: u64,
    },
    /// An offset that names no live frame.
    #[error("no frame at offset {offset}")]
    NoFrame {
        /// The offset asked for.
        offset: u64,
    },
    /// No consistent view was to be had without the lock, because writers were too fast or something is damaged, and the lock
    /// is held by somebody, or the reader may not take it. Try again.
    #[error("writers kept changing the topic while it was read without a lock")]
    Contended,
    /// All 2⁶⁴ − 1 sequence numbers are used up.
    #[error("the sequence numbers are used up")]
    SequenceExhausted,
}

/// Content that no correct program leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Corruption {
    /// Shorter than the header.
    #[error("{size} bytes are too few for a topic: the header alone has 144")]
    TooSmall {
        /// Bytes there are.
        size: u64,
    },
    /// No topic at all.
    #[error("not an AlephZero topic: it does not start with ALEPHZERO")]
    Magic,
    /// A topic of another generation.
    #[error("version {major}.{minor} is not supported, only 0.3")]
    Version {
        /// Major version found.
        major: u8,
        /// Minor version found.
        minor: u8,
    },
    /// The committed page index at offset 128.
    #[error("committed page index (offset 128) is {index}, neither 0 nor 1")]
    PageIndex {
        /// The index found.
        index: u8,
    },
    /// The arena size at offset 136.
    #[error("arena size (offset 136) is {arena}, but there are {size} bytes")]
    ArenaSize {
        /// The arena size found.
        arena: u64,
        /// Bytes there are.
        size: u64,
    },
    /// A committed state page that contradicts itself.
    #[error("committed state is impossible: {field} is {value}")]
    State {
        /// The contradicting field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A frame header that is not what its place in the list calls for.
    #[error("frame {seq} at offset {offset} is damaged: {field}")]
    Frame {
        /// Sequence number expected.
        seq: u64,
        /// Offset of the frame.
        offset: u64,
        /// What is wrong with it.
        field: &'static str,
    },
}

/// Why a lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else held it for too long.
    #[error("the topic is locked by thread {owner}, which did not release it in time")]
    TimedOut {
        /// Thread id found in the lock word.
        owner: u32,
    },
    /// The calling thread holds this lock already; or it holds another one that the owner of this one waits for.
    #[error(
        "this thread has already locked the topic (publishing from inside a locked view of the same topic?), \
         or its owner waits for this thread"
    )]
    Recursive,
    /// The lock word names a thread that does not exist here, and the file does not say that it is one of this PID namespace,
    /// where it would be dead for certain.
    #[error(
        "the lock word names thread {owner}, which does not exist here, but may in another PID namespace: the file has no mark \
         of this one, or /proc is not mounted; if no program uses the topic, remove it"
    )]
    StaleOwner {
        /// Thread id found in the lock word.
        owner: u32,
    },
    /// The system does not tell anybody when a thread dies that holds a lock.
    #[error(
        "robust locks are refused (errno {errno}), so nobody would be told if this program died while it writes: allow it \
         the system calls get_robust_list and set_robust_list, or accept that with A0_FRAGILE_LOCKS=1"
    )]
    Fragile {
        /// Error number.
        errno: i32,
    },
    /// One thread holds as many topics as it can.
    #[error("this thread holds {limit} topic locks already")]
    TooMany {
        /// Most locks of one thread.
        limit: u32,
    },
    /// Opened read-only: nothing can be locked.
    #[error("opened read-only: writing and locking are not possible")]
    ReadOnly,
    /// Opened in a way in which nobody could wake us.
    #[error("opened read-only or exclusively: blocking is not possible, only polling")]
    CannotSleep,
    /// The operating system refused, with this error number.
    #[error("the kernel refused the lock (errno {errno})")]
    Os {
        /// Error number.
        errno: i32,
    },
}

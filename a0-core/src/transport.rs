//! A topic's memory with its lock: opening, locking, waking.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use core::time::Duration;

use crate::error::{Corruption, Error, LockError};
use crate::layout::{MAGIC, VERSION, WORKSPACE, header, page};
use crate::lock::Lock;
use crate::locked::Locked;
use crate::mem::Mem;
use crate::state::State;
use crate::upgrade;

/// Bit of [`header::SLEEPERS`]: somebody sleeps on that word.
const PLAIN_SLEEPER: u32 = 1;
/// Bit of [`header::SLEEPERS`]: one of us sleeps on the event counter in the 0.3 way.
const REQUEUE_SLEEPER: u32 = 2;
const SLEEPER_BITS: u32 = PLAIN_SLEEPER | REQUEUE_SLEEPER;
/// One step of the epoch in the bits above.
const EPOCH: u32 = 4;

/// Tries at a consistent snapshot before the lock is tried for it.
const SNAPSHOT_TRIES: u32 = 1000;

/// Tries at the lock for a snapshot: writers that are so fast hold it most of the time.
const LOCK_TRIES: u32 = 16;

/// How long opening waits for the lock where nobody says so. Far longer than any sound holder needs.
const PATIENCE: Duration = Duration::from_secs(5);

/// A topic: memory, and the lock that goes with it.
///
/// All methods take `&self`; what a thread does while it holds the lock goes through [`Locked`].
///
/// ```
/// use a0_core::{Cursor, Select, SliceMem, Transport, Unshared};
///
/// let mut bytes = [0; 4096];
/// let topic = Transport::open(SliceMem::new(&mut bytes)?, Unshared)?;
/// topic.lock(None)?.push(b"hello")?;
///
/// let mut reader = Cursor::oldest(&topic)?;
/// let mut buffer = [0; 16];
/// let got = topic.read(&mut reader, Select::Next, &mut &mut buffer[..])?.expect("one message is there");
/// assert_eq!(&buffer[..got.len], b"hello");
/// assert_eq!((got.seq, got.missed), (1, 0));
/// # Ok::<(), a0_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Transport<M, L> {
    mem: M,
    lock: L,
}

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Opens a topic, initialising zeroed memory and converting a 0.2 topic.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the memory holds anything else than a sound header, [`Error::Lock`] if initialising
    /// needs the lock and it is not to be had.
    pub fn open(mem: M, lock: L) -> Result<Self, Error> {
        Transport::open_within(mem, lock, PATIENCE)
    }

    /// The same, waiting at most `patience` for the lock if initialising needs it; [`Transport::open`] says 5 s.
    ///
    /// # Errors
    /// As [`Transport::open`].
    pub fn open_within(mem: M, lock: L, patience: Duration) -> Result<Self, Error> {
        if mem.size() < WORKSPACE {
            return Err(Error::Corrupt(Corruption::TooSmall { size: mem.size() }));
        }
        let topic = Transport { mem, lock };
        if topic.is_unfinished() {
            let mut held = topic.acquire(Some(patience))?;
            if upgrade::is_version_0_2(&topic.mem) {
                upgrade::upgrade(&topic.mem);
            } else if topic.is_unfinished() {
                topic.initialize();
            }
            held.reload();
        }
        check_header(&topic.mem)?;
        Ok(topic)
    }

    /// Opens a topic without storing anything into it.
    ///
    /// # Errors
    /// [`Error::Uninitialized`] for zeroed memory or a 0.2 topic, [`Error::Corrupt`] as [`Transport::open`].
    pub fn open_read_only(mem: M, lock: L) -> Result<Self, Error> {
        if mem.size() < WORKSPACE {
            return Err(Error::Corrupt(Corruption::TooSmall { size: mem.size() }));
        }
        let topic = Transport { mem, lock };
        if topic.is_unfinished() {
            return Err(Error::Uninitialized);
        }
        check_header(&topic.mem)?;
        Ok(topic)
    }

    /// Whether the memory is all new, half initialised, or of version 0.2. Anything else is somebody else's file, which
    /// must not be touched.
    fn is_unfinished(&self) -> bool {
        upgrade::is_version_0_2(&self.mem) || is_uninitialized(&self.mem)
    }

    /// Writes the header, in an order in which a crash at any point leaves the file uninitialised.
    fn initialize(&self) {
        for index in [0, 1] {
            self.mem.store_u64(page::high_water_mark(index), WORKSPACE, Relaxed);
        }
        self.mem.store_u64(header::ARENA_SIZE, self.mem.size(), Relaxed);
        self.mem.store_u64(header::MAGIC_WORD, magic_word(), Relaxed);
        self.mem.store_u64(header::VERSION_WORD, version_word(), Release);
    }

    /// The memory.
    #[inline]
    pub fn mem(&self) -> &M {
        &self.mem
    }

    /// The lock.
    #[inline]
    pub fn lock_backend(&self) -> &L {
        &self.lock
    }

    /// Gives the memory back.
    pub fn into_mem(self) -> M {
        self.mem
    }

    /// Usable bytes, as the header says.
    #[inline]
    pub fn arena_size(&self) -> u64 {
        self.mem.load_u64(header::ARENA_SIZE, Relaxed)
    }

    /// Usable bytes, but never more than there are.
    #[inline]
    pub(crate) fn limit(&self) -> u64 {
        self.arena_size().min(self.mem.size())
    }

    /// Takes the lock, waiting at most `timeout` (`None`: as long as it takes).
    ///
    /// If the last holder died, what it had not committed is void, and everybody asleep is woken when this lock is
    /// released.
    ///
    /// # Errors
    /// [`Error::Lock`].
    #[inline(always)]
    pub fn lock(&self, timeout: Option<Duration>) -> Result<Locked<'_, M, L>, Error> {
        Ok(self.acquire(timeout)?)
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// [`Error::Lock`].
    pub fn try_lock(&self) -> Result<Option<Locked<'_, M, L>>, Error> {
        Ok(self.lock.try_lock(&self.mem)?.map(|how| Locked::new(self, how)))
    }

    #[inline(always)]
    fn acquire(&self, timeout: Option<Duration>) -> Result<Locked<'_, M, L>, LockError> {
        // A polling reader may have these lines; fetched now, they arrive while the lock is taken, not one after the other.
        self.mem.prefetch_for_write(page::off_head(1).offset());
        self.mem.prefetch_for_write(header::COMMITTED_PAGE.offset());
        let how = self.lock.lock(&self.mem, timeout)?;
        Ok(Locked::new(self, how))
    }

    /// The committed state, without taking the lock unless writers are so fast that no snapshot succeeds. Never waits.
    ///
    /// # Errors
    /// [`Error::Contended`] if that happens while somebody holds the lock, or to a reader that cannot lock; [`Error::Lock`].
    pub fn state(&self) -> Result<State, Error> {
        for _ in 0..LOCK_TRIES {
            for _ in 0..SNAPSHOT_TRIES {
                if let Some(state) = State::snapshot(&self.mem) {
                    return Ok(state);
                }
            }
            match self.try_lock() {
                Ok(Some(locked)) => return Ok(locked.state()),
                Ok(None) => {}
                Err(Error::Lock(LockError::ReadOnly)) => break,
                Err(other) => return Err(other),
            }
        }
        Err(Error::Contended)
    }

    /// Whether a program built on the 0.3 C core has been seen here.
    #[inline]
    pub fn has_foreign_users(&self) -> bool {
        // The link before the mark, as they are stored the other way round. Acquire: whoever finds the link cleared finds
        // the mark.
        self.mem.load_u64(header::MUTEX_PREV, Acquire) != 0 || self.mem.load_u32(header::FOREIGN, Relaxed) != 0
    }

    /// Sleeps until something is committed, at most `at_most`, unless `ready` says that there is no need to.
    ///
    /// Returns early for many reasons, so call it in a loop. Keep `at_most` short (20 to 100 ms): a writer that is
    /// killed right before it would wake us, or the first 0.3 program to write, does not wake us.
    ///
    /// # Errors
    /// [`LockError::CannotSleep`] for memory that is not shared for writing, where polling is the only way; otherwise
    /// as [`Transport::lock`].
    pub fn sleep(&self, at_most: Duration, mut ready: impl FnMut() -> bool) -> Result<(), Error> {
        if !self.lock.can_sleep() {
            return Err(LockError::CannotSleep.into());
        }
        if self.has_foreign_users() {
            // Acquire: a commit that counted before this load is visible to `ready`. One that counts later changes
            // the counter, so the wait returns at once.
            let events = self.mem.load_u32(header::EVENTS, Acquire);
            self.announce(REQUEUE_SLEEPER);
            if ready() {
                return Ok(());
            }
            if let Some(how) = self.lock.wait_requeue(&self.mem, events, at_most)? {
                drop(Locked::new(self, how));
            }
        } else {
            let announced = self.announce(PLAIN_SLEEPER);
            if ready() {
                return Ok(());
            }
            self.lock.wait(&self.mem, header::SLEEPERS, announced, at_most)?;
        }
        Ok(())
    }

    /// Announces somebody who will sleep on [`header::SLEEPERS`] himself, perhaps on several topics' at once, and gives the
    /// value that the word must still have then. News that came before this must be looked for behind it; whatever comes later
    /// changes the word and wakes.
    ///
    /// `None` where wake-ups do not reach that word, because the memory is not shared for writing, or because a 0.3 program was
    /// here, which wakes in its own way only: then polling remains. The bounds of [`Transport::sleep`] hold here, too.
    pub fn announce_sleeper(&self) -> Option<u32> {
        (self.lock.can_sleep() && !self.has_foreign_users()).then(|| self.announce(PLAIN_SLEEPER))
    }

    /// Sets a sleeper bit; gives the word as it is now.
    fn announce(&self, bit: u32) -> u32 {
        let word = self.mem.fetch_or_u32(header::SLEEPERS, bit, AcqRel) | bit;
        // The other half of the barrier in `wake_sleepers`: either the publisher sees the bit, or we see its commit.
        self.mem.fence(SeqCst);
        word
    }

    /// Wakes whoever sleeps, after the lock was released. No system call if nobody does.
    #[inline(always)]
    pub(crate) fn wake_sleepers(&self) {
        // The commit before, the load of the sleeper bits behind: see `announce`.
        self.mem.fence_after_rmw();
        let sleepers = self.mem.load_u32(header::SLEEPERS, Relaxed) & SLEEPER_BITS;
        let foreign = self.mem.load_u32(header::FOREIGN, Relaxed) != 0;
        if sleepers != 0 || foreign {
            self.wake(foreign);
        }
    }

    /// Wakes everybody, announced or not, so that blocked readers look at their reasons to go on.
    pub fn wake_all(&self) {
        if !self.lock.can_sleep() {
            return;
        }
        self.mem.fetch_or_u32(header::SLEEPERS, SLEEPER_BITS, AcqRel);
        self.wake(true);
    }

    #[cold]
    fn wake(&self, foreign: bool) {
        let mut word = self.mem.load_u32(header::SLEEPERS, Relaxed);
        let sleepers = loop {
            if word & SLEEPER_BITS == 0 {
                break 0;
            }
            // The epoch makes a sleeper that is about to wait with the old word return at once.
            let next = (word & !SLEEPER_BITS).wrapping_add(EPOCH);
            match self.mem.cas_u32(header::SLEEPERS, word, next, AcqRel) {
                Ok(_) => break word & SLEEPER_BITS,
                Err(other) => word = other,
            }
        };
        if sleepers & PLAIN_SLEEPER != 0 {
            self.lock.wake(&self.mem, header::SLEEPERS);
        }
        if sleepers & REQUEUE_SLEEPER != 0 || foreign {
            self.mem.fetch_add_u32(header::EVENTS, 1, AcqRel);
            self.lock.requeue(&self.mem);
        }
    }
}

/// Whether [`Transport::open`] would find a sound 0.3 header in this memory, or initialise one: for those who keep words
/// of their own in it, and must not write into somebody else's file.
pub fn is_topic<M: Mem + ?Sized>(mem: &M) -> bool {
    mem.size() >= WORKSPACE && (is_uninitialized(mem) || check_header(mem).is_ok())
}

/// Whether this is memory that nobody has initialised, or not to the end.
fn is_uninitialized<M: Mem + ?Sized>(mem: &M) -> bool {
    let start = mem.load_u64(header::MAGIC_WORD, Relaxed);
    // Acquire: the rest of the header was stored before.
    let initialized = mem.load_u64(header::VERSION_WORD, Acquire).to_le_bytes()[4] != 0;
    !initialized && (start == 0 || start == magic_word())
}

/// Whether the fixed part of the header is that of a 0.3 topic, and fits the memory.
pub(crate) fn check_header<M: Mem + ?Sized>(mem: &M) -> Result<(), Corruption> {
    let word = mem.load_u64(header::MAGIC_WORD, Relaxed).to_le_bytes();
    let [ninth, major, minor, _, initialized, ..] = mem.load_u64(header::VERSION_WORD, Relaxed).to_le_bytes();
    if word != MAGIC[..8] || ninth != MAGIC[8] || initialized == 0 {
        return Err(Corruption::Magic);
    }
    if [major, minor] != VERSION[..2] {
        return Err(Corruption::Version { major, minor });
    }
    let index = mem.load_u8(header::COMMITTED_PAGE, Acquire);
    if index > 1 {
        return Err(Corruption::PageIndex { index });
    }
    let (arena, size) = (mem.load_u64(header::ARENA_SIZE, Relaxed), mem.size());
    if arena < WORKSPACE || arena > size {
        return Err(Corruption::ArenaSize { arena, size });
    }
    Ok(())
}

/// The first eight bytes of a 0.3 file.
pub(crate) fn magic_word() -> u64 {
    let [word @ .., _] = MAGIC;
    u64::from_le_bytes(word)
}

/// Bytes 8 to 15 of an initialised 0.3 file: `O`, the version, `initialized`, three zeros.
pub(crate) fn version_word() -> u64 {
    u64::from_le_bytes([MAGIC[8], VERSION[0], VERSION[1], VERSION[2], 1, 0, 0, 0])
}

//! Reading without a lock: copy first, then find out whether what was copied was still there.

mod batch;
mod target;
pub(crate) mod vouch;

use core::sync::atomic::Ordering::{Acquire, Relaxed};

use crate::cursor::{Cursor, Link, Received, Select};
use crate::error::{Corruption, Error, LockError};
use crate::layout::{FRAME_HEADER, frame};
use crate::lock::Lock;
use crate::locked::Locked;
use crate::mem::Mem;
use crate::state::{State, offset_is_sound};
use crate::transport::Transport;
use target::{Miss, Target};

/// Tries at one frame before the lock is taken for it.
const READ_TRIES: u32 = 64;

/// Looks at the last frame's link for each look at the header. Each of the latter takes lines from a writer that is about to
/// change them.
const LOOKS_AT_LINK: u32 = 64;

/// Where a read puts the data.
pub trait Buffer {
    /// Memory for a message of `len` bytes: as many, or fewer for those who want only its start. `None` if there is no room.
    fn room(&mut self, len: usize) -> Option<&mut [u8]>;

    /// The same for a message whose data begins at this offset, for those who want to know where it comes from.
    #[inline]
    fn room_at(&mut self, offset: u64, len: usize) -> Option<&mut [u8]> {
        let _ = offset;
        self.room(len)
    }

    /// Asked when there was no room: whether the frame is to be passed over as damaged, because of what this says about
    /// its size, instead of being left unread.
    fn distrusts(&self) -> Option<&'static str> {
        None
    }
}

impl Buffer for &mut [u8] {
    #[inline]
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        self.get_mut(..len)
    }
}

#[cfg(feature = "heapless-0_9")]
impl<const N: usize> Buffer for heapless::Vec<u8, N> {
    /// Resizes the vector to the message.
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        self.resize(len, 0).ok()?;
        Some(self.as_mut_slice())
    }
}

/// A frame that was copied, or would have been if there had been room.
struct Fetched {
    target: Target,
    size: u64,
    len: usize,
    fits: bool,
}

impl Fetched {
    /// Moves the cursor behind the frame.
    #[inline(always)]
    fn received_by(&self, cursor: &mut Cursor) -> Received {
        let Fetched { target: Target { seq, off, known_high, .. }, len, .. } = *self;
        let missed = (seq - cursor.seq - 1).saturating_add(cursor.skipped);
        cursor.passed(seq, off, known_high);
        Received { seq, offset: off + FRAME_HEADER, len, missed }
    }
}

/// How a try to copy a frame ended.
enum Fetch {
    /// Whether it was still there is not known yet.
    Some(Fetched),
    /// Nothing new.
    Nothing,
    /// No frame.
    Missed(Miss),
}

/// How one try ended.
enum Attempt {
    /// A frame was read.
    Done(Received),
    /// Nothing new.
    Nothing,
    /// No frame.
    Missed(Miss),
}

/// Takes a message's place and length without its data.
struct InPlace;

impl Buffer for InPlace {
    fn room(&mut self, _: usize) -> Option<&mut [u8]> {
        Some(&mut [])
    }
}

impl<M: Mem, L: Lock<M>> Locked<'_, M, L> {
    /// Moves the cursor behind the selected frame and says where that is, so that its data can be used in place for as
    /// long as the lock is held; `None` if there is none yet.
    ///
    /// # Errors
    /// [`Error::Corrupt`], as [`Transport::read`].
    pub fn advance(&self, cursor: &mut Cursor, select: Select) -> Result<Option<Received>, Error> {
        self.receive(cursor, select, &mut InPlace)
    }

    /// Copies the selected frame into `buffer` and moves the cursor behind it; `None` if there is none yet. For whoever has
    /// waited for the lock because [`Transport::read`] gave [`Error::Contended`].
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::BufferTooSmall`], as [`Transport::read`].
    pub fn receive<B: Buffer>(
        &self,
        cursor: &mut Cursor,
        select: Select,
        buffer: &mut B,
    ) -> Result<Option<Received>, Error> {
        let mut attempt = self.topic().attempt(cursor, select, buffer)?;
        if matches!(attempt, Attempt::Missed(_)) {
            // What the cursor knew may be what is wrong with it. But it may also be the only way past damage that was
            // met before, so it comes first.
            cursor.known_high = cursor.seq;
            attempt = self.topic().attempt(cursor, select, buffer)?;
        }
        match attempt {
            Attempt::Done(received) => Ok(Some(received)),
            Attempt::Nothing => Ok(None),
            // Nobody else writes, so this is what the memory holds.
            Attempt::Missed(miss) => Err(self.topic().skip_damage(cursor, miss)),
        }
    }
}

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Whether a read would find anything; may be outdated at once.
    ///
    /// # Errors
    /// As [`Transport::state`].
    #[inline]
    pub fn has_news(&self, cursor: &Cursor) -> Result<bool, Error> {
        if cursor.known_high <= cursor.seq && !State::may_have_news(self.mem(), cursor.seq) {
            return Ok(false);
        }
        let state = self.state()?;
        Ok(!state.is_empty() && state.seq_high > cursor.seq)
    }

    /// Whether a read is worth a try: two loads, and a `false` that is certain.
    #[inline]
    pub fn may_have_news(&self, cursor: &Cursor) -> bool {
        cursor.known_high > cursor.seq || State::may_have_news(self.mem(), cursor.seq)
    }

    /// Looks up to `looks` times, with a short pause behind each, whether a read is worth a try.
    ///
    /// Polling like this disturbs writers far less than calling [`Transport::read`] in a loop: most looks go to the link
    /// in the last frame read, which a writer sets shortly before it commits, and not to the header, which it needs
    /// to itself until then.
    #[inline]
    pub fn spin_for_news(&self, cursor: &Cursor, looks: u32) -> bool {
        let mem = self.mem();
        for look in 0..looks {
            let linked = match cursor.link {
                // The link says nothing if the frame is gone, or the topic was cleared; so not every look goes there.
                Link::After(off) if look % LOOKS_AT_LINK != 0 && offset_is_sound(off, mem.size()) => {
                    mem.load_u64(frame::next_off(off), Relaxed) != 0
                }
                _ => true,
            };
            if linked && self.may_have_news(cursor) {
                return true;
            }
            core::hint::spin_loop();
        }
        false
    }

    /// Copies the selected frame into `buffer` and moves the cursor behind it; `None` if there is none yet.
    ///
    /// Takes no lock, unless writers overtake it 64 times in a row: then it looks once under the lock, if that is free. It
    /// never waits. Who can wait takes the lock and calls [`Locked::receive`], so that a small arena and fast writers cannot
    /// starve a reader.
    ///
    /// # Errors
    /// * [`Error::Corrupt`] for a damaged frame; the cursor has moved past the damage, so the next call goes on with
    ///   what is sound, and its `missed` counts the rest.
    /// * [`Error::BufferTooSmall`]; the cursor has not moved.
    /// * [`Error::Contended`] where the lock is needed and somebody holds it, and for readers that cannot lock.
    /// * [`Error::Lock`].
    // Inlined always: handing the result over through memory takes as long as the rest.
    #[inline(always)]
    pub fn read<B: Buffer>(
        &self,
        cursor: &mut Cursor,
        select: Select,
        buffer: &mut B,
    ) -> Result<Option<Received>, Error> {
        if self.needs_lock_to_read() {
            return self.read_locked(cursor, select, buffer);
        }
        match self.attempt(cursor, select, buffer)? {
            Attempt::Done(received) => Ok(Some(received)),
            Attempt::Nothing => Ok(None),
            Attempt::Missed(_) => self.read_contended(cursor, select, buffer),
        }
    }

    #[cold]
    fn read_contended<B: Buffer>(
        &self,
        cursor: &mut Cursor,
        select: Select,
        buffer: &mut B,
    ) -> Result<Option<Received>, Error> {
        let before = State::snapshot(self.mem());
        for _ in 1..READ_TRIES {
            // What the cursor knew may be what is wrong with it.
            cursor.known_high = cursor.seq;
            match self.attempt(cursor, select, buffer)? {
                Attempt::Done(received) => return Ok(Some(received)),
                Attempt::Nothing => return Ok(None),
                Attempt::Missed(_) => {}
            }
        }
        match self.read_locked(cursor, select, buffer) {
            Err(Error::Lock(LockError::ReadOnly)) => {
                let now = State::snapshot(self.mem());
                if now.is_none() || now != before {
                    return Err(Error::Contended);
                }
                // Nobody has written during all those tries, so what was read is what is there.
                match self.attempt(cursor, select, buffer)? {
                    Attempt::Done(received) => Ok(Some(received)),
                    Attempt::Nothing => Ok(None),
                    Attempt::Missed(miss) => Err(self.skip_damage(cursor, miss)),
                }
            }
            result => result,
        }
    }

    fn read_locked<B: Buffer>(
        &self,
        cursor: &mut Cursor,
        select: Select,
        buffer: &mut B,
    ) -> Result<Option<Received>, Error> {
        self.try_lock()?.ok_or(Error::Contended)?.receive(cursor, select, buffer)
    }

    #[inline(always)]
    fn attempt<B: Buffer>(&self, cursor: &mut Cursor, select: Select, buffer: &mut B) -> Result<Attempt, Error> {
        let fetched = match self.fetch(cursor, select, buffer) {
            Fetch::Some(fetched) => fetched,
            Fetch::Nothing => return Ok(Attempt::Nothing),
            Fetch::Missed(miss) => return Ok(Attempt::Missed(miss)),
        };
        let Fetched { target, size, .. } = fetched;
        if !self.is_still_there(&target, size) {
            return Ok(Attempt::Missed(Miss::Gone { seq: target.seq, off: target.off }));
        }
        if !fetched.fits {
            return Err(without_room(cursor, buffer, &target, size));
        }
        Ok(Attempt::Done(fetched.received_by(cursor)))
    }

    /// Copies the selected frame, without a look at whether it was still there.
    #[inline(always)]
    fn fetch<B: Buffer>(&self, cursor: &mut Cursor, select: Select, buffer: &mut B) -> Fetch {
        let target = match self.target(cursor, select) {
            Ok(Some(target)) => target,
            Ok(None) => return Fetch::Nothing,
            Err(miss) => return Fetch::Missed(miss),
        };
        let mem = self.mem();
        let bad = |field| Fetch::Missed(Miss::damaged(target.seq, target.off, field));
        // The mapping's size, not the arena's: what counts here is to stay inside.
        let limit = mem.size();
        if !offset_is_sound(target.off, limit) {
            return bad("the offset itself");
        }
        let [seq, off, _, _, size] = mem.load_words(frame::seq(target.off));
        if seq != target.seq {
            return bad("seq");
        }
        if off != target.off {
            return bad("off");
        }
        let data = target.off + FRAME_HEADER;
        let Some(len) = usize::try_from(size).ok().filter(|_| size <= limit - data) else {
            return bad("data_size");
        };
        let room = buffer.room_at(data, len);
        let fits = room.is_some();
        if let Some(room) = room {
            mem.read(data, room);
        }
        Fetch::Some(Fetched { target, size, len, fits })
    }

    /// Whether a frame was there all the time until now.
    #[inline(always)]
    fn is_still_there(&self, target: &Target, size: u64) -> bool {
        self.is_live_from(target.live_from) && self.is_untouched(target.seq, target.off, size)
    }

    /// Whether everything from this sequence number on was there all the time until now.
    #[inline(always)]
    fn is_live_from(&self, seq: u64) -> bool {
        // Guards AcquireFences, ReleaseFences, LockFence, EvictionCommit, Validation: the copy comes before the check. If the copy saw a byte of a later frame, the check sees that the frame is
        // gone, because writers commit an eviction, then fence, before they overwrite.
        self.mem().fence(Acquire);
        State::validate_low(self.mem()) <= seq
    }

    /// Whether the message that a read gave is still there, so that everything that was read of it in place until now is
    /// sound. `false` says that any of it may have been something else; it stays `false` then.
    ///
    /// Where [`Transport::needs_lock_to_read`], only the lock's holder can rely on it.
    #[inline]
    pub fn is_intact(&self, received: &Received) -> bool {
        let off = received.offset.wrapping_sub(FRAME_HEADER);
        let target = Target { seq: received.seq, off, live_from: received.seq, known_high: 0 };
        offset_is_sound(off, self.mem().size()) && self.is_still_there(&target, received.len as u64)
    }

    /// Whether this topic cannot be read without the lock.
    ///
    /// 0.3 commits with plain stores. Where the hardware reorders those, its topics can only be read under the lock.
    #[inline(always)]
    pub fn needs_lock_to_read(&self) -> bool {
        cfg!(not(any(target_arch = "x86_64", target_arch = "x86"))) && self.has_foreign_users()
    }
}

/// Why a frame found no room in the buffer.
#[cold]
#[inline(never)]
fn without_room<B: Buffer>(cursor: &mut Cursor, buffer: &B, target: &Target, size: u64) -> Error {
    let Some(field) = buffer.distrusts() else { return Error::BufferTooSmall { size } };
    // Its header is sound and leads on.
    cursor.skip_to(target.seq, Link::After(target.off), target.known_high);
    Corruption::Frame { seq: target.seq, offset: target.off, field }.into()
}

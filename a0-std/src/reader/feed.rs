//! The engine of every reader: polling, spinning, sleeping.

use std::time::{Duration, Instant};

use a0_core::{Buffer, Cursor, LockError, Received, Select, State};
use a0_linux::Mode;

use crate::error::{Error, Result};
use crate::file::{FILE_CHECK_INTERVAL, File, SharedLocked, coarse_now};
use crate::message::Message;
use crate::packet::PacketView;
use crate::reader::batch::Batch;
use crate::reader::copy_buffer::CopyBuffer;
use crate::reader::in_place::HEAD;
use crate::reader::removal_check::RemovalCheck;
use crate::reader::wait::Wait;
use crate::reader::{Init, Interrupter, Iter, ReaderOptions};
use crate::slices;

/// Looks between two glances at the clock, of which the first goes to the header: some 3 µs.
const LOOKS: u32 = 64;

/// Bounds of one sleep: guard BoundedSleep. A wake-up can be missed when its sender is killed right before it, or runs AlephZero 0.3 and is
/// the first such program on the topic.
const SHORTEST_SLEEP: Duration = Duration::from_millis(20);
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// Between two looks of a reader that cannot be woken.
const POLL: Duration = Duration::from_millis(1);

/// How long a wait that finds the lock held queues for it in one go: so late it notices that it is over.
const TURN: Duration = Duration::from_millis(10);

/// A place in a topic, and the way to go on from there.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(super) file: File,
    pub(super) cursor: Cursor,
    iter: Iter,
    first: First,
    started_empty: bool,
    init: Init,
    wait: Wait,
    /// How long to look before it sleeps: what is left of that since the last message, or since it was called.
    spin: Duration,
    pub(super) buffer: CopyBuffer,
    /// Bytes of the next message that a look in place copies at first: with the payload of the last one they began.
    pub(super) head: usize,
    ahead: Batch,
    /// Whether the message handed out last lies in `ahead`, and not in `buffer`.
    from_ahead: bool,
    sleep: Duration,
    /// How long a poll waits for the lock where it cannot do without: not at all, unless it is part of a wait.
    pub(super) patience: Duration,
    /// Whether there is something that only the lock's holder can read, and somebody else held it.
    contended: bool,
    /// When to look again whether the file is there.
    next_look: Instant,
    interrupter: Interrupter,
    patrol: RemovalCheck,
}

/// How the very first message is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// Like all others.
    Usual,
    /// The one that the reader was placed at, or else the oldest one left.
    Placed,
    /// The one that the reader was placed at if it is still there, otherwise as usual.
    PlacedIfThere,
}

/// The first bytes of a message.
struct Start<'b> {
    buffer: &'b mut CopyBuffer,
    file: &'b File,
    most: usize,
}

impl Buffer for Start<'_> {
    #[inline]
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        self.room_at(0, len)
    }

    #[inline]
    fn room_at(&mut self, offset: u64, len: usize) -> Option<&mut [u8]> {
        self.buffer.room(self.file, offset, len.min(self.most))
    }

    #[cold]
    fn distrusts(&self) -> Option<&'static str> {
        self.buffer.distrusts()
    }
}

/// Why a message could not be copied.
#[cold]
fn unread(file: &File, source: a0_core::Error) -> Error {
    match source {
        a0_core::Error::BufferTooSmall { size } => Error::NoMemory { path: file.path().to_owned(), size },
        source => file.error(source),
    }
}

/// Takes the lock; `None` if somebody keeps it for longer than that.
pub(super) fn lock_to_read(file: &File, patience: Duration) -> Result<Option<SharedLocked<'_>>> {
    match file.transport().lock(Some(patience)) {
        Ok(locked) => Ok(Some(locked)),
        Err(a0_core::Error::Lock(LockError::TimedOut { .. })) => Ok(None),
        Err(source) => Err(file.error(source)),
    }
}

impl Feed {
    pub(crate) fn new(file: &File, options: &ReaderOptions) -> Result<Feed> {
        let state = file.state()?;
        let cursor = match options.init {
            Init::AwaitNew => Cursor::behind_newest(&state),
            Init::MostRecent => Cursor::before_newest(&state),
            Init::Oldest => Cursor::before_oldest(&state),
        };
        let placed = options.init != Init::AwaitNew && !state.is_empty();
        Ok(Feed {
            file: file.clone(),
            cursor,
            iter: options.iter,
            first: if placed { First::PlacedIfThere } else { First::Usual },
            started_empty: state.is_empty(),
            init: options.init,
            wait: options.wait,
            spin: options.wait.spin(),
            buffer: CopyBuffer::default(),
            head: HEAD,
            ahead: Batch::new(cursor),
            from_ahead: false,
            sleep: SHORTEST_SLEEP,
            patience: Duration::ZERO,
            contended: false,
            next_look: Instant::now(),
            interrupter: Interrupter::new(file),
            patrol: RemovalCheck::default(),
        })
    }

    /// Starts as threaded readers do: never without the first message that comes after the start, even if newer ones
    /// are there already.
    pub(crate) fn start_threaded(&mut self) {
        let overtaken = self.file.state().is_ok_and(|state| state.seq_low > self.cursor.seq());
        if self.started_empty || overtaken || self.init != Init::AwaitNew {
            self.first = First::Placed;
        }
    }

    /// Goes on from there.
    pub(crate) fn place_at(&mut self, cursor: Cursor) {
        self.cursor = cursor;
        self.ahead.forget();
        self.first = First::Usual;
        self.start_over();
    }

    /// The place behind the last message.
    pub(crate) fn cursor(&self) -> Cursor {
        self.cursor
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn interrupter(&self) -> &Interrupter {
        &self.interrupter
    }

    pub(crate) fn can_read(&self) -> Result<bool> {
        let can_read = self.file.transport().has_news(&self.cursor).map_err(|source| self.file.error(source))?;
        if !can_read {
            self.file.look_now_and_then(coarse_now())?;
        }
        Ok(can_read)
    }

    /// What a read gives that does not wait: if there is nothing, this finds out, now and then, that nothing will ever come.
    #[inline]
    pub(crate) fn or_removed<T>(&mut self, found: Option<T>) -> Result<Option<T>> {
        if found.is_none() {
            self.patrol.look(&self.file)?;
        }
        Ok(found)
    }

    #[inline(always)]
    fn select(&self, state: impl FnOnce() -> Result<State, a0_core::Error>) -> Result<Select, a0_core::Error> {
        let usual = match self.iter {
            Iter::Next => Select::Next,
            Iter::Newest => Select::Newest,
        };
        Ok(match self.first {
            First::Usual => usual,
            First::Placed => Select::Next,
            First::PlacedIfThere if state()?.seq_low <= self.cursor.seq().saturating_add(1) => Select::Next,
            First::PlacedIfThere => usual,
        })
    }

    /// Copies the next message. It was there during the call.
    #[inline(always)]
    pub(crate) fn poll(&mut self) -> Result<Option<Received>> {
        self.poll_first(usize::MAX)
    }

    /// Copies the next message, or hands out one that was copied with the one before.
    #[inline(always)]
    pub(crate) fn poll_ahead(&mut self) -> Result<Option<Received>> {
        if let Some(received) = self.poll_waiting() {
            return Ok(Some(received));
        }
        if self.iter != Iter::Next || self.first != First::Usual {
            return self.poll();
        }
        self.from_ahead = true;
        match self.ahead.read(self.file.transport(), &mut self.cursor) {
            Ok(received) => Ok(received),
            Err(a0_core::Error::BufferTooSmall { .. }) => self.poll(),
            Err(a0_core::Error::Contended) => self.poll_contended(usize::MAX),
            Err(source) => Err(self.file.error(source)),
        }
    }

    /// Hands out a message that was copied with the one before, if one is left.
    #[inline(always)]
    pub(crate) fn poll_waiting(&mut self) -> Option<Received> {
        self.ahead.next(&mut self.cursor)
    }

    /// Copies the next message alone, but at most so many bytes of it, into the buffer.
    #[inline(always)]
    pub(super) fn poll_first(&mut self, most: usize) -> Result<Option<Received>> {
        self.ahead.forget();
        self.from_ahead = false;
        let topic = self.file.transport();
        let select = self.select(|| topic.state());
        let mut buffer = Start { buffer: &mut self.buffer, file: &self.file, most };
        match select.and_then(|select| topic.read(&mut self.cursor, select, &mut buffer)) {
            Ok(None) => Ok(None),
            Err(a0_core::Error::Contended) => self.poll_contended(most),
            Ok(received) => {
                self.first = First::Usual;
                Ok(received)
            }
            Err(source) => Err(unread(&self.file, source)),
        }
    }

    /// The same under the lock, which only a wait waits for.
    #[cold]
    #[inline(never)]
    fn poll_contended(&mut self, most: usize) -> Result<Option<Received>> {
        self.from_ahead = false;
        if self.file.mode() == Mode::ReadOnly {
            return Ok(None);
        }
        let locked = lock_to_read(&self.file, self.patience)?;
        self.contended = locked.is_none();
        let Some(locked) = locked else { return Ok(None) };
        let select = self.select(|| Ok(locked.state()));
        let mut buffer = Start { buffer: &mut self.buffer, file: &self.file, most };
        let received = select.and_then(|select| locked.receive(&mut self.cursor, select, &mut buffer));
        drop(locked);
        let received = received.map_err(|source| unread(&self.file, source))?;
        if received.is_some() {
            self.first = First::Usual;
        }
        Ok(received)
    }

    /// Whether the last poll found nothing only because somebody else held the lock: then looking for news is no use.
    pub(crate) fn take_contended(&mut self) -> bool {
        std::mem::take(&mut self.contended)
    }

    /// The message that [`Feed::poll`] or [`Feed::wait`] has copied.
    #[inline]
    pub(crate) fn message(&self, received: Received) -> Result<Message<'_>> {
        let bytes = if self.from_ahead { self.ahead.bytes() } else { self.buffer.first(received.len) };
        parse(&self.file, bytes, received)
    }

    /// Hands out the next message in place, under the lock; nothing if that is not to be had.
    pub(crate) fn poll_in_place<R>(&mut self, look: impl FnOnce(Message<'_>) -> R) -> Result<Option<R>> {
        self.ahead.forget();
        if !self.file.transport().may_have_news(&self.cursor) {
            return Ok(None);
        }
        let locked = lock_to_read(&self.file, self.patience)?;
        self.contended = locked.is_none();
        let Some(locked) = locked else { return Ok(None) };
        let select = self.select(|| Ok(locked.state())).map_err(|source| self.file.error(source))?;
        let (file, first) = (&self.file, &mut self.first);
        let found = slices::look(&locked, &mut self.cursor, select, |received, bytes| {
            *first = First::Usual;
            parse(file, bytes, received).map(look)
        });
        drop(locked);
        found.map_err(|source| self.file.error(source))?.transpose()
    }

    /// Waits for the next message and copies it into the buffer.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Result<Received> {
        self.wait_with(timeout, Feed::poll)
    }

    /// Waits for messages to be taken together, and copies the first ones.
    pub(crate) fn wait_for_batch(&mut self, timeout: Option<Duration>) -> Result<Received> {
        if let Some(found) = self.poll_ahead()? {
            self.start_over();
            return Ok(found);
        }
        self.wait.let_some_come(timeout);
        self.wait_with(timeout, Feed::poll_ahead)
    }

    /// As [`Feed::wait`] for a caller whose own wait goes on: what was looked for in vain since the last message is slept for.
    pub(crate) fn wait_on(&mut self, timeout: Duration) -> Result<Received> {
        self.wait_until_found(Some(timeout), Feed::poll)
    }

    /// Waits until `poll` gives something.
    #[inline]
    pub(crate) fn wait_with<T>(
        &mut self,
        timeout: Option<Duration>,
        poll: impl FnMut(&mut Feed) -> Result<Option<T>>,
    ) -> Result<T> {
        self.spin = self.wait.spin();
        self.wait_until_found(timeout, poll)
    }

    #[inline]
    fn wait_until_found<T>(
        &mut self,
        timeout: Option<Duration>,
        mut poll: impl FnMut(&mut Feed) -> Result<Option<T>>,
    ) -> Result<T> {
        if let Some(found) = poll(self)? {
            self.start_over();
            return Ok(found);
        }
        // A wait without an end needs no clock.
        let limit = timeout.map(|timeout| (Instant::now(), timeout));
        let mut left = timeout.unwrap_or(Duration::MAX);
        loop {
            if self.interrupter.is_interrupted() {
                return Err(Error::Interrupted { path: self.file.path().to_owned() });
            }
            if let Some((started, _)) = limit
                && left.is_zero()
            {
                return Err(Error::Timeout { path: self.file.path().to_owned(), waited: started.elapsed() });
            }
            self.rest(left)?;
            self.patience = left.min(TURN);
            let found = poll(self);
            self.patience = Duration::ZERO;
            if let Some(found) = found? {
                self.start_over();
                return Ok(found);
            }
            self.look_after_the_file()?;
            if let Some((started, timeout)) = limit {
                left = timeout.saturating_sub(started.elapsed());
            }
        }
    }

    /// Begins anew with looking, and with short sleeps.
    #[inline]
    fn start_over(&mut self) {
        self.spin = self.wait.spin();
        self.sleep = SHORTEST_SLEEP;
    }

    /// Finds out, while there is nothing else to do, that the file was removed: then nothing will ever come.
    pub(crate) fn look_after_the_file(&mut self) -> Result<()> {
        let now = Instant::now();
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + FILE_CHECK_INTERVAL;
        self.file.check_is_there()
    }

    /// Goes on with all of the file that has the name of the removed one now; gives whether there is one.
    pub(crate) fn move_on(&mut self) -> Result<bool> {
        let Some(file) = self.file.successor()? else { return Ok(false) };
        let init = match self.iter {
            Iter::Next => Init::Oldest,
            Iter::Newest => Init::MostRecent,
        };
        let interrupter = self.interrupter.moved_to(&file);
        let options = ReaderOptions::default().init(init).iter(self.iter).wait(self.wait);
        *self = Feed { interrupter, ..Feed::new(&file, &options)? };
        self.start_threaded();
        Ok(true)
    }

    /// Looks, then sleeps. Returns as soon as there may be news, and now and then.
    fn rest(&mut self, at_most: Duration) -> Result<()> {
        let spin = self.spin.min(at_most).min(FILE_CHECK_INTERVAL);
        if !spin.is_zero() {
            if self.spin_for(spin) {
                return Ok(());
            }
            self.spin -= spin;
        }
        let left = at_most.saturating_sub(spin);
        if self.spin.is_zero() && !left.is_zero() { self.sleep(left) } else { Ok(()) }
    }

    /// Looks for a moment; whether there may be news.
    fn spin_for(&self, at_most: Duration) -> bool {
        let topic = self.file.transport();
        let started = Instant::now();
        let mut looks = LOOKS;
        loop {
            if topic.spin_for_news(&self.cursor, looks) {
                return true;
            }
            let looked = started.elapsed();
            if looked > at_most || self.interrupter.is_interrupted() {
                return false;
            }
            if Wait::relax(looked) {
                looks = 1;
            }
        }
    }

    fn sleep(&mut self, at_most: Duration) -> Result<()> {
        if self.file.mode() == Mode::ReadOnly {
            self.interrupter.pause(at_most.min(POLL));
            return Ok(());
        }
        let (topic, cursor, interrupter) = (self.file.transport(), &self.cursor, &self.interrupter);
        let slept =
            topic.sleep(at_most.min(self.sleep), || topic.may_have_news(cursor) || interrupter.is_interrupted());
        self.sleep = (self.sleep * 2).min(LONGEST_SLEEP);
        slept.map_err(|source| self.file.error(source))
    }

    /// Waits after an error that may last.
    pub(crate) fn pause_after(&self, error: &Error) {
        let passing = match error {
            Error::BadMessage { .. } => true,
            Error::Topic { cause, .. } => {
                matches!(cause, a0_core::Error::Corrupt(_) | a0_core::Error::Lock(LockError::TimedOut { .. }))
            }
            _ => false,
        };
        if !passing {
            self.interrupter.pause(LONGEST_SLEEP);
        }
    }
}

fn parse<'a>(file: &File, bytes: &'a [u8], received: Received) -> Result<Message<'a>> {
    let Received { seq, missed, .. } = received;
    match PacketView::parse(bytes) {
        Ok(packet) => Ok(Message { packet, seq, missed }),
        Err(cause) => Err(Error::BadMessage { path: file.path().to_owned(), seq, missed, cause }),
    }
}

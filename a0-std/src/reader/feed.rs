//! The engine of every reader: it polls for messages from its [`Place`], keeps [`Copies`] of them, and waits as its [`Waiter`]
//! does.

use std::time::{Duration, Instant};

use a0_core::{Cursor, LockError, Received};
use a0_linux::Mode;

use crate::error::{Error, Result};
use crate::file::{File, SharedLocked, coarse_now};
use crate::message::Message;
use crate::packet::PacketView;
use crate::reader::copies::{Copied, Copies, uncopied};
use crate::reader::place::Place;
use crate::reader::removal_check::RemovalCheck;
use crate::reader::view::HEAD;
use crate::reader::waiter::Waiter;
use crate::reader::{Init, Interrupter, Iter, ReaderOptions};

/// How long a wait that finds the lock held queues for it in one go: so late it notices that it is over.
const LOCK_TIMEOUT: Duration = Duration::from_millis(10);

/// The engine of one reader.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(super) file: File,
    pub(super) place: Place,
    pub(super) copies: Copies,
    waiter: Waiter,
    /// Size of the first copy that [`Feed::poll_view`] makes: a guess at what precedes the next payload, taken from the last
    /// message. Invariant: <= [`HEAD`].
    pub(super) head: usize,
    /// How long a poll waits for the lock where it cannot do without: not at all, unless it is part of a wait.
    pub(super) lock_timeout: Duration,
    /// Whether there is something that only the lock's holder can read, and somebody else held it.
    pub(super) contended: bool,
    removal_check: RemovalCheck,
}

/// Takes the lock; `None` if somebody keeps it for longer than that.
pub(super) fn lock_to_read(file: &File, lock_timeout: Duration) -> Result<Option<SharedLocked<'_>>> {
    match file.transport().lock(Some(lock_timeout)) {
        Ok(locked) => Ok(Some(locked)),
        Err(a0_core::Error::Lock(LockError::TimedOut { .. })) => Ok(None),
        Err(cause) => Err(file.error(cause)),
    }
}

impl Feed {
    pub(crate) fn new(file: &File, options: &ReaderOptions) -> Result<Feed> {
        Feed::with_interrupter(file, options, Interrupter::new(file))
    }

    fn with_interrupter(file: &File, options: &ReaderOptions, interrupter: Interrupter) -> Result<Feed> {
        let place = Place::new(&file.state()?, options);
        Ok(Feed {
            file: file.clone(),
            copies: Copies::new(place.cursor),
            place,
            waiter: Waiter::new(options.wait, interrupter),
            head: HEAD,
            lock_timeout: Duration::ZERO,
            contended: false,
            removal_check: RemovalCheck::default(),
        })
    }

    /// Starts as threaded readers do, see [`Place::start_threaded`].
    pub(crate) fn start_threaded(&mut self) {
        self.place.start_threaded(&self.file);
    }

    /// Goes on from `cursor`.
    pub(crate) fn place_at(&mut self, cursor: Cursor) {
        self.place.move_to(cursor);
        self.copies.batch.forget();
        self.waiter.start_over();
    }

    /// Returns the place behind the last message.
    pub(crate) fn cursor(&self) -> Cursor {
        self.place.cursor
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn interrupter(&self) -> &Interrupter {
        &self.waiter.interrupter
    }

    pub(crate) fn can_read(&self) -> Result<bool> {
        let can_read = self.file.transport().has_news(&self.place.cursor).map_err(|cause| self.file.error(cause))?;
        if !can_read {
            self.file.look_now_and_then(coarse_now())?;
        }
        Ok(can_read)
    }

    /// Returns what a read that does not wait has found. If that is nothing, this notices, now and then, that nothing will ever
    /// come.
    #[inline]
    pub(crate) fn or_removed<T>(&mut self, found: Option<T>) -> Result<Option<T>> {
        if found.is_none() {
            self.removal_check.look(&self.file)?;
        }
        Ok(found)
    }

    /// Copies the next message. It was there during the call.
    #[inline(always)]
    pub(crate) fn poll(&mut self) -> Result<Option<Copied>> {
        self.poll_first(usize::MAX)
    }

    /// Copies the next message, or hands out one that was copied with the one before.
    #[inline(always)]
    pub(crate) fn poll_ahead(&mut self) -> Result<Option<Copied>> {
        if let Some(copied) = self.poll_waiting() {
            return Ok(Some(copied));
        }
        if !self.place.allows_batch() {
            return self.poll();
        }
        match self.copies.batch.read(self.file.transport(), &mut self.place.cursor) {
            Ok(found) => Ok(found.map(Copied::in_batch)),
            Err(a0_core::Error::BufferTooSmall { .. }) => self.poll(),
            Err(a0_core::Error::Contended) => self.poll_contended(usize::MAX),
            Err(cause) => Err(self.file.error(cause)),
        }
    }

    /// Hands out a message that was copied with the one before, if one is left.
    #[inline(always)]
    pub(crate) fn poll_waiting(&mut self) -> Option<Copied> {
        self.copies.batch.next(&mut self.place.cursor).map(Copied::in_batch)
    }

    /// Copies the next message alone, but at most so many bytes of it.
    #[inline(always)]
    pub(super) fn poll_first(&mut self, most: usize) -> Result<Option<Copied>> {
        self.copies.batch.forget();
        let topic = self.file.transport();
        let select = self.place.select(|| topic.state());
        let mut buffer = self.copies.prefix(&self.file, most);
        match select.and_then(|select| topic.read(&mut self.place.cursor, select, &mut buffer)) {
            Ok(None) => Ok(None),
            Err(a0_core::Error::Contended) => self.poll_contended(most),
            Ok(Some(received)) => {
                self.place.has_taken();
                Ok(Some(Copied::alone(received)))
            }
            Err(cause) => Err(uncopied(&self.file, cause)),
        }
    }

    /// The same under the lock, which only a wait waits for.
    #[cold]
    #[inline(never)]
    fn poll_contended(&mut self, most: usize) -> Result<Option<Copied>> {
        if self.file.mode() == Mode::ReadOnly {
            return Ok(None);
        }
        let locked = lock_to_read(&self.file, self.lock_timeout)?;
        self.contended = locked.is_none();
        let Some(locked) = locked else { return Ok(None) };
        let select = self.place.select(|| Ok(locked.state()));
        let mut buffer = self.copies.prefix(&self.file, most);
        let received = select.and_then(|select| locked.receive(&mut self.place.cursor, select, &mut buffer));
        drop(locked);
        let received = received.map_err(|cause| uncopied(&self.file, cause))?;
        if received.is_some() {
            self.place.has_taken();
        }
        Ok(received.map(Copied::alone))
    }

    /// Whether the last poll found nothing only because somebody else held the lock: then looking for news is no use.
    pub(crate) fn take_contended(&mut self) -> bool {
        std::mem::take(&mut self.contended)
    }

    /// Returns the message that was copied.
    #[inline]
    pub(crate) fn message(&self, copied: &Copied) -> Result<Message<'_>> {
        parse(&self.file, self.copies.bytes(copied), copied)
    }

    /// Waits for the next message and copies it into the buffer.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Result<Copied> {
        self.wait_with(timeout, Feed::poll)
    }

    /// Waits for messages to be taken together, and copies the first ones.
    pub(crate) fn wait_for_batch(&mut self, timeout: Option<Duration>) -> Result<Copied> {
        if let Some(found) = self.poll_ahead()? {
            self.waiter.start_over();
            return Ok(found);
        }
        self.waiter.wait.let_some_come(timeout);
        self.wait_with(timeout, Feed::poll_ahead)
    }

    /// As [`Feed::wait`] for a caller whose own wait goes on: what was looked for in vain since the last message is slept for.
    pub(crate) fn wait_on(&mut self, timeout: Duration) -> Result<Copied> {
        self.wait_until_found(Some(timeout), Feed::poll)
    }

    /// Waits until `poll` gives something.
    #[inline]
    pub(crate) fn wait_with<T>(
        &mut self,
        timeout: Option<Duration>,
        poll: impl FnMut(&mut Feed) -> Result<Option<T>>,
    ) -> Result<T> {
        self.waiter.refill();
        self.wait_until_found(timeout, poll)
    }

    #[inline]
    fn wait_until_found<T>(
        &mut self,
        timeout: Option<Duration>,
        mut poll: impl FnMut(&mut Feed) -> Result<Option<T>>,
    ) -> Result<T> {
        if let Some(found) = poll(self)? {
            self.waiter.start_over();
            return Ok(found);
        }
        // A wait without an end needs no clock.
        let limit = timeout.map(|timeout| (Instant::now(), timeout));
        let mut left = timeout.unwrap_or(Duration::MAX);
        loop {
            if self.waiter.interrupter.is_interrupted() {
                return Err(Error::Interrupted { path: self.file.path().to_owned() });
            }
            if let Some((started, _)) = limit
                && left.is_zero()
            {
                return Err(Error::Timeout { path: self.file.path().to_owned(), waited: started.elapsed() });
            }
            self.waiter.rest(&self.file, &self.place.cursor, left)?;
            self.lock_timeout = left.min(LOCK_TIMEOUT);
            let found = poll(self);
            self.lock_timeout = Duration::ZERO;
            if let Some(found) = found? {
                self.waiter.start_over();
                return Ok(found);
            }
            self.look_after_the_file()?;
            if let Some((started, timeout)) = limit {
                left = timeout.saturating_sub(started.elapsed());
            }
        }
    }

    /// Notices, while there is nothing else to do, that the file was removed: then nothing will ever come.
    pub(crate) fn look_after_the_file(&mut self) -> Result<()> {
        self.waiter.check_file(&self.file)
    }

    /// Pauses after an error that may last.
    pub(crate) fn pause_after(&self, error: &Error) {
        self.waiter.pause_after(error);
    }

    /// Goes on with all of the file that has the name of the removed one now; gives whether there is one.
    pub(crate) fn move_on(&mut self) -> Result<bool> {
        let Some(file) = self.file.successor()? else { return Ok(false) };
        let init = match self.place.iter() {
            Iter::Next => Init::Oldest,
            Iter::Newest => Init::MostRecent,
        };
        let interrupter = self.interrupter().moved_to(&file);
        let options = ReaderOptions::default().init(init).iter(self.place.iter()).wait(self.waiter.wait);
        *self = Feed::with_interrupter(&file, &options, interrupter)?;
        self.start_threaded();
        Ok(true)
    }
}

pub(super) fn parse<'a>(file: &File, bytes: &'a [u8], received: &Received) -> Result<Message<'a>> {
    let Received { seq, missed, .. } = *received;
    match PacketView::parse(bytes) {
        Ok(packet) => Ok(Message { packet, seq, missed }),
        Err(cause) => Err(Error::BadMessage { path: file.path().to_owned(), seq, missed, cause }),
    }
}

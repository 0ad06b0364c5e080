//! Reading messages where they lie: without the lock, to be checked afterwards, or under it.

use a0_core::{Mem, Received};

use crate::error::{Error, Result};
use crate::message::Message;
use crate::reader::feed::{Feed, lock_to_read, parse};
use crate::reader::view::{CACHE_LINE, HEAD, View, head_len};
use crate::slices;

impl Feed {
    /// Hands out a view of the next message, without the lock.
    pub(crate) fn poll_view<R>(&mut self, look: impl FnOnce(View<'_>) -> R) -> Result<Option<R>> {
        let most = self.head;
        let before = self.place.cursor;
        let Some(copied) = self.poll_first(most)? else { return Ok(None) };
        let received = *copied;
        let topic = self.file.transport();
        // Where the lock is needed to read, it is needed until the end.
        let locked = if topic.needs_lock_to_read() { lock_to_read(&self.file, self.lock_timeout)? } else { None };
        if topic.needs_lock_to_read() && locked.is_none() {
            self.place.cursor = before;
            return Ok(None);
        }
        let overwritten = || {
            let Received { seq, missed, .. } = received;
            Error::Overwritten { path: self.file.path().to_owned(), seq, missed }
        };

        let mut have = received.len.min(most);
        loop {
            let bytes = self.copies.alone.first(have);
            // If it says more than there is, it is no packet; then all of it says why.
            let needed = head_len(bytes).min(received.len);
            if needed <= have {
                have = needed;
                break;
            }
            let room = self.copies.alone.room(&self.file, received.offset, needed);
            let copied = room.map(|room| topic.mem().read(received.offset, room));
            if !topic.is_intact(&received) {
                return Err(overwritten());
            }
            // Where so much cannot be had, what there is is no packet.
            if copied.is_none() {
                break;
            }
            have = needed;
        }
        self.head = have.next_multiple_of(CACHE_LINE).min(HEAD);
        let head = parse(&self.file, self.copies.alone.first(have), &received)?.packet;
        let result = look(View { head, topic, received });
        let intact = topic.is_intact(&received);
        drop(locked);
        if intact { Ok(Some(result)) } else { Err(overwritten()) }
    }

    /// Hands out the next message in place, under the lock; nothing if that is not to be had.
    pub(crate) fn poll_in_place<R>(&mut self, look: impl FnOnce(Message<'_>) -> R) -> Result<Option<R>> {
        self.copies.batch.forget();
        if !self.file.transport().may_have_news(&self.place.cursor) {
            return Ok(None);
        }
        let locked = lock_to_read(&self.file, self.lock_timeout)?;
        self.contended = locked.is_none();
        let Some(locked) = locked else { return Ok(None) };
        let select = self.place.select(|| Ok(locked.state())).map_err(|cause| self.file.error(cause))?;
        let (file, mut taken) = (&self.file, false);
        let found = slices::look(&locked, &mut self.place.cursor, select, |received, bytes| {
            taken = true;
            parse(file, bytes, &received).map(look)
        });
        drop(locked);
        if taken {
            self.place.has_taken();
        }
        found.map_err(|cause| self.file.error(cause))?.transpose()
    }
}

//! Readers that read when asked to.

use std::time::Duration;

use crate::error::Result;
use crate::file::File;
use crate::message::Message;
use crate::reader::copies::Copied;
use crate::reader::feed::Feed;
use crate::reader::view::View;
use crate::reader::{Interrupter, ReaderOptions};

/// Reads packets from a file when asked to; takes no lock. See [`SubscriberSync`](crate::SubscriberSync), which is the
/// same by topic name.
#[derive(Debug)]
pub struct ReaderSync {
    feed: Feed,
}

impl ReaderSync {
    /// A reader of this file.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic).
    pub fn new(file: &File, options: impl Into<ReaderOptions>) -> Result<ReaderSync> {
        Ok(ReaderSync { feed: Feed::new(file, &options.into())? })
    }

    /// Whether [`ReaderSync::read`] would give a message.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic), [`Error::TopicRemoved`](crate::Error::TopicRemoved).
    pub fn can_read(&self) -> Result<bool> {
        self.feed.can_read()
    }

    /// The next message, or `None` if there is none yet.
    ///
    /// # Errors
    /// [`Error::BadMessage`](crate::Error::BadMessage) for a message that is no packet,
    /// [`Error::Topic`](crate::Error::Topic) for damaged content; the next call goes on behind it.
    /// [`Error::TopicRemoved`](crate::Error::TopicRemoved) when everything is read and nothing more can come, because the file
    /// was removed: noticed after about 100 ms, or 16 reads.
    pub fn read(&mut self) -> Result<Option<Message<'_>>> {
        let found = self.feed.poll()?;
        match self.feed.or_removed(found)? {
            Some(copied) => self.feed.message(&copied).map(Some),
            None => Ok(None),
        }
    }

    /// Hands the messages that are there to `each`, 16 of them at most; see
    /// [`SubscriberSync::read_batch`](crate::SubscriberSync::read_batch).
    ///
    /// # Errors
    /// As [`ReaderSync::read`], for the first one only.
    pub fn read_batch(&mut self, each: impl FnMut(Result<Message<'_>>)) -> Result<usize> {
        let found = self.feed.poll_ahead()?;
        let first = self.feed.or_removed(found)?;
        Ok(first.map_or(0, |first| self.hand_out(first, each)))
    }

    /// Waits for messages, at most `timeout` (a `Duration`, or `None` for as long as it takes), and hands those that are there
    /// to `each`, 16 of them at most; see
    /// [`SubscriberSync::read_batch_blocking`](crate::SubscriberSync::read_batch_blocking).
    ///
    /// # Errors
    /// As [`ReaderSync::read_blocking`], for the first one only.
    pub fn read_batch_blocking(
        &mut self,
        timeout: impl Into<Option<Duration>>,
        each: impl FnMut(Result<Message<'_>>),
    ) -> Result<usize> {
        let first = self.feed.wait_for_batch(timeout.into())?;
        Ok(self.hand_out(first, each))
    }

    /// Hands out a message and those that were copied with it; gives how many.
    #[inline]
    fn hand_out(&mut self, first: Copied, mut each: impl FnMut(Result<Message<'_>>)) -> usize {
        let (mut next, mut count) = (Some(first), 0);
        while let Some(copied) = next {
            each(self.feed.message(&copied));
            count += 1;
            next = self.feed.poll_waiting();
        }
        count
    }

    /// The next message; waits for it, at most `timeout` (a `Duration`, or `None` for as long as it takes).
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout), [`Error::Interrupted`](crate::Error::Interrupted),
    /// [`Error::TopicRemoved`](crate::Error::TopicRemoved), or as [`ReaderSync::read`].
    pub fn read_blocking(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Message<'_>> {
        let copied = self.feed.wait(timeout.into())?;
        self.feed.message(&copied)
    }

    /// Looks at the next message without copying it and without the lock; see
    /// [`SubscriberSync::read_in_place`](crate::SubscriberSync::read_in_place).
    ///
    /// # Errors
    /// [`Error::Overwritten`](crate::Error::Overwritten), or as [`ReaderSync::read`].
    pub fn read_in_place<R>(&mut self, look: impl FnOnce(View<'_>) -> R) -> Result<Option<R>> {
        let found = self.feed.poll_view(look)?;
        self.feed.or_removed(found)
    }

    /// Waits for the next message, at most `timeout` (a `Duration`, or `None` for as long as it takes), and looks at it
    /// without copying it and without the lock.
    ///
    /// # Errors
    /// [`Error::Overwritten`](crate::Error::Overwritten), or as [`ReaderSync::read_blocking`].
    pub fn read_in_place_blocking<R>(
        &mut self,
        timeout: impl Into<Option<Duration>>,
        look: impl FnOnce(View<'_>) -> R,
    ) -> Result<R> {
        let mut look = Some(look);
        self.feed.wait_with(timeout.into(), |feed| {
            feed.poll_view(|view| look.take().map(|look| look(view))).map(Option::flatten)
        })
    }

    /// Looks at the next message in place, under the lock; see
    /// [`SubscriberSync::read_locked`](crate::SubscriberSync::read_locked).
    ///
    /// # Errors
    /// As [`ReaderSync::read`], and those of locking; read-only files cannot be locked.
    pub fn read_locked<R>(&mut self, look: impl FnOnce(Message<'_>) -> R) -> Result<Option<R>> {
        let found = self.feed.poll_in_place(look)?;
        self.feed.or_removed(found)
    }

    /// A handle for other threads that ends a blocked read.
    pub fn interrupter(&self) -> Interrupter {
        self.feed.interrupter().clone()
    }

    /// The file.
    pub fn file(&self) -> &File {
        self.feed.file()
    }
}

/// Like [`ReaderSync`], but hands out messages in place while holding the lock. See
/// [`SubscriberSyncZeroCopy`](crate::SubscriberSyncZeroCopy), which is the same by topic name.
#[derive(Debug)]
pub struct ReaderSyncZeroCopy {
    feed: Feed,
}

impl ReaderSyncZeroCopy {
    /// A reader of this file.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic).
    pub fn new(file: &File, options: impl Into<ReaderOptions>) -> Result<ReaderSyncZeroCopy> {
        Ok(ReaderSyncZeroCopy { feed: Feed::new(file, &options.into())? })
    }

    /// Whether [`ReaderSyncZeroCopy::read`] would find a message.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic), [`Error::TopicRemoved`](crate::Error::TopicRemoved).
    pub fn can_read(&self) -> Result<bool> {
        self.feed.can_read()
    }

    /// Looks at the next message in place; `None` if there is none yet, or somebody else holds the lock, for which it does not
    /// wait. The file is locked while `look` runs.
    ///
    /// # Errors
    /// As [`ReaderSync::read`]; read-only files cannot be locked.
    pub fn read<R>(&mut self, look: impl FnOnce(Message<'_>) -> R) -> Result<Option<R>> {
        let found = self.feed.poll_in_place(look)?;
        self.feed.or_removed(found)
    }

    /// Looks at the next message in place; waits for it, at most `timeout`.
    ///
    /// # Errors
    /// As [`ReaderSync::read_blocking`].
    pub fn read_blocking<R>(
        &mut self,
        timeout: impl Into<Option<Duration>>,
        look: impl FnOnce(Message<'_>) -> R,
    ) -> Result<R> {
        let mut look = Some(look);
        self.feed.wait_with(timeout.into(), |feed| {
            feed.poll_in_place(|message| look.take().map(|look| look(message))).map(Option::flatten)
        })
    }

    /// A handle for other threads that ends a blocked read.
    pub fn interrupter(&self) -> Interrupter {
        self.feed.interrupter().clone()
    }

    /// The file.
    pub fn file(&self) -> &File {
        self.feed.file()
    }
}

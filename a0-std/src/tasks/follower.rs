//! A reader that never waits, but has itself told when to look again.

use crate::error::{Error, Result};
use crate::file::File;
use crate::message::Message;
use crate::reader::ReaderOptions;
use crate::reader::copies::Copied;
use crate::reader::feed::Feed;
use crate::tasks::helper::{Bell, Tell};

/// Reads what is there, and goes on with the topic that takes the place of a removed one.
#[derive(Debug)]
pub(crate) struct Follower {
    feed: Feed,
    bell: Bell,
    /// The file is gone, and its reader has been told so since the last message.
    removed: bool,
}

impl Follower {
    pub(crate) fn new(file: &File, options: &ReaderOptions) -> Result<Follower> {
        let mut feed = Feed::new(file, options)?;
        feed.start_threaded();
        Ok(Follower { feed, bell: Bell::default(), removed: false })
    }

    /// The next message. If there is none, `tell` says who is to be told when to ask again.
    pub(crate) fn next(&mut self, tell: impl FnOnce() -> Tell) -> Result<Option<Copied>> {
        loop {
            if let Some(copied) = self.feed.poll_ahead()? {
                // From somebody who had not noticed, if the removal was told before; then it is told again behind that.
                self.removed = false;
                return Ok(Some(copied));
            }
            if self.removed {
                // What cannot be opened now may be sound by the next look.
                if matches!(self.feed.move_on(), Ok(true)) {
                    self.removed = false;
                    continue;
                }
            } else if let Err(error) = self.feed.look_after_the_file() {
                self.removed = matches!(error, Error::TopicRemoved { .. });
                return Err(error);
            }
            let contended = self.feed.take_contended();
            self.bell.set(self.feed.file(), self.feed.cursor(), contended, tell())?;
            return Ok(None);
        }
    }

    pub(crate) fn message(&self, copied: &Copied) -> Result<Message<'_>> {
        self.feed.message(copied)
    }

    pub(crate) fn file(&self) -> &File {
        self.feed.file()
    }
}

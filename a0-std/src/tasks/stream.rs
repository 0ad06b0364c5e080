//! Messages as a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::error::Result;
use crate::file::File;
use crate::reader::ReaderOptions;
use crate::tasks::follower::Follower;
use crate::tasks::helper::Tell;
use crate::tasks::message_buf::MessageBuf;
use crate::topic::Protocol;

/// Messages that a stream hands out before it lets other tasks run.
const TURN: u32 = 64;

/// The messages of a topic as a stream, for any async runtime. It never ends; dropping it is all that stops it.
///
/// All streams of a process are waited for by one thread, which wakes their tasks. A forked child
/// has one of its own; a stream that it has inherited goes on in both, each for itself.
/// A message that is there is taken without that thread, and without a lock. Where messages come faster than they are taken, other
/// tasks have their turn every 64 of them. What a task does not take in time may be overwritten:
/// [`MessageBuf::missed`] counts that.
///
/// If the topic is removed, the stream gives [`Error::TopicRemoved`](crate::Error::TopicRemoved) within about two
/// seconds, again behind what somebody still publishes on the old file, and goes on with all of the one that takes its place. Other errors are those of
/// [`SubscriberSync::read`](crate::SubscriberSync::read); the stream goes on behind them.
///
/// ```
/// use a0_std::{Init, Publisher, SubscriberStream};
/// use smol::stream::StreamExt;
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// let mut news = SubscriberStream::new("news", Init::Oldest)?;
/// Publisher::new("news")?.publish("hello")?;
/// smol::block_on(async {
///     let message = news.next().await.expect("it never ends")?;
///     assert_eq!(message.payload(), b"hello");
///     Ok::<(), a0_std::Error>(())
/// })?;
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct SubscriberStream {
    follower: Follower,
    /// Messages handed out since other tasks could run.
    given: u32,
}

impl SubscriberStream {
    /// Subscribes, as [`Subscriber::new`](crate::Subscriber::new) does. The option [`Wait`](crate::Wait) says nothing here.
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv), or as [`File::open`].
    pub fn new(topic: &str, options: impl Into<ReaderOptions>) -> Result<SubscriberStream> {
        let options = options.into();
        SubscriberStream::from_file(&File::open(Protocol::PubSub.path(topic)?, &options.file)?, options)
    }

    /// The messages in any file.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic).
    pub fn from_file(file: &File, options: impl Into<ReaderOptions>) -> Result<SubscriberStream> {
        Ok(SubscriberStream { follower: Follower::new(file, &options.into())?, given: 0 })
    }

    /// The file that is read now.
    pub fn file(&self) -> &File {
        self.follower.file()
    }
}

impl Stream for SubscriberStream {
    type Item = Result<MessageBuf>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<MessageBuf>>> {
        let SubscriberStream { follower, given } = self.get_mut();
        if *given == TURN {
            *given = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        *given += 1;
        match follower.next(|| Tell::Task(context.waker().clone())) {
            Ok(None) => {
                *given = 0;
                Poll::Pending
            }
            Ok(Some(received)) => Poll::Ready(Some(follower.message(&received).map(MessageBuf::from))),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

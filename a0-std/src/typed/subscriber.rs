//! Receives values of one type.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::file::File;
use crate::pubsub::{Subscriber, SubscriberSync};
use crate::reader::{Interrupter, ReaderOptions};
use crate::typed::{Schema, TypedMessage, decode};

/// A [`Subscriber`] to `T`s, encoded by a [`Codec`]: calls back for every value, on a thread of its own, until it is
/// dropped.
///
/// ```
/// use a0_std::codec::Json;
/// use a0_std::{Init, Publisher, Schema, TypedPublisher, TypedSubscriber};
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Celsius(f64);
///
/// impl Schema for Celsius {
///     const NAME: &'static str = "Celsius";
/// }
///
/// Publisher::new("engine/temperature")?.publish("hot")?;
/// TypedPublisher::<Celsius, Json>::new("engine/temperature")?.publish(&Celsius(25.5))?;
///
/// let (tell, told) = std::sync::mpsc::channel();
/// let _subscriber = TypedSubscriber::<Celsius, Json>::with_errors("engine/temperature", Init::Oldest, move |received| {
///     tell.send(received.map(|it| it.value.0).map_err(|error| error.to_string())).ok();
/// })?;
/// let error = told.recv().unwrap().unwrap_err();
/// assert!(error.ends_with("message 1 is (no content-type) (no schema), but application/json Celsius is expected"));
/// assert_eq!(told.recv().unwrap(), Ok(25.5));
/// # Ok::<(), a0_std::Error>(())
/// ```
#[must_use = "it calls back until it is dropped"]
pub struct TypedSubscriber<T, C> {
    subscriber: Subscriber,
    refused: Arc<AtomicU64>,
    of: PhantomData<fn(C) -> T>,
}

impl<T: Schema, C: Codec<T>> TypedSubscriber<T, C> {
    /// Subscribes; creates the topic if it does not exist. Passes over what is no `T`; options as for [`Subscriber::new`].
    ///
    /// # Errors
    /// As [`Subscriber::new`].
    pub fn new(
        topic: &str,
        options: impl Into<ReaderOptions>,
        mut callback: impl FnMut(TypedMessage<'_, T>) + Send + 'static,
    ) -> Result<TypedSubscriber<T, C>> {
        TypedSubscriber::with_errors(topic, options, move |received| {
            if let Ok(received) = received {
                callback(received);
            }
        })
    }

    /// Subscribes, and hears of messages that are no `T`s as well: [`Error::WrongType`], [`Error::BadPayload`],
    /// [`Error::BadMessage`]; and when the topic was removed.
    ///
    /// # Errors
    /// As [`Subscriber::new`].
    pub fn with_errors(
        topic: &str,
        options: impl Into<ReaderOptions>,
        mut callback: impl FnMut(Result<TypedMessage<'_, T>>) + Send + 'static,
    ) -> Result<TypedSubscriber<T, C>> {
        let options = options.into();
        let path = crate::topic::Protocol::PubSub.path(topic)?;
        let refused = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&refused);
        let subscriber = Subscriber::with_errors(topic, options, move |message| {
            let received = message.and_then(|message| decode::<T, C>(&path, message));
            if let Err(Error::WrongType { .. } | Error::BadPayload { .. }) = received {
                count.fetch_add(1, Ordering::Relaxed);
            }
            callback(received);
        })?;
        Ok(TypedSubscriber { subscriber, refused, of: PhantomData })
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.subscriber.file()
    }

    /// Messages skipped because they were no `T`s, no valid packets, or damaged.
    pub fn skipped(&self) -> u64 {
        self.subscriber.skipped() + self.refused.load(Ordering::Relaxed)
    }

    /// See [`Subscriber::close`].
    pub fn close(self) {}
}

impl<T, C> fmt::Debug for TypedSubscriber<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedSubscriber").field(&self.subscriber).finish()
    }
}

/// A [`SubscriberSync`] to `T`s, encoded by a [`Codec`]: reads when asked to.
///
/// For an example see [`TypedPublisher`](crate::TypedPublisher).
pub struct TypedSubscriberSync<T, C> {
    pub(super) subscriber: SubscriberSync,
    of: PhantomData<fn(C) -> T>,
}

impl<T: Schema, C: Codec<T>> TypedSubscriberSync<T, C> {
    /// Subscribes; creates the topic if it does not exist. Options as for [`Subscriber::new`]; `()` for the default.
    ///
    /// # Errors
    /// As [`SubscriberSync::new`].
    pub fn new(topic: &str, options: impl Into<ReaderOptions>) -> Result<TypedSubscriberSync<T, C>> {
        Ok(TypedSubscriberSync { subscriber: SubscriberSync::new(topic, options)?, of: PhantomData })
    }

    /// Whether [`TypedSubscriberSync::read`] would give a message or an error.
    ///
    /// # Errors
    /// As [`SubscriberSync::can_read`].
    pub fn can_read(&self) -> Result<bool> {
        self.subscriber.can_read()
    }

    /// The next value, or `None` if there is none yet. Takes no lock.
    ///
    /// # Errors
    /// [`Error::WrongType`] for a message that does not say that it is a `T` in this encoding, [`Error::BadPayload`] for
    /// one that says so and is not, or as [`SubscriberSync::read`]; the next call goes on behind it.
    pub fn read(&mut self) -> Result<Option<TypedMessage<'_, T>>> {
        let file = self.file().clone();
        self.subscriber.read()?.map(|message| decode::<T, C>(file.path(), message)).transpose()
    }

    /// The next value; waits for it, at most `timeout` (a `Duration`, or `None` for as long as it takes).
    ///
    /// # Errors
    /// As [`TypedSubscriberSync::read`] and [`SubscriberSync::read_blocking`].
    pub fn read_blocking(&mut self, timeout: impl Into<Option<Duration>>) -> Result<TypedMessage<'_, T>> {
        let file = self.file().clone();
        let message = self.subscriber.read_blocking(timeout)?;
        decode::<T, C>(file.path(), message)
    }

    /// A handle for other threads that ends a blocked read.
    pub fn interrupter(&self) -> Interrupter {
        self.subscriber.interrupter()
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.subscriber.file()
    }
}

impl<T, C> fmt::Debug for TypedSubscriberSync<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedSubscriberSync").field(&self.subscriber).finish()
    }
}

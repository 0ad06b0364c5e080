//! Publishes values of one type.

use std::fmt;
use std::marker::PhantomData;

use a0_linux::FileOptions;

use crate::codec::{self, Codec};
use crate::error::{Error, Result};
use crate::file::File;
use crate::pubsub::Publisher;
use crate::typed::{Schema, expected};
use crate::writer::published::Published;

/// A [`Publisher`] of `T`s, encoded by a [`Codec`]. Every message says what it is: see [`codec`].
///
/// ```
/// use a0_std::codec::Json;
/// use a0_std::{Init, Schema, TypedPublisher, TypedSubscriberSync};
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct Pose {
///     frame: String,
///     position: [f64; 3],
/// }
///
/// impl Schema for Pose {
///     const NAME: &'static str = "nav.Pose.v1";
/// }
///
/// let publisher = TypedPublisher::<Pose, Json>::new("pose")?;
/// publisher.publish(&Pose { frame: "map".into(), position: [1.0, 2.0, 0.5] })?;
///
/// let mut subscriber = TypedSubscriberSync::<Pose, Json>::new("pose", Init::Oldest)?;
/// let received = subscriber.read()?.expect("one message is there");
/// assert_eq!(received.value.position[2], 0.5);
/// assert_eq!(received.message.header("schema"), Some("nav.Pose.v1"));
/// # Ok::<(), a0_std::Error>(())
/// ```
pub struct TypedPublisher<T, C> {
    publisher: Publisher,
    of: PhantomData<fn(T, C)>,
}

impl<T: Schema, C: Codec<T>> TypedPublisher<T, C> {
    /// Opens the topic, creating it with 16 MiB if it does not exist.
    ///
    /// # Errors
    /// As [`Publisher::new`].
    pub fn new(topic: &str) -> Result<TypedPublisher<T, C>> {
        TypedPublisher::with_options(topic, &FileOptions::default())
    }

    /// Opens the topic; the options say how it is created if it does not exist.
    ///
    /// # Errors
    /// As [`Publisher::new`].
    pub fn with_options(topic: &str, options: &FileOptions) -> Result<TypedPublisher<T, C>> {
        Ok(TypedPublisher { publisher: Publisher::with_options(topic, options)?, of: PhantomData })
    }

    /// Publishes a value.
    ///
    /// # Errors
    /// [`Error::NotEncodable`], or as [`Publisher::publish`].
    pub fn publish(&self, value: &T) -> Result<Published> {
        self.publish_with(&[], value)
    }

    /// Publishes a value with headers behind those that tell its type.
    ///
    /// # Errors
    /// [`Error::NotEncodable`], or as [`Publisher::publish_with`].
    pub fn publish_with(&self, headers: &[(&str, &str)], value: &T) -> Result<Published> {
        let payload = C::encode(value).map_err(|cause| Error::NotEncodable {
            path: self.file().path().to_owned(),
            expected: expected::<T, C>(),
            cause,
        })?;
        let typed = self.type_headers();
        if headers.is_empty() {
            return self.publisher.publish_with(&typed, payload);
        }
        self.publisher.publish_with(&[&typed, headers].concat(), payload)
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.publisher.file()
    }

    /// The publisher beneath, for what has no type.
    pub fn untyped(&self) -> &Publisher {
        &self.publisher
    }

    pub(super) fn type_headers(&self) -> [(&'static str, &'static str); 2] {
        [(codec::CONTENT_TYPE, C::CONTENT_TYPE), (codec::SCHEMA, T::NAME)]
    }
}

impl<T, C> fmt::Debug for TypedPublisher<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedPublisher").field(&self.publisher).finish()
    }
}

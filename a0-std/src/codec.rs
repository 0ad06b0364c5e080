//! How typed messages become bytes, and how they say what they are.
//!
//! A message of a [`TypedPublisher`](crate::TypedPublisher) carries two headers: [`CONTENT_TYPE`] with
//! [`Codec::CONTENT_TYPE`], and [`SCHEMA`] with [`Schema::NAME`](crate::Schema::NAME). Programs without typed messages,
//! C++ and Python ones among them, see them as any header, and can set them.
//!
//! | codec | content type | feature | for |
//! |---|---|---|---|
//! | [`Json`] | `application/json` | | whatever people should be able to read |
//! | `Postcard` | `application/x-postcard` | `postcard` | small and fast; both sides must have the same type |
//! | `MsgPack` | `application/vnd.msgpack` | `msgpack` | small, with field names; many languages read it |
//! | `Plain` | `application/octet-stream` | `zerocopy` | structs of fixed size, as they lie in memory |
//!
//! # Payloads from others
//!
//! A payload that is no value of the type is an error, never a panic. Length prefixes are not believed: a list that claims
//! more elements than there are bytes makes none of these allocate for it; only maps in postcard can make up to 1 MiB too much.
//! Types that contain themselves are safe in JSON and MessagePack, which allow 128 levels. Postcard has no such limit, nor
//! one on the number of elements that take no bytes: with that format, use neither where publishers are not trusted.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Key of the header that names the encoding of a payload: a media type, such as `application/json`.
pub const CONTENT_TYPE: &str = "content-type";

/// Key of the header that names the type of a payload: a [`Schema::NAME`](crate::Schema::NAME).
pub const SCHEMA: &str = "schema";

/// Why a value cannot be encoded, or a payload not be decoded.
pub type CodecError = Box<dyn std::error::Error + Send + Sync>;

/// A way to turn a `T` into bytes and back. Implement it for formats that are not here.
///
/// ```
/// use std::borrow::Cow;
/// use a0_std::codec::{Codec, CodecError};
///
/// /// Text as it is.
/// struct Text;
///
/// impl<T: AsRef<str> + for<'a> From<&'a str>> Codec<T> for Text {
///     const CONTENT_TYPE: &'static str = "text/plain";
///
///     fn encode(value: &T) -> Result<Cow<'_, [u8]>, CodecError> {
///         Ok(value.as_ref().as_bytes().into())
///     }
///
///     fn decode(payload: &[u8]) -> Result<T, CodecError> {
///         Ok(std::str::from_utf8(payload)?.into())
///     }
/// }
/// # assert_eq!(<Text as Codec<String>>::decode(&Text::encode(&"hello".to_owned())?)?, "hello");
/// # Ok::<(), CodecError>(())
/// ```
pub trait Codec<T> {
    /// What the header [`CONTENT_TYPE`] says of such payloads.
    const CONTENT_TYPE: &'static str;

    /// The payload for a value.
    ///
    /// # Errors
    /// The value cannot be expressed.
    fn encode(value: &T) -> Result<Cow<'_, [u8]>, CodecError>;

    /// The value in a payload, all of which belongs to it. The payload may be anything: no panics.
    ///
    /// # Errors
    /// It is no such value.
    fn decode(payload: &[u8]) -> Result<T, CodecError>;
}

/// JSON, by `serde_json`.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it names a format and has no state")]
pub struct Json;

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    const CONTENT_TYPE: &'static str = "application/json";

    fn encode(value: &T) -> Result<Cow<'_, [u8]>, CodecError> {
        Ok(serde_json::to_vec(value)?.into())
    }

    fn decode(payload: &[u8]) -> Result<T, CodecError> {
        Ok(serde_json::from_slice(payload)?)
    }
}

/// [Postcard](https://postcard.jamesmunns.com), whose messages say nothing of their structure. Feature `postcard`.
#[cfg(feature = "postcard")]
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it names a format and has no state")]
pub struct Postcard;

#[cfg(feature = "postcard")]
impl<T: Serialize + DeserializeOwned> Codec<T> for Postcard {
    const CONTENT_TYPE: &'static str = "application/x-postcard";

    fn encode(value: &T) -> Result<Cow<'_, [u8]>, CodecError> {
        Ok(postcard::to_allocvec(value)?.into())
    }

    fn decode(payload: &[u8]) -> Result<T, CodecError> {
        let (value, rest) = postcard::take_from_bytes(payload)?;
        all_read(rest).map(|()| value)
    }
}

/// [MessagePack](https://msgpack.org), structs as maps with field names. Feature `msgpack`.
#[cfg(feature = "msgpack")]
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it names a format and has no state")]
pub struct MsgPack;

#[cfg(feature = "msgpack")]
impl<T: Serialize + DeserializeOwned> Codec<T> for MsgPack {
    const CONTENT_TYPE: &'static str = "application/vnd.msgpack";

    fn encode(value: &T) -> Result<Cow<'_, [u8]>, CodecError> {
        Ok(rmp_serde::to_vec_named(value)?.into())
    }

    fn decode(payload: &[u8]) -> Result<T, CodecError> {
        use serde::Deserialize;
        use serde::de::IgnoredAny;
        // First only to see that what is announced is there: room is made for whatever a list's length says.
        let mut looking = rmp_serde::Deserializer::new(payload);
        looking.set_max_depth(DEPTH);
        IgnoredAny::deserialize(&mut looking)?;
        all_read(looking.get_ref())?;
        let mut reading = rmp_serde::Deserializer::from_read_ref(payload);
        reading.set_max_depth(DEPTH);
        Ok(T::deserialize(&mut reading)?)
    }
}

/// As many levels as JSON may have: enough, and far from the end of a thread's stack.
#[cfg(feature = "msgpack")]
const DEPTH: usize = 128;

#[cfg(any(feature = "msgpack", feature = "postcard"))]
fn all_read(rest: &[u8]) -> Result<(), CodecError> {
    match rest.len() {
        0 => Ok(()),
        more => Err(format!("{more} bytes are left over behind the value").into()),
    }
}

/// Plain data as it lies in memory, by the traits of the `zerocopy` crate. Feature `zerocopy`.
///
/// Use the integers of [`zerocopy::byteorder`], so that it means the same everywhere. With this codec, publishers and
/// subscribers can do without copies: see [`TypedPublisher::loan`](crate::TypedPublisher::loan) and
/// [`TypedSubscriberSync::read_locked`](crate::TypedSubscriberSync::read_locked).
#[cfg(feature = "zerocopy")]
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it names a format and has no state")]
pub struct Plain;

#[cfg(feature = "zerocopy")]
impl<T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable> Codec<T> for Plain {
    const CONTENT_TYPE: &'static str = "application/octet-stream";

    fn encode(value: &T) -> Result<Cow<'_, [u8]>, CodecError> {
        Ok(value.as_bytes().into())
    }

    fn decode(payload: &[u8]) -> Result<T, CodecError> {
        T::read_from_bytes(payload).map_err(|_| wrong_size::<T>(payload.len()))
    }
}

#[cfg(feature = "zerocopy")]
pub(crate) fn wrong_size<T>(len: usize) -> CodecError {
    format!("{len} bytes, where the type has {}", size_of::<T>()).into()
}

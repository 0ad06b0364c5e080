//! Publishers and subscribers of one type.

pub(crate) mod publisher;
pub(crate) mod subscriber;

#[cfg(feature = "zerocopy")]
mod plain;

use std::path::Path;

use crate::codec::{self, Codec};
use crate::error::{Error, Result};
use crate::message::Message;

/// The name of a type, by which publishers and subscribers know that they mean the same.
///
/// It is sent with every message. Give a type another name when its messages change in a way that the codec cannot bridge;
/// a version in it is a good habit.
pub trait Schema {
    /// The name, as `nav.Pose.v1`. No NUL in it.
    const NAME: &'static str;
}

/// A value that a typed subscriber received, with the message that brought it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TypedMessage<'a, T> {
    /// The value.
    pub value: T,
    /// The message: its headers, its place in the topic, and the encoded value.
    pub message: Message<'a>,
}

/// More of a foreign header than this is not worth showing.
const SHOWN: usize = 100;

fn expected<T: Schema, C: Codec<T>>() -> String {
    format!("{} {}", C::CONTENT_TYPE, T::NAME)
}

/// Looks at the headers alone. `place` is the sequence number and how many were missed.
fn check<T: Schema, C: Codec<T>>(
    path: &Path,
    place: (u64, u64),
    content_type: Option<&str>,
    schema: Option<&str>,
) -> Result<()> {
    if content_type == Some(C::CONTENT_TYPE) && schema == Some(T::NAME) {
        return Ok(());
    }
    let shown = |value: Option<&str>, missing: &str| match value {
        Some(value) => value.chars().take(SHOWN).flat_map(char::escape_debug).collect(),
        None => missing.to_owned(),
    };
    let found = format!("{} {}", shown(content_type, "(no content-type)"), shown(schema, "(no schema)"));
    Err(Error::WrongType { path: path.to_owned(), seq: place.0, missed: place.1, expected: expected::<T, C>(), found })
}

fn bad_payload<T: Schema, C: Codec<T>>(path: &Path, (seq, missed): (u64, u64), cause: codec::CodecError) -> Error {
    Error::BadPayload { path: path.to_owned(), seq, missed, expected: expected::<T, C>(), cause }
}

fn check_message<T: Schema, C: Codec<T>>(path: &Path, message: &Message<'_>) -> Result<()> {
    let place = (message.seq(), message.missed());
    check::<T, C>(path, place, message.header(codec::CONTENT_TYPE), message.header(codec::SCHEMA))
}

fn decode<'a, T: Schema, C: Codec<T>>(path: &Path, message: Message<'a>) -> Result<TypedMessage<'a, T>> {
    check_message::<T, C>(path, &message)?;
    match C::decode(message.payload()) {
        Ok(value) => Ok(TypedMessage { value, message }),
        Err(source) => Err(bad_payload::<T, C>(path, (message.seq(), message.missed()), source)),
    }
}

//! Messages as text and as JSON.

use std::fmt::{self, Display};

use a0_std::Message;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::console::Escaped;

/// Bytes of a payload that is no text that are shown to people.
const PREVIEW: usize = 32;

/// How facts are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Parses a header given as `KEY=VALUE`.
pub(crate) fn parse_header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("the key is missing".to_owned()),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err("use KEY=VALUE, such as unit=K".to_owned()),
    }
}

/// `{K=V, …} `: the headers that are not AlephZero's own; nothing if there are none.
pub(crate) struct Headers<'a>(pub(crate) &'a Message<'a>);

impl Display for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "{";
        for (key, value) in self.0.headers().filter(|(key, _)| !key.starts_with("a0_")) {
            write!(f, "{before}{}={}", Escaped(key), Escaped(value))?;
            before = ", ";
        }
        if before == "{" { Ok(()) } else { f.write_str("} ") }
    }
}

/// A payload on one line.
pub(crate) struct Payload<'a>(pub(crate) &'a [u8]);

impl Display for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match str::from_utf8(self.0) {
            Ok(text) => write!(f, "{}", Escaped(text)),
            Err(_) => {
                write!(f, "<{} bytes> ", self.0.len())?;
                for byte in self.0.iter().take(PREVIEW) {
                    write!(f, "{byte:02x}")?;
                }
                if self.0.len() > PREVIEW { f.write_str("…") } else { Ok(()) }
            }
        }
    }
}

/// A message as a JSON object: topic, seq, id, headers (pairs), payload (or payload_base64), missed.
pub(crate) fn object(topic: &str, message: &Message<'_>) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("topic".to_owned(), topic.into());
    object.insert("seq".to_owned(), message.seq().into());
    insert_packet(&mut object, message.id(), message.headers(), message.payload());
    object.insert("missed".to_owned(), message.missed().into());
    object
}

/// Adds id, headers (pairs), and payload (or payload_base64).
pub(crate) fn insert_packet<'p>(
    object: &mut Map<String, Value>,
    id: &str,
    headers: impl Iterator<Item = (&'p str, &'p str)>,
    payload: &[u8],
) {
    let headers: Vec<_> = headers.map(|(key, value)| json!([key, value])).collect();
    let (key, payload) = match str::from_utf8(payload) {
        Ok(text) => ("payload", text.to_owned()),
        Err(_) => ("payload_base64", BASE64.encode(payload)),
    };
    object.insert("id".to_owned(), id.into());
    object.insert("headers".to_owned(), headers.into());
    object.insert(key.to_owned(), payload.into());
}

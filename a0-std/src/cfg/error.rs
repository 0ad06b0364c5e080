//! What can be wrong with a configuration.

use thiserror::Error;

/// Why a configuration cannot be used as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CfgError {
    /// Nothing was written yet.
    #[error("the config is empty: nobody has written it yet")]
    Empty,
    /// What was written last is no JSON.
    #[error("the config is not valid JSON: {0}; replace it by writing a whole new one")]
    ConfigNotJson(serde_json::Error),
    /// The patch is no JSON.
    #[error("the patch is not valid JSON: {0}")]
    PatchNotJson(serde_json::Error),
    /// A JSON pointer that is none.
    #[error("{pointer:?} is no JSON pointer: it must be empty or start with '/'")]
    BadPointer {
        /// The pointer.
        pointer: String,
    },
    /// There is nothing at that place.
    #[error("the config has nothing at {pointer}")]
    Missing {
        /// The JSON pointer.
        pointer: String,
    },
    /// What is there is something else.
    #[error("the config {}is of another type than asked for: {cause}", At(pointer))]
    WrongType {
        /// The JSON pointer; empty for the whole configuration.
        pointer: String,
        /// The reason.
        cause: serde_json::Error,
    },
    /// A value that JSON cannot express.
    #[error("the value cannot be written as JSON: {0}")]
    NotSerializable(serde_json::Error),
}

/// `at /a/b `, or nothing for the whole.
struct At<'a>(&'a str);

impl std::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "at {} ", self.0) }
    }
}

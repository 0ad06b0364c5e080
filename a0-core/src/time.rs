//! Points in time, their text on the wire, and the clock that a platform supplies.

mod civil;
mod clock;
mod mono;
#[cfg(feature = "std")]
mod system;
mod wall;

pub use clock::Clock;
pub use mono::{TimeMono, TimeMonoText};
pub use wall::{TimeWall, TimeWallText};

/// What is wrong with a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TimeError {
    /// The text ends before the last column.
    #[error("time text ends after {len} bytes")]
    TooShort {
        /// Length of the text in bytes.
        len: usize,
    },
    /// A digit or a separator was expected.
    #[error("unexpected character at byte {at} of time text")]
    Unexpected {
        /// Byte offset into the text.
        at: usize,
    },
    /// A month, day, hour, minute or second is out of its range.
    #[error("field at byte {at} of time text is out of its range")]
    Field {
        /// Byte offset of the field's first digit.
        at: usize,
    },
    /// The time lies before the year 0 or after the year 9999, which the text
    /// form cannot express, or has a second or more of nanoseconds.
    #[error("time is out of the range that its text can express")]
    OutOfRange,
}

/// The columns that a text form occupies.
fn columns<const N: usize>(text: &[u8]) -> Result<&[u8; N], TimeError> {
    text.first_chunk().ok_or(TimeError::TooShort { len: text.len() })
}

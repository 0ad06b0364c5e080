//! The time since boot.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use super::{TimeError, columns};
use crate::text::{Text, eight_digits, parse_digits};

/// Text of a [`TimeMono`]: 19 digits.
pub type TimeMonoText = Text<19>;

/// Nanoseconds since boot, including time asleep: `CLOCK_BOOTTIME`.
///
/// Its text, the value of `a0_time_mono`, is 19 digits with leading zeros, so
/// it sorts as the times do. Peers call this clock monotonic.
///
/// ```
/// use a0_core::TimeMono;
/// use core::time::Duration;
///
/// let time = TimeMono::from_nanos(1_500_000_000);
/// assert_eq!(&*time.to_text(), "0000000001500000000");
/// assert_eq!("0000000001500000000".parse(), Ok(time));
/// assert_eq!(
///     time.checked_add(Duration::from_nanos(1)),
///     Some(TimeMono::from_nanos(1_500_000_001))
/// );
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TimeMono {
    nanos: u64,
}

impl TimeMono {
    /// The latest time that 19 digits express, some 317 years after boot.
    pub const MAX: Self = Self { nanos: 9_999_999_999_999_999_999 };

    /// The time `nanos` nanoseconds after boot; [`TimeMono::MAX`] if that is
    /// later still.
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        // Clamped, not refused: no clock runs that long, and every caller
        // would have to handle an error that cannot happen.
        if nanos > Self::MAX.nanos { Self::MAX } else { Self { nanos } }
    }

    /// Nanoseconds since boot.
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.nanos
    }

    /// Reads the first 19 bytes of `text`; what follows is ignored, as other
    /// implementations do.
    ///
    /// # Errors
    ///
    /// [`TimeError::TooShort`], or [`TimeError::Unexpected`] for anything but
    /// a digit.
    pub fn parse(text: &[u8]) -> Result<Self, TimeError> {
        let digits: &[u8; 19] = columns(text)?;
        let nanos = parse_digits(digits).map_err(|at| TimeError::Unexpected { at })?;
        Ok(Self { nanos })
    }

    /// The 19 digits.
    #[inline]
    pub fn to_text(self) -> TimeMonoText {
        let head = self.nanos / 100_000_000;
        let mut text = [0; 19];
        text[..3].copy_from_slice(&eight_digits((head / 100_000_000) as u32)[5..]);
        text[3..11].copy_from_slice(&eight_digits((head % 100_000_000) as u32));
        text[11..].copy_from_slice(&eight_digits((self.nanos % 100_000_000) as u32));
        Text::full(text)
    }

    /// The time `span` later; `None` if that is past [`TimeMono::MAX`].
    pub fn checked_add(self, span: Duration) -> Option<Self> {
        let span = u64::try_from(span.as_nanos()).ok()?;
        let nanos = self.nanos.checked_add(span)?;
        (nanos <= Self::MAX.nanos).then_some(Self { nanos })
    }

    /// The time `span` earlier; `None` if that is before boot.
    pub fn checked_sub(self, span: Duration) -> Option<Self> {
        let span = u64::try_from(span.as_nanos()).ok()?;
        let nanos = self.nanos.checked_sub(span)?;
        Some(Self { nanos })
    }

    /// The time from `earlier` to this; `None` if that is later.
    pub const fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        match self.nanos.checked_sub(earlier.nanos) {
            Some(nanos) => Some(Duration::from_nanos(nanos)),
            None => None,
        }
    }
}

impl FromStr for TimeMono {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for TimeMono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::format;

    #[test]
    fn text_is_exact_and_sorted() {
        for nanos in [0, 1, 12_345_678_901_234_567, TimeMono::MAX.as_nanos()] {
            let time = TimeMono::from_nanos(nanos);
            assert_eq!(&*time.to_text(), format!("{nanos:019}"));
            assert_eq!(format!("{time}").parse(), Ok(time));
        }
        assert_eq!(TimeMono::from_nanos(u64::MAX), TimeMono::MAX);
    }

    #[test]
    fn parse_reads_nineteen_columns() {
        let time = TimeMono::parse(b"0000000000000000007 and more").unwrap();
        assert_eq!(time.as_nanos(), 7);
        assert_eq!("7".parse::<TimeMono>(), Err(TimeError::TooShort { len: 1 }));
        assert_eq!("000000000000000 007".parse::<TimeMono>(), Err(TimeError::Unexpected { at: 15 }));
        assert_eq!("+000000000000000007".parse::<TimeMono>(), Err(TimeError::Unexpected { at: 0 }));
    }

    #[test]
    fn arithmetic_stops_at_both_ends() {
        let nano = Duration::from_nanos(1);
        let time = TimeMono::from_nanos(5);
        assert!(time < time.checked_add(nano).unwrap());
        assert_eq!(time.checked_add(nano).unwrap().checked_sub(nano), Some(time));
        assert_eq!(TimeMono::MAX.checked_add(nano), None);
        assert_eq!(TimeMono::default().checked_sub(nano), None);
        assert_eq!(time.checked_add(Duration::MAX), None);
        assert_eq!(time.checked_sub(Duration::MAX), None);
    }

    #[test]
    fn one_nanosecond_more_and_back_through_text() {
        let time = TimeMono::from_nanos(1_234_567_890_123_456_789);
        let later = time.checked_add(Duration::from_nanos(1)).unwrap();
        let read = TimeMono::parse(later.to_text().as_bytes()).unwrap();
        assert_eq!(read, later);
        assert!(time < read && read != time);
        assert_eq!(read.checked_duration_since(time), Some(Duration::from_nanos(1)));
        assert_eq!(time.checked_duration_since(read), None);
        assert_eq!(read.checked_sub(Duration::from_nanos(1)), Some(time));
    }
}

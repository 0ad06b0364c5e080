//! Civil time.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use super::{TimeError, civil, columns};
use crate::text::{Text, eight_digits, parse_digits, two_digits};

const NANOS_PER_SEC: u32 = 1_000_000_000;
const SECS_PER_DAY: i64 = 86_400;

/// Text of a [`TimeWall`]: `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn-00:00`.
pub type TimeWallText = Text<35>;

/// Civil time in UTC: seconds and nanoseconds since the start of 1970, without
/// leap seconds, in the years 0 to 9999.
///
/// ```
/// use a0_core::TimeWall;
///
/// let time = TimeWall::new(1_694_635_206, 42)?;
/// assert_eq!(&*time.to_text(), "2023-09-13T20:00:06.000000042-00:00");
/// assert_eq!("2023-09-13T20:00:06.000000042-00:00".parse(), Ok(time));
/// # Ok::<(), a0_core::time::TimeError>(())
/// ```
// The field order makes the derived ordering that of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TimeWall {
    secs: i64,
    nanos: u32,
}

impl TimeWall {
    /// The start of the year 0.
    pub const MIN: Self = Self { secs: civil::days_from_civil(0, 1, 1) * SECS_PER_DAY, nanos: 0 };

    /// The last nanosecond of the year 9999.
    pub const MAX: Self =
        Self { secs: (civil::days_from_civil(9999, 12, 31) + 1) * SECS_PER_DAY - 1, nanos: NANOS_PER_SEC - 1 };

    /// The start of 1970.
    pub const UNIX_EPOCH: Self = Self { secs: 0, nanos: 0 };

    /// The time `secs` seconds and `nanos` nanoseconds after the start of
    /// 1970. Before 1970 `secs` is negative and `nanos` still counts forward.
    ///
    /// # Errors
    ///
    /// [`TimeError::OutOfRange`] if `nanos` is a second or more, or the year
    /// is not one of 0 to 9999.
    #[inline]
    pub const fn new(secs: i64, nanos: u32) -> Result<Self, TimeError> {
        if secs < Self::MIN.secs || secs > Self::MAX.secs || nanos >= NANOS_PER_SEC {
            return Err(TimeError::OutOfRange);
        }
        Ok(Self { secs, nanos })
    }

    /// Whole seconds since the start of 1970, rounded down.
    #[inline]
    pub const fn secs(self) -> i64 {
        self.secs
    }

    /// Nanoseconds past [`TimeWall::secs`].
    #[inline]
    pub const fn subsec_nanos(self) -> u32 {
        self.nanos
    }

    /// Reads the first 35 bytes of `text`; what follows is ignored.
    ///
    /// As other implementations do, this checks each field by itself (day ≤
    /// 31, hour ≤ 24, minute ≤ 60, second ≤ 61) and carries what is too much
    /// for the calendar: 31 February is 3 March. The offset must be `-00:00`.
    ///
    /// # Errors
    ///
    /// [`TimeError::TooShort`], [`TimeError::Unexpected`] and
    /// [`TimeError::Field`] as they say; [`TimeError::OutOfRange`] if carrying
    /// leads past the year 9999.
    pub fn parse(text: &[u8]) -> Result<Self, TimeError> {
        const SHAPE: &[u8; 35] = b"0000-00-00T00:00:00.000000000-00:00";
        const OFFSET: usize = 29;

        let text: &[u8; 35] = columns(text)?;
        for (at, (byte, shape)) in text.iter().zip(SHAPE).enumerate() {
            let is_number = at < OFFSET && *shape == b'0';
            let fits = if is_number { byte.is_ascii_digit() } else { byte == shape };
            if !fits {
                return Err(TimeError::Unexpected { at });
            }
        }

        let number = |at: usize, len: usize| {
            parse_digits(&text[at..at + len])
                .map(|number| number as u32)
                .map_err(|digit| TimeError::Unexpected { at: at + digit })
        };
        let field = |at, min, max| {
            let value = number(at, 2)?;
            if value < min || value > max {
                return Err(TimeError::Field { at });
            }
            Ok(value)
        };
        let days = civil::days_from_civil(number(0, 4)?, field(5, 1, 12)?, field(8, 1, 31)?);
        let of_day = field(11, 0, 24)? * 3600 + field(14, 0, 60)? * 60 + field(17, 0, 61)?;
        Self::new(days * SECS_PER_DAY + i64::from(of_day), number(20, 9)?)
    }

    /// The text of `a0_time_wall`, such as
    /// `2023-09-13T20:00:06.000000042-00:00`.
    #[inline]
    pub fn to_text(self) -> TimeWallText {
        // Counted from `MIN`, neither number is negative, and division is plain.
        let secs = (self.secs - Self::MIN.secs) as u64;
        let of_day = (secs % SECS_PER_DAY as u64) as u32;
        let days = (secs / SECS_PER_DAY as u64) as i64;
        let (year, month, day) = civil::civil_from_days(days + Self::MIN.secs / SECS_PER_DAY);

        let mut text = *b"0000-00-00T00:00:00.000000000-00:00";
        text[..2].copy_from_slice(&two_digits(year / 100));
        text[2..4].copy_from_slice(&two_digits(year % 100));
        text[5..7].copy_from_slice(&two_digits(month));
        text[8..10].copy_from_slice(&two_digits(day));
        text[11..13].copy_from_slice(&two_digits(of_day / 3600));
        text[14..16].copy_from_slice(&two_digits(of_day / 60 % 60));
        text[17..19].copy_from_slice(&two_digits(of_day % 60));
        text[20..28].copy_from_slice(&eight_digits(self.nanos / 10));
        text[28] = b'0' + (self.nanos % 10) as u8;
        Text::full(text)
    }

    /// The time `span` later; `None` if that is past [`TimeWall::MAX`].
    pub fn checked_add(self, span: Duration) -> Option<Self> {
        let mut secs = self.secs.checked_add_unsigned(span.as_secs())?;
        let mut nanos = self.nanos + span.subsec_nanos();
        if nanos >= NANOS_PER_SEC {
            nanos -= NANOS_PER_SEC;
            secs = secs.checked_add(1)?;
        }
        Self::new(secs, nanos).ok()
    }

    /// The time `span` earlier; `None` if that is before [`TimeWall::MIN`].
    pub fn checked_sub(self, span: Duration) -> Option<Self> {
        let mut secs = self.secs.checked_sub_unsigned(span.as_secs())?;
        let mut nanos = self.nanos + NANOS_PER_SEC - span.subsec_nanos();
        if nanos >= NANOS_PER_SEC {
            nanos -= NANOS_PER_SEC;
        } else {
            secs = secs.checked_sub(1)?;
        }
        Self::new(secs, nanos).ok()
    }

    /// The time from `earlier` to this; `None` if that is later.
    pub fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        if self < earlier {
            return None;
        }
        // At least one second where the nanoseconds are fewer, as `self` is not earlier.
        let secs = self.secs.abs_diff(earlier.secs);
        let span = Duration::new(secs, self.nanos);
        span.checked_sub(Duration::from_nanos(earlier.nanos.into()))
    }
}

impl FromStr for TimeWall {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for TimeWall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::{format, string::String};

    fn wall(text: &str) -> TimeWall {
        text.parse().unwrap()
    }

    #[test]
    fn text_at_known_instants() {
        for (secs, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000000000-00:00"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999999999-00:00"),
            (951_782_400, 1, "2000-02-29T00:00:00.000000001-00:00"),
            (1_694_635_206, 42, "2023-09-13T20:00:06.000000042-00:00"),
            (4_107_542_399, 0, "2100-02-28T23:59:59.000000000-00:00"),
        ] {
            let time = TimeWall::new(secs, nanos).unwrap();
            assert_eq!(&*time.to_text(), text);
            assert_eq!(wall(text), time);
            assert_eq!(format!("{time}"), text);
        }
        let first = "0000-01-01T00:00:00.000000000-00:00";
        let last = "9999-12-31T23:59:59.999999999-00:00";
        assert_eq!(&*TimeWall::MIN.to_text(), first);
        assert_eq!(&*TimeWall::MAX.to_text(), last);
        assert_eq!(wall(first), TimeWall::MIN);
        assert_eq!(wall(last), TimeWall::MAX);
    }

    #[test]
    fn parse_carries_what_the_calendar_lacks() {
        for (text, same) in
            [("2023-02-31T00:00:00.0", "2023-03-03T00:00:00.0"), ("2023-12-31T24:60:61.0", "2024-01-01T01:01:01.0")]
        {
            let full = |start| format!("{start}00000000-00:00 ignored");
            assert_eq!(wall(&full(text)), wall(&full(same)));
        }
        assert_eq!(TimeWall::parse(b"9999-12-31T24:00:00.000000000-00:00"), Err(TimeError::OutOfRange));
    }

    #[test]
    fn parse_says_where_it_failed() {
        let good = "2023-09-13T20:00:06.000000042-00:00";
        for at in 0..good.len() {
            let mut bad = String::from(good);
            bad.replace_range(at..=at, "x");
            assert_eq!(bad.parse::<TimeWall>(), Err(TimeError::Unexpected { at }));
            assert_eq!(good[..at].parse::<TimeWall>(), Err(TimeError::TooShort { len: at }));
        }
        for (at, digits) in [(5, "00"), (5, "13"), (8, "00"), (8, "32"), (11, "25"), (14, "61"), (17, "62")] {
            let mut bad = String::from(good);
            bad.replace_range(at..at + 2, digits);
            assert_eq!(bad.parse::<TimeWall>(), Err(TimeError::Field { at }));
        }
        let offset = good.replace("-00:00", "+00:00");
        assert_eq!(offset.parse::<TimeWall>(), Err(TimeError::Unexpected { at: 29 }));
    }

    #[test]
    fn arithmetic_carries_and_stops_at_both_ends() {
        let nano = Duration::from_nanos(1);
        let before = TimeWall::new(-1, 999_999_999).unwrap();
        assert_eq!(before.checked_add(nano), Some(TimeWall::UNIX_EPOCH));
        assert_eq!(TimeWall::UNIX_EPOCH.checked_sub(nano), Some(before));
        assert!(before < TimeWall::UNIX_EPOCH);
        assert_eq!(TimeWall::MAX.checked_add(nano), None);
        assert_eq!(TimeWall::MIN.checked_sub(nano), None);
        assert_eq!(before.checked_add(Duration::MAX), None);
        assert_eq!(before.checked_sub(Duration::MAX), None);
        for (secs, nanos) in [(0, NANOS_PER_SEC), (i64::MIN, 0), (i64::MAX, 0)] {
            assert_eq!(TimeWall::new(secs, nanos), Err(TimeError::OutOfRange));
        }
    }

    #[test]
    fn difference_is_what_has_to_be_added() {
        let times = [(-2, 0), (-1, 999_999_999), (0, 0), (0, 1), (7, 5), (1_694_635_206, 42)];
        let mut times = times.map(|(secs, nanos)| TimeWall::new(secs, nanos).unwrap()).to_vec();
        times.extend([TimeWall::MIN, TimeWall::MAX]);
        times.sort();
        for (index, earlier) in times.iter().enumerate() {
            for later in &times[index..] {
                let span = later.checked_duration_since(*earlier).unwrap();
                assert_eq!(earlier.checked_add(span), Some(*later));
                assert_eq!(later.checked_sub(span), Some(*earlier));
                assert_eq!(earlier.checked_duration_since(*later), span.is_zero().then_some(span));
            }
        }
    }

    #[test]
    fn there_and_back_through_text_to_the_nanosecond() {
        let time = TimeWall::new(1_694_635_206, 987_654_321).unwrap();
        let later = time.checked_add(Duration::from_nanos(1)).unwrap();
        assert_eq!(TimeWall::parse(later.to_text().as_bytes()), Ok(later));
        assert_eq!(later.to_text().len(), 35);
        assert!(time < later && later != time);
    }
}

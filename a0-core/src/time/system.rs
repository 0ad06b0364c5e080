//! Civil time as the standard library has it.

extern crate std;

use core::time::Duration;
use std::time::SystemTime;

use super::{TimeError, TimeWall};

/// # Panics
///
/// Where a `SystemTime` does not reach that far. On Linux it always does.
impl From<TimeWall> for SystemTime {
    fn from(time: TimeWall) -> SystemTime {
        let secs = Duration::from_secs(time.secs().unsigned_abs());
        let whole = if time.secs() < 0 { SystemTime::UNIX_EPOCH - secs } else { SystemTime::UNIX_EPOCH + secs };
        whole + Duration::from_nanos(time.subsec_nanos().into())
    }
}

/// Fails with [`TimeError::OutOfRange`] before the year 0 and after the year 9999.
impl TryFrom<SystemTime> for TimeWall {
    type Error = TimeError;

    fn try_from(time: SystemTime) -> Result<TimeWall, TimeError> {
        let found = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => TimeWall::UNIX_EPOCH.checked_add(since),
            Err(before) => TimeWall::UNIX_EPOCH.checked_sub(before.duration()),
        };
        found.ok_or(TimeError::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mut times = std::vec![TimeWall::MIN, TimeWall::UNIX_EPOCH, TimeWall::MAX];
        for (secs, nanos) in [(-1, 999_999_999), (-1, 0), (-86_400, 1), (0, 1), (1_694_635_206, 42)] {
            times.push(TimeWall::new(secs, nanos).unwrap());
        }
        for time in times {
            assert_eq!(TimeWall::try_from(SystemTime::from(time)), Ok(time));
        }
        let known = SystemTime::UNIX_EPOCH + Duration::new(1_694_635_206, 42);
        assert_eq!(SystemTime::from(TimeWall::new(1_694_635_206, 42).unwrap()), known);
    }

    #[test]
    fn what_the_text_cannot_express_is_refused() {
        for (edge, beyond) in [
            (TimeWall::MIN, SystemTime::from(TimeWall::MIN) - Duration::from_nanos(1)),
            (TimeWall::MAX, SystemTime::from(TimeWall::MAX) + Duration::from_nanos(1)),
        ] {
            assert_eq!(TimeWall::try_from(SystemTime::from(edge)), Ok(edge));
            assert_eq!(TimeWall::try_from(beyond), Err(TimeError::OutOfRange));
        }
    }
}

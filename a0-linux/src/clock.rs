//! The clocks that AlephZero programs write into packets.

use a0_core::{Clock, TimeMono, TimeWall};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The clocks of this machine: `CLOCK_BOOTTIME` and `CLOCK_REALTIME`, read without entering the kernel.
///
/// ```
/// use a0_core::Clock;
/// use a0_linux::SystemClock;
///
/// let before = SystemClock.mono();
/// assert!(before <= SystemClock.mono());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn mono(&self) -> TimeMono {
        mono(clock_gettime(ClockId::Boottime))
    }

    #[inline]
    fn wall(&self) -> TimeWall {
        wall(clock_gettime(ClockId::Realtime))
    }
}

// No Linux clock leaves these ranges. Should one do so, the nearest time that can be written beats a panic in whoever
// wanted to publish.

fn mono(time: Timespec) -> TimeMono {
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    TimeMono::from_nanos(secs.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn wall(time: Timespec) -> TimeWall {
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    let nearest = if time.tv_sec < 0 { TimeWall::MIN } else { TimeWall::MAX };
    TimeWall::new(time.tv_sec, nanos).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn wall_agrees_with_std() {
        let std = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let (before, now, after) = (std(), SystemClock.wall(), std());
        let now = Duration::new(now.secs() as u64, now.subsec_nanos());
        assert!(before <= now && now <= after, "{before:?} {now:?} {after:?}");
    }

    #[test]
    fn mono_is_the_time_since_boot() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let mono = SystemClock.mono().as_nanos() as f64 / 1e9;
        assert!((mono - uptime).abs() < 5.0, "{mono} {uptime}");
    }

    #[test]
    fn impossible_times_are_clamped() {
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        assert_eq!(mono(time(1, 5)), TimeMono::from_nanos(1_000_000_005));
        assert_eq!(mono(time(-1, 0)), TimeMono::from_nanos(0));
        assert_eq!(mono(time(i64::MAX, 0)), TimeMono::MAX);
        assert_eq!(wall(time(i64::MIN, 0)), TimeWall::MIN);
        assert_eq!(wall(time(i64::MAX, 0)), TimeWall::MAX);
    }
}

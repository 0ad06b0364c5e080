//! The clocks that AlephZero programs write into packets.

use a0_core::{Clock, TimeMono, TimeWall};
use rustix::time::{ClockId, Timespec, clock_gettime};

const NANOS_PER_SEC: i64 = 1_000_000_000;

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
#[expect(clippy::exhaustive_structs, reason = "it has nothing to say")]
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

/// Civil time for those who have just read the time since boot: the second clock is read once in a millisecond only.
///
/// The difference between `CLOCK_REALTIME` and `CLOCK_BOOTTIME` changes only when somebody sets the clock (slewing and
/// suspending change both alike), so in between it is added instead. A clock that was set is noticed a millisecond
/// later at most. Keep one per thread.
///
/// ```
/// use a0_core::Clock;
/// use a0_linux::{SystemClock, WallFromMono};
///
/// let mut clock = WallFromMono::NEW;
/// let (before, now, after) = (SystemClock.wall(), clock.at(SystemClock.mono()), SystemClock.wall());
/// assert!(before.secs() <= now.secs() && now.secs() <= after.secs());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WallFromMono {
    /// Nanoseconds from the start of 1970 to the boot.
    boot: i64,
    /// When that was found last, in nanoseconds since boot.
    found: u64,
}

/// Nanoseconds for which the difference of the clocks is believed.
const BELIEVED: u64 = 1_000_000;
/// Nanoseconds between two readings of a clock that nothing came between.
const UNDISTURBED: u64 = 1_000;

impl WallFromMono {
    /// Knows nothing yet.
    pub const NEW: WallFromMono = WallFromMono { boot: 0, found: u64::MAX - BELIEVED };

    /// The civil time that belongs to `now`, a time since boot that was read just before.
    #[inline(always)]
    pub fn at(&mut self, now: TimeMono) -> TimeWall {
        if now.as_nanos().wrapping_sub(self.found) < BELIEVED { self.derived(now) } else { self.find(now) }
    }

    #[inline(always)]
    fn derived(&self, now: TimeMono) -> TimeWall {
        let nanos = self.boot.wrapping_add(now.as_nanos() as i64);
        let (tv_sec, tv_nsec) = (nanos.div_euclid(NANOS_PER_SEC), nanos.rem_euclid(NANOS_PER_SEC));
        wall(Timespec { tv_sec, tv_nsec })
    }

    #[cold]
    #[inline(never)]
    fn find(&mut self, now: TimeMono) -> TimeWall {
        let (wall, later) = (SystemClock.wall(), SystemClock.mono());
        let since_1970 = wall.secs().checked_mul(NANOS_PER_SEC);
        let boot = since_1970
            .and_then(|nanos| nanos.checked_add(wall.subsec_nanos().into())?.checked_sub_unsigned(now.as_nanos()));
        // The year is too far away.
        let Some(boot) = boot else { return wall };
        // Two readings are never at the same time; to follow the difference would let the time go back.
        let apart = later.as_nanos().saturating_sub(now.as_nanos());
        if boot.abs_diff(self.boot) > apart.max(UNDISTURBED) {
            self.boot = boot;
        }
        if apart < UNDISTURBED {
            self.found = now.as_nanos();
        }
        self.derived(now)
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
        let mono = || SystemClock.mono().as_nanos() as f64 / 1e9;
        let before = mono();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let after = mono();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        assert!(before - 1.0 < uptime && uptime < after + 1.0, "{before} {uptime} {after}");
    }

    #[test]
    fn wall_from_mono_follows_the_wall_clock() {
        let mut clock = WallFromMono::NEW;
        let nanos = |time: TimeWall| i128::from(time.secs()) * 1_000_000_000 + i128::from(time.subsec_nanos());
        let mut last = TimeWall::MIN;
        for _ in 0..100_000 {
            let before = SystemClock.wall();
            let time = clock.at(SystemClock.mono());
            let after = SystemClock.wall();
            let slack = i128::from(UNDISTURBED);
            assert!(nanos(before) - slack <= nanos(time) && nanos(time) <= nanos(after) + slack);
            // It is put right where it was off by more than that.
            assert!(nanos(last) <= nanos(time) + 2 * slack, "{last:?} {time:?}");
            last = time;
        }
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_after_a_millisecond() {
        let hour = 3600 * NANOS_PER_SEC;
        let mut clock = WallFromMono::NEW;
        clock.find(SystemClock.mono());
        clock.found = SystemClock.mono().as_nanos();
        clock.boot -= hour;
        let stale = clock.at(TimeMono::from_nanos(clock.found + BELIEVED - 1));
        assert!(SystemClock.wall().secs() - stale.secs() > 3500);
        std::thread::sleep(Duration::from_nanos(2 * BELIEVED));
        let fresh = clock.at(SystemClock.mono());
        assert!(SystemClock.wall().secs() - fresh.secs() < 60);
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

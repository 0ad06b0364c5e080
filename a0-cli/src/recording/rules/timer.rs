//! Triggers that depend on nothing but the time.

use super::Cron;

/// Seconds that a clock may have been moved forward by for each of them to count.
const SECONDS: i64 = 60;

/// A trigger that depends on nothing but the time.
pub(super) struct Timer {
    pub(super) policy: (usize, usize),
    pub(super) schedule: Schedule,
}

pub(super) enum Schedule {
    Rate {
        period: u64,
        next: u64,
    },
    /// The last second that was looked at.
    Cron {
        cron: Cron,
        last: Option<i64>,
    },
}

impl Schedule {
    /// Gives each point in time until now.
    pub(super) fn until(&mut self, now: u64, wall: i64, mut fire: impl FnMut(u64)) {
        match self {
            // After a pause of the machine, once.
            Schedule::Rate { period, next } if *next <= now => {
                *next = if now - *next > 1_000_000_000 { now } else { *next };
                while *next <= now {
                    fire(*next);
                    *next += *period;
                }
            }
            Schedule::Rate { .. } => {}
            Schedule::Cron { cron, last } => {
                let from = last.map_or(wall, |last| last.max(wall - SECONDS) + 1);
                if last.is_none() || (from..=wall).any(|second| cron.matches(second)) {
                    fire(now);
                }
                *last = Some(last.map_or(wall, |last| if last - wall > SECONDS { wall } else { last.max(wall) }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        let fired = |schedule: &mut Schedule, now, wall| {
            let mut times = vec![];
            schedule.until(now, wall, |time| times.push(time));
            times
        };
        let mut rate = Schedule::Rate { period: 10, next: 100 };
        assert_eq!(fired(&mut rate, 100, 0), [100]);
        assert!(fired(&mut rate, 109, 0).is_empty());
        assert_eq!(fired(&mut rate, 131, 0), [110, 120, 130]);
        let late = 200 + 2_000_000_000;
        assert_eq!((fired(&mut rate, late, 0), fired(&mut rate, late + 9, 0)), (vec![late], vec![]));
        let mut cron = Schedule::Cron { cron: Cron::parse("*/5 * * * * *").unwrap(), last: None };
        let mut at = |now, wall| !fired(&mut cron, now, wall).is_empty();
        assert_eq!(
            [at(1, 3), at(2, 4), at(3, 5), at(4, 5), at(5, 9), at(6, 12)],
            [true, false, true, false, false, true]
        );
        // A clock that was put back a little tells nothing twice; by much, it counts from there.
        assert_eq!(
            [at(7, 10), at(8, 12), at(9, 15), at(10, -86_399), at(11, -86_395)],
            [false, false, true, false, true]
        );
    }
}

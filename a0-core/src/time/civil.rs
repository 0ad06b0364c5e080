//! Dates of the proleptic Gregorian calendar.
//!
//! Years are counted from March here, so the leap day is the last of a year
//! and month lengths follow one formula; 400 such years, an era, always have
//! the same number of days.

const DAYS_PER_ERA: u32 = 146_097;

/// Days from 1 March of the year −400 to 1 January 1970: the era before the
/// year 0 is counted too, so that no term below is negative.
const EPOCH: i64 = 865_565;

/// Days since the start of 1970 of a date in the years 0 to 9999.
///
/// `month` is 1 to 12. A `day` that the month lacks counts on into the next.
pub(super) const fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    let from_march = (month + 9) % 12;
    let year = year + 400 - (month <= 2) as u32;
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (era * DAYS_PER_ERA + of_era) as i64 - EPOCH
}

/// Year, month (1 to 12) and day (from 1) of a day in the years 0 to 9999,
/// counted from the start of 1970.
#[inline]
pub(super) const fn civil_from_days(days: i64) -> (u32, u32, u32) {
    // Neri and Schneider, "Euclidean affine functions and their application
    // to calendar algorithms" (2023): divisions by 1461 and by month lengths
    // become multiplications.
    let quarters = 4 * (days + EPOCH) as u32 + 3;
    let (century, of_century) = (quarters / DAYS_PER_ERA, quarters % DAYS_PER_ERA / 4);
    let years = 2_939_745 * (4 * of_century + 3) as u64;
    let year = 100 * century + (years >> 32) as u32;
    let of_year = years as u32 / 2_939_745 / 4;
    let months = 2_141 * of_year + 197_913;
    let (month, day) = (months >> 16, (months & 0xffff) / 2_141 + 1);
    if of_year < 306 { (year - 400, month, day) } else { (year - 399, month - 12, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = days_from_civil(0, 1, 1);
        for year in 0..=9999 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if leap { 29 } else { 28 };
            let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (1..).zip(lengths) {
                for day in 1..=length {
                    assert_eq!(days_from_civil(year, month, day), expected);
                    assert_eq!(civil_from_days(expected), (year, month, day));
                    expected += 1;
                }
            }
        }
        assert_eq!(days_from_civil(1970, 1, 1), 0);
    }
}

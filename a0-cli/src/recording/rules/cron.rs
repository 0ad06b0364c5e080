//! Points in time that come again: six fields, for seconds, minutes, hours, days, months and weekdays.

use std::fmt::{self, Display};

use a0_std::TimeWall;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A pattern such as `0 */5 * * * MON-FRI`, in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    text: String,
    /// For each field the numbers that match, as bits.
    fields: [u64; 6],
}

impl Cron {
    pub(crate) fn parse(text: &str) -> Result<Cron, String> {
        let words: Vec<_> = text.split_whitespace().collect();
        let [seconds, minutes, hours, days, months, weekdays] = words[..] else {
            let count = words.len();
            return Err(format!(
                "'{text}' has {count} fields, but must have six: second minute hour day month weekday, such as 0 0 * * * *"
            ));
        };
        let fields = [
            field(seconds, 0, 59, &[])?,
            field(minutes, 0, 59, &[])?,
            field(hours, 0, 23, &[])?,
            field(days, 1, 31, &[])?,
            field(months, 1, 12, &MONTHS)?,
            // Sunday is 0 and 7.
            field(weekdays, 0, 7, &DAYS).map(|bits| bits | bits >> 7)?,
        ];
        Ok(Cron { text: text.to_owned(), fields })
    }

    /// Whether this second matches.
    pub(crate) fn matches(&self, second: i64) -> bool {
        let Ok(time) = TimeWall::new(second, 0) else { return false };
        let text = time.to_text();
        // `YYYY-MM-DDThh:mm:ss…`
        let number =
            |at: usize| text.as_bytes()[at..at + 2].iter().fold(0, |sum, digit| 10 * sum + u32::from(digit - b'0'));
        // The first day of 1970 was a Thursday.
        let weekday = (second.div_euclid(86_400) + 4).rem_euclid(7) as u32;
        let now = [number(17), number(14), number(11), number(8), number(5), weekday];
        self.fields.iter().zip(now).all(|(bits, number)| bits & 1 << number != 0)
    }
}

impl Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.text)
    }
}

/// Numbers, ranges and steps, divided by commas.
fn field(text: &str, low: u32, high: u32, names: &[&str]) -> Result<u64, String> {
    let wrong = || format!("'{text}': use numbers from {low} to {high}, such as *, 5, 1-5, */10 or 1,2");
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.map(|index| index as u32 + u32::from(names.len() == 12));
        named.or_else(|| text.parse().ok()).filter(|number| (low..=high).contains(number)).ok_or_else(wrong)
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                (range, Some(step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(wrong)?))
            }
            None => (part, None),
        };
        let (first, last) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (low, high),
            (_, Some((first, last))) => (number(first)?, number(last)?),
            // `5/10` goes on from there.
            (_, None) => (number(range)?, if step.is_some() { high } else { number(range)? }),
        };
        if first > last {
            return Err(wrong());
        }
        (first..=last).step_by(step.unwrap_or(1)).for_each(|number| bits |= 1 << number);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14T22:13:20, a Tuesday.
    const THEN: i64 = 1_700_000_000;

    #[test]
    fn patterns() {
        for (pattern, matches) in [
            ("* * * * * *", true),
            ("20 13 22 14 11 2", true),
            ("20 13 22 14 NOV TUE", true),
            ("20 13 22 ? 11 MON-WED", true),
            ("*/10 13 22 * * ?", true),
            ("5/15 * * * * *", true),
            ("7/15 * * * * *", false),
            ("0,20,40 * * * * *", true),
            ("21 * * * * *", false),
            ("* 14 * * * *", false),
            ("* * 21 * * *", false),
            ("* * * 15 * *", false),
            ("* * * * DEC *", false),
            ("* * * * * SUN,7", false),
        ] {
            assert_eq!(Cron::parse(pattern).unwrap().matches(THEN), matches, "{pattern}");
        }
        let sunday = THEN + 5 * 86_400;
        assert!(
            ["0", "7", "SUN", "sun"]
                .iter()
                .all(|day| Cron::parse(&format!("* * * * * {day}")).unwrap().matches(sunday))
        );
        for bad in [
            "",
            "* * * * *",
            "60 * * * * *",
            "* * * 0 * *",
            "* * * * * MOON",
            "5-1 * * * * *",
            "*/0 * * * * *",
            ", * * * * *",
        ] {
            assert!(Cron::parse(bad).is_err(), "{bad}");
        }
    }
}

//! Numbers as people read them.

use crate::compare::rows::{Row, Unit};

/// A figure of a row, with its unit.
pub(crate) fn figure(row: &Row, value: f64) -> String {
    match row.unit {
        Unit::Ns => time(value),
        Unit::PerS if row.more_is_better() => format!("{} M/s", digits(value / 1e6)),
        Unit::PerS => format!("{}/s", digits(value)),
        Unit::Percent => format!("{} %", digits(value)),
        Unit::Bytes => bytes(value),
    }
}

/// A size of payloads or arenas.
pub(crate) fn size(row: &Row, size: usize) -> String {
    let of = if row.sizes_are_of_arenas() { "arena of " } else { "" };
    format!("{of}{}", bytes(size as f64))
}

fn time(nanos: f64) -> String {
    match nanos {
        ..1e4 => format!("{} ns", digits(nanos)),
        ..1e7 => format!("{} µs", digits(nanos / 1e3)),
        _ => format!("{} ms", digits(nanos / 1e6)),
    }
}

fn bytes(count: f64) -> String {
    match count {
        ..1024.0 => format!("{} B", digits(count)),
        ..1_048_576.0 => format!("{} KiB", digits(count / 1024.0)),
        ..1_073_741_824.0 => format!("{} MiB", digits(count / 1_048_576.0)),
        _ => format!("{} GiB", digits(count / 1_073_741_824.0)),
    }
}

/// About three digits, as figures are not more exact.
pub(crate) fn digits(value: f64) -> String {
    let text = match value.abs() {
        ..0.995 => format!("{value:.3}"),
        ..9.95 => format!("{value:.2}"),
        ..99.5 => format!("{value:.1}"),
        _ => return format!("{value:.0}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_few_digits_and_no_idle_zeros() {
        let cases = [(0.0, "0"), (0.0204, "0.02"), (1.0, "1"), (9.87654, "9.88"), (99.0, "99"), (12345.6, "12346")];
        for (value, text) in cases {
            assert_eq!(digits(value), text);
        }
    }

    #[test]
    fn units_fit_the_number() {
        assert_eq!([time(27.34), time(98_765.0), time(1.25e7)], ["27.3 ns", "98.8 µs", "12.5 ms"]);
        assert_eq!([bytes(0.0), bytes(1024.0), bytes(16777216.0)], ["0 B", "1 KiB", "16 MiB"]);
    }
}

//! Sizes, rates and durations as people write and read them.

use std::time::Duration;

/// Parses a number of bytes, with an optional K, M or G (powers of 1024; KiB, kB and the like mean the same).
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return Err("use a number of bytes, such as 4096, 64K or 16M".to_owned()),
    };
    let number: u64 = number.parse().map_err(|error| format!("{error}"))?;
    number.checked_mul(1 << shift).ok_or_else(|| "too many bytes".to_owned())
}

/// Parses a frequency in hertz.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 1e-6 && rate <= 1e9 => Ok(rate),
        _ => Err("use a number of messages per second, such as 10 or 0.5".to_owned()),
    }
}

/// Parses a number of seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed.ok_or_else(|| "use a number of seconds, such as 5 or 0.25".to_owned())
}

/// Writes a number of bytes with a unit.
pub(crate) fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    for unit in ["KiB", "MiB", "GiB"] {
        value /= 1024.0;
        if value < 1023.95 {
            return format!("{value:.1} {unit}");
        }
    }
    format!("{:.1} TiB", value / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("64K"), Ok(64 << 10));
        assert_eq!(bytes("16MiB"), Ok(16 << 20));
        for bad in ["", "K", "-1", "1.5M", "12X", "99999999999999999999", "18446744073709551615K"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert_eq!([human(1023), human(1024), human(16 << 20)], ["1023 B", "1.0 KiB", "16.0 MiB"]);
        assert_eq!(human((1 << 20) - 1), "1.0 MiB");
    }

    #[test]
    fn times() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for bad in ["-1", "NaN", "inf", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert!(rate("0").is_err());
    }
}

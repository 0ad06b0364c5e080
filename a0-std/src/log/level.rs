//! How serious a log message is.

use std::fmt;

/// How serious a log message is. The most serious one is the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "AlephZero 0.3 has these, and every other name is `Unknown`")]
pub enum Level {
    /// The program, or more than that, cannot go on.
    Crit,
    /// Something failed.
    Err,
    /// Something may be wrong.
    Warn,
    /// Worth knowing.
    #[default]
    Info,
    /// Helps to find faults.
    Dbg,
    /// Any name that is none of the others. A listener that asks for this level gets everything that has a level.
    Unknown,
}

impl Level {
    /// Every level, the most serious one first.
    pub const ALL: &[Level] = &[Level::Crit, Level::Err, Level::Warn, Level::Info, Level::Dbg, Level::Unknown];

    /// The value of the header `a0_log_level`.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Crit => "CRIT",
            Level::Err => "ERR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Dbg => "DBG",
            Level::Unknown => "UNKNOWN",
        }
    }

    /// The level with this name, which is in capital letters; [`Level::Unknown`] for anything else.
    pub fn from_name(name: &str) -> Level {
        Level::ALL.iter().copied().find(|level| level.name() == name).unwrap_or(Level::Unknown)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_order() {
        assert!(Level::ALL.is_sorted());
        for (number, level) in Level::ALL.iter().copied().enumerate() {
            assert_eq!(level as usize, number);
            assert_eq!(Level::from_name(level.name()), level);
        }
        for odd in ["", "info", "INFO ", "NOTICE"] {
            assert_eq!(Level::from_name(odd), Level::Unknown);
        }
        assert_eq!(format!("[{:<5}]", Level::Err), "[ERR  ]");
    }
}

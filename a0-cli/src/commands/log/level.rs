//! Levels on the command line.

use a0_std::Level;

/// Parses a level in capital or small letters.
pub(super) fn parse_level(text: &str) -> Result<Level, String> {
    let known = Level::ALL.iter().copied().find(|level| level.name().eq_ignore_ascii_case(text));
    known.ok_or_else(|| "use crit, err, warn, info, dbg or unknown".to_owned())
}

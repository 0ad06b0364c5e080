//! For those who wait.

use std::fmt::Write;

use super::values::{figure, size};
use crate::compare::peers::Kind;
use crate::compare::run::Entry;

/// One row at one size, a line for each contender.
pub(crate) fn of(entry: &Entry) -> String {
    let row = entry.row;
    let [before, behind] = entry.line;
    let doubtful = if entry.is_doubtful() { ", DOUBTFUL" } else { "" };
    let mut text =
        format!("\n{}, {} (line {before:.0} and {behind:.0} ns{doubtful})\n", row.title, size(row, entry.size));
    let best = entry.best_peer().map(|(_, figures)| figures.typical);
    for outcome in &entry.outcomes {
        let name = outcome.contender.name;
        let shown = match &outcome.figures {
            Err(error) => format!("failed: {error}"),
            Ok(figures) => {
                let tail = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| figure(row, value));
                let ratio = best
                    .filter(|best| outcome.contender.kind == Kind::Ours && *best > 0.0)
                    .map_or_else(String::new, |best| format!("  {:.2} x best peer", figures.typical / best));
                let lost = figures.lost.map_or_else(String::new, |lost| format!("  {lost:.2} % lost"));
                let [p50, p99, p999] = [figures.p50, figures.p99, figures.p999].map(tail);
                format!("{:>10}  {p50:>10} {p99:>10} {p999:>10}{lost}{ratio}", figure(row, figures.typical))
            }
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<26} {shown}");
    }
    text
}

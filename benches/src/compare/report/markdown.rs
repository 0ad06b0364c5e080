//! Tables for pages, between markers that say where they go.

use std::fmt::Write;
use std::path::Path;

use super::values::{digits, figure, size};
use crate::Result;
use crate::compare::figures::Figures;
use crate::compare::machine::Machine;
use crate::compare::peers::{self, Kind};
use crate::compare::rows::Row;
use crate::compare::run::Entry;

const BEGIN: &str = "<!-- begin generated -->";
const END: &str = "<!-- end generated -->";

/// Rows of the short table, at 64 bytes.
const SHORT: &[&str] = &[
    "publish",
    "publish-1-polling",
    "round-trip",
    "round-trip-asleep",
    "round-trip-one-core",
    "stream-1-1",
    "replay",
    "rpc",
    "start",
    "idle-cpu",
];

/// Replaces what is between the markers; a file that does not exist becomes one with nothing else in it.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    let text = format!("{BEGIN}\n{text}{END}");
    if !file.exists() {
        return Ok(std::fs::write(file, text + "\n")?);
    }
    let page = std::fs::read_to_string(file)?;
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, behind)) = parts else {
        return Err(format!("{}: there is no {BEGIN} with {END} behind it", file.display()).into());
    };
    Ok(std::fs::write(file, format!("{before}{text}{behind}"))?)
}

/// One line for each of the most interesting rows.
pub(crate) fn short(machine: &Machine, entries: &[Entry]) -> String {
    let mut text = format!("{}\n\n", place(machine, entries));
    text +=
        "| 64 B | AlephZero, raw | AlephZero, packets | best of the others | one cache line |\n|---|---|---|---|---|\n";
    for entry in
        SHORT.iter().filter_map(|name| entries.iter().find(|entry| entry.row.name == *name && entry.size == 64))
    {
        let ours = |name: &str| entry.figures(Kind::Ours).find(|(ours, _)| *ours == name).map(|(_, figures)| figures);
        let shown = |figures: Option<&Figures>| {
            figures.map_or_else(|| "–".into(), |figures| format!("**{}**", figure(entry.row, figures.typical)))
        };
        let packets = ours("AlephZero packets").or(ours("AlephZero RPC"));
        let peer = entry
            .best_peer()
            .map_or_else(|| "–".into(), |(name, figures)| format!("{} ({name})", figure(entry.row, figures.typical)));
        let [before, behind] = entry.line;
        let line = digits((before + behind) / 2.0);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {peer} | {line} ns |",
            entry.row.title,
            shown(ours("AlephZero raw")),
            shown(packets)
        );
    }
    text
}

/// Where and when, in a sentence.
fn place(machine: &Machine, entries: &[Entry]) -> String {
    let lines: Vec<f64> = entries.iter().flat_map(|entry| entry.line).collect();
    let (least, most) =
        lines.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), line| (least.min(*line), most.max(*line)));
    let quick = if machine.quick { " A quick run to try the tool: these figures mean nothing." } else { "" };
    format!(
        "{}, {} {}cores, Linux {}, {}, revision {}, {} UTC. One cache line takes {least:.0} to {most:.0} ns there and back.{quick}",
        machine.cpu,
        machine.cores,
        if machine.virtual_machine { "virtual " } else { "" },
        machine.kernel,
        machine.rustc.split(" (").next().unwrap_or_default(),
        machine.revision,
        machine.date.replace('T', " "),
    )
}

/// Everything: for each row its chart, a table of typical figures, and a table of tails.
pub(crate) fn full(machine: &Machine, entries: &[Entry]) -> String {
    let mut text = format!("{}\n", place(machine, entries));
    for group in entries.chunk_by(|one, other| one.row.name == other.row.name) {
        row(&mut text, group[0].row, group);
    }
    text
}

fn row(text: &mut String, row: &Row, entries: &[Entry]) {
    let _ = writeln!(text, "\n### {}\n", row.title);
    if row.oversubscribed {
        let _ =
            writeln!(text, "More processes want to run here than there are cores: the scheduler is measured, too.\n");
    }
    let _ = writeln!(text, "![{}](img/{}.svg)\n", row.title, row.name);
    typical(text, row, entries);
    let _ = writeln!(text);
    tails(text, row, entries);
    for outcome in entries.iter().flat_map(|entry| &entry.outcomes) {
        if let Err(error) = &outcome.figures {
            let _ = writeln!(text, "\n{} failed: {error}", outcome.contender.name);
        }
    }
}

/// Who takes part, and the figure at each size.
fn typical(text: &mut String, row: &Row, entries: &[Entry]) {
    let heads: Vec<_> = entries.iter().map(|entry| size(row, entry.size)).collect();
    let _ = writeln!(text, "| | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()));
    for contender in peers::ALL {
        let of = |entry: &Entry| {
            let outcome = entry.outcomes.iter().find(|outcome| outcome.contender.name == contender.name)?;
            outcome.figures.as_ref().ok().map(|figures| figure(row, figures.typical))
        };
        let cells: Vec<_> = entries.iter().map(of).collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let (mark, kind) = match contender.kind {
            Kind::Ours => ("**", ""),
            Kind::Peer => ("", ""),
            Kind::Limit => ("", "limit: "),
        };
        let cells: Vec<_> = cells
            .into_iter()
            .map(|cell| cell.map_or_else(|| "–".into(), |cell| format!("{mark}{cell}{mark}")))
            .collect();
        let _ = writeln!(text, "| {mark}{kind}{}{mark} | {} |", contender.name, cells.join(" | "));
    }
}

/// Ours and the best of the others: single operations, and what they are to each other.
fn tails(text: &mut String, row: &Row, entries: &[Entry]) {
    text.push_str("| size | who | p50 | p99 | p99.9 | lost | × best other | × limit | line before, behind |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for entry in entries {
        let (peer, limit) = (entry.best_peer(), entry.limit());
        let [before, behind] = entry.line;
        let doubt = if entry.is_doubtful() { " **moved: doubtful**" } else { "" };
        for (name, figures) in entry.figures(Kind::Ours).chain(peer) {
            let tail = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| figure(row, value));
            let ratio = |to: Option<(&str, &Figures)>| {
                let to = to.map(|(_, figures)| figures.typical).filter(|to| *to > 0.0);
                to.map_or_else(|| "–".into(), |to| format!("{:.2}", figures.typical / to))
            };
            let lost = figures.lost.map_or_else(|| "–".into(), |lost| format!("{} %", digits(lost)));
            let _ = writeln!(
                text,
                "| {} | {name} | {} | {} | {} | {lost} | {} | {} | {before:.0}, {behind:.0} ns{doubt} |",
                size(row, entry.size),
                tail(figures.p50),
                tail(figures.p99),
                tail(figures.p999),
                ratio(peer),
                ratio(limit),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("page.md");
        write(&file, "first\n").unwrap();
        let page = std::fs::read_to_string(&file).unwrap();
        assert_eq!(page, format!("{BEGIN}\nfirst\n{END}\n"));
        std::fs::write(&file, format!("# Title\n{page}the rest")).unwrap();
        write(&file, "second\n").unwrap();
        let page = std::fs::read_to_string(&file).unwrap();
        assert_eq!(page, format!("# Title\n{BEGIN}\nsecond\n{END}\nthe rest"));
        std::fs::write(&file, "nothing generated").unwrap();
        assert!(write(&file, "third\n").is_err());
    }
}

//! A chart for each row: bars on a logarithmic scale, legible on a light and on a dark page.

use std::path::Path;

use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Style, Text};

use super::values::{figure, size};
use crate::Result;
use crate::compare::peers::Kind;
use crate::compare::run::Entry;

/// Pixels.
const WIDTH: f64 = 720.0;
const NAMES: f64 = 190.0;
const VALUES: f64 = 90.0;
const BAR: f64 = 14.0;
const STEP: f64 = 20.0;
const HEAD: f64 = 30.0;
const MARGIN: f64 = 10.0;

/// Sizes that are drawn, where a row has them; otherwise its first one.
const DRAWN: [usize; 2] = [64, 1 << 20];

const STYLE: &str = "
text { font: 12px sans-serif; fill: #333 }
.title { font-weight: bold }
.ours { fill: #d9480f } .peer { fill: #748ffc } .limit { fill: #adb5bd } .grid { stroke: #8884 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .limit { fill: #868e96 } }";

/// Draws every row into a file of its name.
pub(crate) fn write(dir: &Path, entries: &[Entry]) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    for group in entries.chunk_by(|one, other| one.row.name == other.row.name) {
        let mut drawn: Vec<_> = group.iter().filter(|entry| DRAWN.contains(&entry.size)).collect();
        if drawn.is_empty() || group[0].row.sizes_are_of_arenas() {
            drawn = group.iter().collect();
        }
        svg::save(dir.join(format!("{}.svg", group[0].row.name)), &chart(&drawn))?;
    }
    Ok(())
}

fn chart(entries: &[&Entry]) -> Document {
    let mut top = MARGIN;
    let mut panels = Vec::new();
    for entry in entries {
        let (panel, height) = panel(entry);
        panels.push(panel.set("transform", format!("translate(0 {top})")));
        top += height + MARGIN;
    }
    let document = Document::new()
        .set("width", WIDTH)
        .set("height", top)
        .set("viewBox", (0, 0, WIDTH, top))
        .add(Style::new(STYLE));
    panels.into_iter().fold(document, Document::add)
}

/// The bars of one size, and how high they are together.
fn panel(entry: &Entry) -> (Group, f64) {
    let row = entry.row;
    let bars: Vec<_> = [Kind::Ours, Kind::Peer, Kind::Limit]
        .into_iter()
        .flat_map(|kind| entry.figures(kind).map(move |(name, figures)| (kind, name, figures.typical)))
        .collect();
    let better = if row.more_is_better() { "more is better" } else { "less is better" };
    let title = format!("{}, {} ({better})", row.title, size(row, entry.size));
    let mut group = Group::new().add(text(&title, MARGIN, HEAD / 2.0, "start").set("class", "title"));
    let height = HEAD + STEP * bars.len() as f64;

    let scale = Scale::of(bars.iter().map(|(_, _, value)| *value));
    for power in scale.low + 1..=scale.high {
        let x = NAMES + scale.at(10_f64.powi(power));
        group = group.add(
            Line::new().set("class", "grid").set("x1", x).set("x2", x).set("y1", HEAD - 4.0).set("y2", height - 4.0),
        );
    }
    for (index, (kind, name, value)) in bars.into_iter().enumerate() {
        let top = HEAD + STEP * index as f64;
        let class = match kind {
            Kind::Ours => "ours",
            Kind::Peer => "peer",
            Kind::Limit => "limit",
        };
        let length = scale.at(value);
        let bar = Rectangle::new().set("class", class).set("x", NAMES).set("y", top).set("width", length);
        group = group.add(text(name, NAMES - 8.0, top + BAR - 3.0, "end")).add(bar.set("height", BAR)).add(text(
            &figure(row, value),
            NAMES + length + 6.0,
            top + BAR - 3.0,
            "start",
        ));
    }
    (group, height)
}

fn text(content: &str, x: f64, y: f64, anchor: &str) -> Text {
    Text::new(content).set("x", x).set("y", y).set("text-anchor", anchor)
}

/// Whole powers of ten, from below the least value to above the greatest one.
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>) -> Scale {
        let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if logs.is_empty() {
            return Scale { low: 0, high: 1 };
        }
        // The least one has a bar, too.
        let low = (least - 0.3).floor() as i32;
        Scale { low, high: (most.ceil() as i32).max(low + 1) }
    }

    /// Pixels of a bar; none for zero.
    fn at(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        let pixels = (WIDTH - NAMES - VALUES) * share.clamp(0.0, 1.0);
        (pixels * 10.0).round() / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_with_the_logarithm() {
        let scale = Scale::of([25.0, 0.0, 9000.0].into_iter());
        assert_eq!((scale.low, scale.high), (1, 4));
        assert_eq!([scale.at(0.0), scale.at(10.0), scale.at(1e4)], [0.0, 0.0, WIDTH - NAMES - VALUES]);
        assert!(scale.at(100.0) < scale.at(101.0));
        assert_eq!(Scale::of([0.0].into_iter()).high, 1);
    }
}

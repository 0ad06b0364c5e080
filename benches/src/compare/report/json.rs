//! Everything, for programs: an array whose first object is the header, followed by one for each row, size and way of
//! using AlephZero.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Result;
use crate::compare::figures::Figures;
use crate::compare::machine::Machine;
use crate::compare::peers::Kind;
use crate::compare::rows::Unit;
use crate::compare::run::Entry;

/// Writes all entries to a file.
pub(crate) fn write(file: &Path, machine: &Machine, entries: &[Entry]) -> Result<()> {
    let mut all = vec![json!({ "header": machine })];
    for entry in entries {
        let ours: Vec<_> = entry.figures(Kind::Ours).collect();
        if ours.is_empty() {
            all.push(object(entry, None)?);
        }
        for ours in ours {
            all.push(object(entry, Some(ours))?);
        }
    }
    std::fs::write(file, serde_json::to_string_pretty(&all)? + "\n")?;
    Ok(())
}

fn object(entry: &Entry, ours: Option<(&str, &Figures)>) -> Result<Value> {
    let unit = match entry.row.unit {
        Unit::Ns => "ns",
        Unit::PerS => "per_s",
        Unit::Percent => "percent",
        Unit::Bytes => "bytes",
    };
    let peer = entry.best_peer();
    let limit = entry.limit();
    let [before, behind] = entry.line;
    let variant = ours.map_or("none", |(name, _)| name.trim_start_matches("AlephZero "));
    let typical = |figures: Option<(&str, &Figures)>| figures.map(|(_, figures)| figures.typical);
    let ratio = |to: Option<f64>| Some(typical(ours)? / to.filter(|to| *to > 0.0)?);

    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.into(), value);
    put("row", json!(format!("{}/{}", entry.row.name, variant.replace([' ', ','], "-").to_lowercase())));
    put("title", json!(entry.row.title));
    put("size", json!(entry.size));
    put("unit", json!(unit));
    put("better", json!(if entry.row.more_is_better() { "higher" } else { "lower" }));
    put(&format!("ours_{unit}"), json!(typical(ours)));
    put("best_peer", json!(peer.map(|(name, _)| name)));
    put(&format!("best_peer_{unit}"), json!(typical(peer)));
    put("ratio", json!(ratio(typical(peer))));
    put("limit", json!(limit.map(|(name, _)| name)));
    put(&format!("limit_{unit}"), json!(typical(limit)));
    put("ratio_to_limit", json!(ratio(typical(limit))));
    let figures = ours.map(|(_, figures)| figures);
    put("p50", json!(figures.and_then(|figures| figures.p50)));
    put("p99", json!(figures.and_then(|figures| figures.p99)));
    put("p999", json!(figures.and_then(|figures| figures.p999)));
    put("lost_percent", json!(figures.and_then(|figures| figures.lost)));
    put("line_rtt_ns", json!((before + behind) / 2.0));
    put("line_rtt_before_ns", json!(before));
    put("line_rtt_after_ns", json!(behind));
    put("doubtful", json!(entry.is_doubtful()));
    put("oversubscribed", json!(entry.row.oversubscribed));
    let mut all = Map::new();
    for outcome in &entry.outcomes {
        let value = match &outcome.figures {
            Ok(figures) => serde_json::to_value(figures)?,
            Err(error) => json!({ "failed": error }),
        };
        all.insert(outcome.contender.name.into(), value);
    }
    put("all", Value::Object(all));
    Ok(Value::Object(object))
}

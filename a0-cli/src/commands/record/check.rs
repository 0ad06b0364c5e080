//! `a0 record --check`.

use std::io::Write;

use a0_std::DiscoveryEvent;
use serde_json::json;

use super::selection::{Finder, number};
use crate::console::{Escaped, Json, Table, output};
use crate::end::Outcome;
use crate::quantity::human;
use crate::recording::rules::{Rules, Trigger};
use crate::recording::writer::WriterOptions;
use crate::render::Format;

/// Says what the rules mean for each topic that is there.
pub(super) fn run(rules: &Rules, mut finder: Finder, plan: &WriterOptions, format: Format) -> Outcome {
    let mut found = vec![];
    while let Some(event) = finder.next() {
        if let DiscoveryEvent::Found(candidate) = event {
            let rule = number(rules, &candidate);
            let subject = finder.subject(candidate);
            found.push((subject.protocol, subject.name, rule));
        }
    }
    found.sort();
    found.dedup();
    let text = match format {
        Format::Text => text(rules, &found, plan),
        Format::Json => object(rules, &found),
    };
    let mut output = output()?;
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

fn text(rules: &Rules, found: &[(&str, String, Option<usize>)], plan: &WriterOptions) -> String {
    let mut table = Table::new(&["PROTOCOL", "TOPIC", "RULE", "RECORDED"], &[]);
    for (protocol, topic, rule) in found {
        let (rule, what) = match rule {
            None => ("-".to_owned(), "nothing: no rule matches".to_owned()),
            Some(rule) => (format!("rules[{rule}]"), rules.rules[*rule].to_string()),
        };
        table.push(vec![(*protocol).to_owned(), topic.clone(), rule, what]);
    }
    let mut text = if found.is_empty() { "no topics now\n".to_owned() } else { table.to_string() };
    for (number, rule) in rules.rules.iter().enumerate() {
        if !found.iter().any(|topic| topic.2 == Some(number)) {
            let line = format!("rules[{number}], for {} {}: no topic now; {rule}", rule.kind.name(), rule.topic);
            text += &format!("{}\n", Escaped(&line));
        }
    }
    let limits = [plan.split.size.map(human), plan.split.time.map(|time| format!("{time:?}"))];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    if !limits.is_empty() {
        text += &format!("a new file after {}\n", limits.join(" or "));
    }
    text
}
/// One object for each topic, one a line.
fn object(rules: &Rules, found: &[(&str, String, Option<usize>)]) -> String {
    let line = |(protocol, topic, rule): &(&str, String, Option<usize>)| {
        let of = rule.map(|rule| &rules.rules[rule]);
        let triggers = of.iter().flat_map(|rule| &rule.policies).flat_map(|policy| &policy.triggers);
        let triggers: Vec<_> = triggers.map(Trigger::to_string).collect();
        let recorded = of.map(ToString::to_string);
        let object =
            json!({"protocol": protocol, "topic": topic, "rule": rule, "recorded": recorded, "triggers": triggers});
        format!("{}\n", Json(object))
    };
    found.iter().map(line).collect()
}

//! From JSON to rules.

use std::time::Duration;

use a0_std::{PathGlob, Protocol, TimeMono, env};
use serde_json::Value;

use super::json::{Checked, Object, Place};
use super::{Action, Cron, Kind, Policy, Rule, Rules, Trigger};
use crate::recording::split::Split;

const BYTES: [(&str, f64); 5] =
    [("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0), ("TiB", 1_099_511_627_776.0)];

const TIMES: [(&str, f64); 6] = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

const EXAMPLE: &str = r#"[{"protocol": "pubsub", "topic": "**/*", "policies": [{"type": "save_all"}]}]"#;

impl Rules {
    /// What this text says.
    pub(crate) fn parse(text: &str) -> Checked<Rules> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let known = [
            "savepath",
            "searchpath",
            "rules",
            "default_max_logfile_size",
            "default_max_logfile_duration",
            "start_time_mono",
            "trigger_control_topic",
        ];
        let root = Place::root(&value).object(&known)?;
        check_searchpath(&root)?;
        let mut split = Split::default();
        take_limits(&mut split, &root, "default_max_logfile_size", "default_max_logfile_duration")?;
        let savepath = root.member("savepath").map(|place| place.text().map(Into::into)).transpose()?;
        let controls = control(&root, "trigger_control_topic")?;
        let places = root.required("rules", EXAMPLE)?.items()?;
        let rules = places.iter().map(|place| rule(place, &controls, &mut split)).collect::<Checked<Vec<_>>>()?;
        let warnings = shadowed(&rules);
        let start = root.member("start_time_mono").map(|place| start(&place)).transpose()?;
        Ok(Rules { savepath, split, start, rules, warnings })
    }
}

/// Lowers the limits to those that are given here. The smallest ones are those of the one file that all topics share, so that
/// no topic's part of it is above its own.
fn take_limits(split: &mut Split, object: &Object<'_>, size: &str, time: &str) -> Checked<()> {
    if let Some(place) = object.member(size) {
        let size = place.quantity(&BYTES, "128MiB")? as u64;
        if size == 0 {
            return place.wrong("a file needs more than 0 bytes");
        }
        split.size = Some(split.size.map_or(size, |least| least.min(size)));
    }
    if let Some(place) = object.member(time) {
        let time = duration(&place)?;
        if time.is_zero() {
            return place.wrong("a file needs more than no time");
        }
        split.time = Some(split.time.map_or(time, |least| least.min(time)));
    }
    Ok(())
}

fn check_searchpath(root: &Object<'_>) -> Checked<()> {
    let Some(place) = root.member("searchpath") else { return Ok(()) };
    let wanted = place.text()?.trim_end_matches('/');
    let searched = env::root().map_err(|error| error.to_string())?;
    if searched != std::path::Path::new(wanted) {
        let searched = searched.display();
        return place
            .wrong(format!("topics are searched below A0_ROOT ({searched}); set A0_ROOT={wanted}, or remove it"));
    }
    Ok(())
}

fn start(place: &Place<'_>) -> Checked<TimeMono> {
    let text = place.text()?;
    let time = TimeMono::parse(text.as_bytes()).ok().filter(|_| text.len() == 19);
    time.map_or_else(|| place.wrong(format!("'{text}' is no time of 19 digits: nanoseconds since boot")), Ok)
}

fn rule(place: &Place<'_>, controls: &[String], split: &mut Split) -> Checked<Rule> {
    let known = ["protocol", "topic", "policies", "max_logfile_size", "max_logfile_duration", "trigger_control_topic"];
    let object = place.object(&known)?;
    take_limits(split, &object, "max_logfile_size", "max_logfile_duration")?;
    let name = object.required("protocol", "\"pubsub\"")?.one_of(&["pubsub", "rpc", "prpc", "cfg", "log", "file"])?;
    let protocol = Protocol::ALL.iter().copied().find(|protocol| protocol.name() == name);
    let topic = object.required("topic", "\"**/*\"")?;
    let (topic, glob) = pattern(&topic)?;
    let controls = [controls, &control(&object, "trigger_control_topic")?].concat();
    let places = object.required("policies", r#"[{"type": "save_all"}]"#)?.items()?;
    let policies = places.iter().map(|place| policy(place, &controls)).collect::<Checked<Vec<_>>>()?;
    if policies.len() > 1 && policies.iter().any(|policy| matches!(policy.action, Action::DropAll)) {
        return object.wrong("drop_all contradicts the other policies; keep either it or them");
    }
    let kind = protocol.map_or(Kind::File, Kind::Topic);
    Ok(Rule { kind, topic, glob, policies, text: place.value().to_string() })
}

/// A pattern of names below `A0_ROOT`.
fn pattern(place: &Place<'_>) -> Checked<(String, PathGlob)> {
    let text = place.text()?;
    if text.starts_with('/') {
        return place.wrong(format!("'{text}' starts with /; names are relative to A0_ROOT"));
    }
    if text.split('/').any(|part| part.is_empty() || part == "." || part == "..") || text.contains('\0') {
        return place.wrong(format!("'{text}' is no pattern of names; use one such as cam/front, cam/* or **/*"));
    }
    match PathGlob::new(text) {
        Ok(glob) => Ok((text.to_owned(), glob)),
        Err(error) => place.wrong(error.to_string()),
    }
}

fn control(object: &Object<'_>, key: &str) -> Checked<Vec<String>> {
    let Some(place) = object.member(key) else { return Ok(vec![]) };
    // The same as if there is none, as in 0.3.
    if place.text()?.is_empty() {
        return Ok(vec![]);
    }
    Ok(vec![pattern(&place)?.0])
}

fn policy(place: &Place<'_>, controls: &[String]) -> Checked<Policy> {
    let object = place.object(&["type", "args", "triggers", "trigger_control_topic"])?;
    let kind = object.required("type", "\"save_all\"")?.one_of(&["save_all", "drop_all", "time", "count"])?;
    let none = Value::Object(serde_json::Map::new());
    let args = object.member("args").filter(|args| !args.value().is_null());
    let args = args.unwrap_or_else(|| Place::root(&none));
    let action = match kind {
        "save_all" => Action::SaveAll { ignore_control: ignored(&args)? },
        "drop_all" => args.object(&[]).map(|_| Action::DropAll)?,
        kind => window(kind, &object, &args)?,
    };
    let mut controls = controls.to_vec();
    controls.extend(control(&object, "trigger_control_topic")?);
    let mut triggers = vec![];
    for place in object.member("triggers").map_or(Ok(vec![]), |place| place.items())? {
        triggers.push(trigger(&place, &mut controls)?);
    }
    match (action, triggers.is_empty()) {
        (Action::Time { .. } | Action::Count { .. }, true) => {
            object.wrong(format!("{kind} without triggers saves nothing; add \"triggers\", or use drop_all"))
        }
        (Action::SaveAll { .. } | Action::DropAll, false) => {
            object.wrong(format!("{kind} has no use for triggers; remove them, or use time or count"))
        }
        _ => Ok(Policy { action, triggers, controls }),
    }
}

fn ignored(args: &Place<'_>) -> Checked<bool> {
    let object = args.object(&["ignore_trigger_control"])?;
    object.member("ignore_trigger_control").map_or(Ok(false), |place| place.truth())
}

fn window(kind: &str, policy: &Object<'_>, args: &Place<'_>) -> Checked<Action> {
    let (example, members) = match kind {
        "time" => (r#"{"save_prev": "2s", "save_next": "500ms"}"#, args.object(&["save_prev", "save_next"])?),
        _ => (r#"{"save_prev": 5, "save_next": 3}"#, args.object(&["save_prev", "save_next"])?),
    };
    let (prev, next) = (members.member("save_prev"), members.member("save_next"));
    if prev.is_none() && next.is_none() {
        return policy.wrong(format!("it says nothing about how much to save; add \"args\": {example}"));
    }
    let action = match kind {
        "time" => {
            let part = |place: Option<Place<'_>>| place.map_or(Ok(Duration::ZERO), |place| duration(&place));
            Action::Time { prev: part(prev)?, next: part(next)? }
        }
        _ => {
            let part = |place: Option<Place<'_>>| place.map_or(Ok(0), |place| place.count());
            Action::Count { prev: part(prev)?, next: part(next)? }
        }
    };
    match action {
        Action::Time { prev: Duration::ZERO, next: Duration::ZERO } | Action::Count { prev: 0, next: 0 } => {
            policy.wrong(format!("nothing before a trigger and nothing after it saves nothing; use such as {example}"))
        }
        action => Ok(action),
    }
}

fn duration(place: &Place<'_>) -> Checked<Duration> {
    let nanos = place.quantity(&TIMES, "2.5s")?;
    // More than any clock here can tell.
    if nanos > 9e18 {
        return place.wrong("too long");
    }
    Ok(Duration::from_nanos(nanos as u64))
}

fn trigger(place: &Place<'_>, controls: &mut Vec<String>) -> Checked<Trigger> {
    let object = place.object(&["type", "args", "control_topic"])?;
    controls.extend(control(&object, "control_topic")?);
    let kind = object.required("type", "\"pubsub\"")?.one_of(&["pubsub", "rate", "cron"])?;
    let args = object.required("args", "{…}")?;
    match kind {
        "pubsub" => {
            let topic = args.object(&["topic"])?.required("topic", "\"alarm\"")?;
            Ok(Trigger::PubSub { topic: pattern(&topic)?.0 })
        }
        "rate" => rate(&args.object(&["hz", "period"])?),
        _ => {
            let pattern = args.object(&["pattern"])?.required("pattern", "\"0 0 * * * *\"")?;
            Cron::parse(pattern.text()?).map_or_else(|wrong| pattern.wrong(wrong), |cron| Ok(Trigger::Cron(cron)))
        }
    }
}

fn rate(args: &Object<'_>) -> Checked<Trigger> {
    let (place, period) = match (args.member("hz"), args.member("period")) {
        (Some(_), Some(_)) => return args.wrong("hz and period say the same in two ways; keep one of them"),
        (None, None) => return args.wrong("how often is missing; add \"hz\": 2, or \"period\": 0.5 (seconds)"),
        (Some(place), None) => {
            let hz = place.number()?;
            if !(1.0 / 3600.0..=200.0).contains(&hz) {
                return place.wrong("it must be from once an hour (0.000278) to 200 times a second");
            }
            (place, 1.0 / hz)
        }
        (None, Some(place)) => {
            let period = place.number()?;
            (place, period)
        }
    };
    if !(0.001..=1e9).contains(&period) {
        return place.wrong("it must be a number of seconds from 0.001");
    }
    Ok(Trigger::Rate { period: Duration::from_secs_f64(period) })
}

/// Rules that never apply, since an earlier one takes all of their topics.
fn shadowed(rules: &[Rule]) -> Vec<String> {
    let covers = |earlier: &Rule, rule: &Rule| !rule.topic.contains('*') && earlier.glob.matches(&rule.topic);
    let takes_all = |earlier: &Rule, rule: &Rule| {
        let everything = ["**", "**/*"].contains(&earlier.topic.as_str());
        match (earlier.kind == rule.kind, earlier.kind) {
            (true, _) => everything || earlier.topic == rule.topic || covers(earlier, rule),
            (false, kind) => everything && kind == Kind::File,
        }
    };
    let shadow = |(number, rule): (usize, &Rule)| {
        let earlier = rules[..number].iter().position(|earlier| takes_all(earlier, rule))?;
        Some(format!("rules[{number}] never applies: the first rule that matches counts, which is rules[{earlier}]"))
    };
    rules.iter().enumerate().filter_map(shadow).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(rules: &str) -> String {
        Rules::parse(rules).unwrap_err()
    }

    fn one(policy: &str) -> String {
        format!(r#"{{"rules": [{{"protocol": "pubsub", "topic": "t", "policies": [{policy}]}}]}}"#)
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let policy = |text: &str| wrong(&one(text));
        for (said, expected) in [
            (wrong("{"), "not JSON: EOF while parsing an object at line 1 column 1"),
            (wrong("[]"), "it is an array, but must be an object"),
            (wrong(r#"{"rules": [], "savpath": "/x"}"#), "savpath: unknown; do you mean savepath?"),
            (wrong("{}"), "rules: missing; add it, such as \"rules\": [{"),
            (wrong(r#"{"rules": {}}"#), "rules: it is an object, but must be an array"),
            (wrong(r#"{"rules": [], "savepath": 5}"#), "savepath: it is a number, but must be a string"),
            (wrong(r#"{"rules": [{"topic": "t"}]}"#), "rules[0].protocol: missing; add it"),
            (
                wrong(r#"{"rules": [{"protocol": "pubsb"}]}"#),
                "rules[0].protocol: pubsb is unknown; do you mean pubsub?",
            ),
            (wrong(r#"{"rules": [{"protocol": "log", "topic": "/t"}]}"#), "rules[0].topic: '/t' starts with /"),
            (wrong(r#"{"rules": [{"protocol": "log", "topic": "a/../t"}]}"#), "rules[0].topic: 'a/../t' is no pattern"),
            (wrong(r#"{"rules": [{"protocol": "log", "topic": ""}]}"#), "rules[0].topic: '' is no pattern"),
            (
                wrong(r#"{"rules": [], "default_max_logfile_size": "1MB"}"#),
                "default_max_logfile_size: '1MB' is not a number",
            ),
            (wrong(r#"{"rules": [], "start_time_mono": "12"}"#), "start_time_mono: '12' is no time of 19 digits"),
            (wrong(r#"{"rules": [], "searchpath": "/x"}"#), "searchpath: topics are searched below A0_ROOT ("),
            (
                policy(r#"{"type": "safe_all"}"#),
                "rules[0].policies[0].type: safe_all is unknown; do you mean save_all?",
            ),
            (
                policy(r#"{"type": "count", "args": {"save_prev": -5}}"#),
                "rules[0].policies[0].args.save_prev: -5 is no number of messages, such as 5",
            ),
            (policy(r#"{"type": "time"}"#), "rules[0].policies[0]: it says nothing about how much"),
            (
                policy(r#"{"type": "time", "args": {"save_pref": "1s"}}"#),
                "rules[0].policies[0].args.save_pref: unknown; do",
            ),
            (
                policy(r#"{"type": "time", "args": {"save_prev": 5}}"#),
                "rules[0].policies[0].args.save_prev: it is a number",
            ),
            (
                policy(r#"{"type": "count", "args": {"save_prev": "5s"}}"#),
                "rules[0].policies[0].args.save_prev: it is a str",
            ),
            (policy(r#"{"type": "count", "args": {"save_prev": 5}}"#), "rules[0].policies[0]: count without triggers"),
            (
                policy(r#"{"type": "save_all", "args": {"ignore_trigger_control": 1}}"#),
                "rules[0].policies[0].args.ignore_t",
            ),
            (
                policy(r#"{"type": "save_all"}, {"type": "drop_all"}"#),
                "rules[0]: drop_all contradicts the other policies",
            ),
            (
                policy(r#"{"type": "drop_all", "triggers": [{"type": "rate", "args": {"hz": 1}}]}"#),
                "rules[0].policies[0]: d",
            ),
        ] {
            assert!(said.starts_with(expected), "{said:?} is not {expected:?}");
        }
        let trigger = |text: &str| {
            let said = policy(&format!(r#"{{"type": "count", "args": {{"save_next": 1}}, "triggers": [{text}]}}"#));
            said.strip_prefix("rules[0].policies[0].triggers[0]").unwrap_or_else(|| panic!("{said}")).to_owned()
        };
        for (said, expected) in [
            (trigger(r#"{"type": "rte"}"#), ".type: rte is unknown; do you mean rate?"),
            (trigger(r#"{"type": "rate"}"#), ".args: missing"),
            (trigger(r#"{"type": "rate", "args": {}}"#), ".args: how often is missing"),
            (trigger(r#"{"type": "rate", "args": {"hz": 1, "period": 1}}"#), ".args: hz and period say the same"),
            (trigger(r#"{"type": "rate", "args": {"hz": 201}}"#), ".args.hz: it must be from once an hour"),
            (trigger(r#"{"type": "rate", "args": {"period": 0}}"#), ".args.period: it must be"),
            (trigger(r#"{"type": "cron", "args": {"pattern": "* *"}}"#), ".args.pattern: '* *' has 2 fields"),
            (trigger(r#"{"type": "pubsub", "args": {"topic": "/x"}}"#), ".args.topic: '/x' starts with /"),
        ] {
            assert!(said.starts_with(expected), "{said:?} is not {expected:?}");
        }
    }

    #[test]
    fn limits_are_the_smallest() {
        let rule = |more: &str| format!(r#"{{"protocol": "log", "topic": "t", "policies": [], {more}}}"#);
        let [size, time] = [r#""max_logfile_size": "2KiB""#, r#""max_logfile_duration": "1.5m""#].map(rule);
        let rules =
            Rules::parse(&format!(r#"{{"default_max_logfile_size": "1MiB", "rules": [{size}, {time}]}}"#)).unwrap();
        assert_eq!((rules.split.size, rules.split.time), (Some(2048), Some(Duration::from_secs(90))));
        assert_eq!(rules.warnings, ["rules[1] never applies: the first rule that matches counts, which is rules[0]"]);
    }
}

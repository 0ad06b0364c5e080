//! `a0 info`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use a0_std::TimeWall;
use clap::Parser;
use mcap::records::Metadata;
use serde_json::{Value, json};

use crate::console::{Escaped, Json, Table, output};
use crate::end::Outcome;
use crate::quantity::human;
use crate::recording::reader::{Item, Recorded, RecordingReader};
use crate::recording::{Counts, TALLY};
use crate::render::Format;

/// Say what is in a recording
///
/// Reads the whole file, so it also finds damage: what is damaged is passed over, by this command and by 'a0 replay'.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 info run.mcap
  a0 info run.mcap --format json | jq '.topics[] | select(.missed > 0)'

JSON, one object:
  file, size, complete, problem (null if there is none), messages, start and end (nanoseconds since 1970), seconds,
  topics: topic, protocol, encoding, messages, bytes, seconds, rate, missed, damaged, dropped, given_up (null if unknown)

Dropped are messages that the rules of 'a0 record --rules' did not want. Given up are those that they wanted, but that were
not in memory any more when this became known.

A file that is not complete is one whose recorder was killed or still runs, or that has lost its end. Then the missed
messages are those that the numbers of the others tell of, unless a rule has dropped some.

Exit codes:
  0  something about the recording is known, even if it is damaged
  1  not a recording, or it cannot be read")]
pub(crate) struct Args {
    /// The recording
    file: PathBuf,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What is known of one topic.
#[derive(Default)]
struct Facts {
    encoding: String,
    messages: u64,
    bytes: u64,
    span: Span,
    last_sequence: Option<u32>,
    /// Numbers of messages that are not there.
    gaps: u64,
    /// A rule may have dropped messages, so that their numbers tell nothing.
    has_rule: bool,
    tally: Option<Counts>,
}

#[derive(Clone, Copy, Default)]
struct Span(Option<(u64, u64)>);

impl Span {
    fn add(&mut self, time: u64) {
        let (start, end) = self.0.unwrap_or((time, time));
        self.0 = Some((start.min(time), end.max(time)));
    }

    fn seconds(self) -> f64 {
        self.0.map_or(0.0, |(start, end)| (end - start) as f64 / 1e9)
    }
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let mut source = RecordingReader::open_without_contents(&self.file)?;
        let mut topics: BTreeMap<(String, String), Facts> = BTreeMap::new();
        let mut span = Span::default();
        while let Some(item) = source.next()? {
            match item {
                Item::Message(message) => {
                    span.add(message.time);
                    let protocol = message.channel.metadata.get("protocol").cloned().unwrap_or_default();
                    topics.entry((message.channel.topic.clone(), protocol)).or_default().take(&message);
                }
                Item::Metadata(metadata) => tally(&metadata, &mut topics),
            }
        }
        let mut output = output()?;
        match self.format {
            Format::Text => write!(output, "{}", self.text(&source, span, &topics))?,
            Format::Json => writeln!(output, "{}", Json(self.object(&source, span, &topics)))?,
        }
        output.flush()?;
        Ok(())
    }

    fn text(&self, source: &RecordingReader, span: Span, topics: &BTreeMap<(String, String), Facts>) -> String {
        let messages: u64 = topics.values().map(|facts| facts.messages).sum();
        let complete = match (source.is_complete(), source.problem()) {
            (true, None) => "yes".to_owned(),
            (true, Some(problem)) => format!("yes, but damaged: {problem}"),
            (false, problem) => format!("no: {}", problem.unwrap_or_default()),
        };
        let mut lines = vec![
            ("file", self.file.display().to_string()),
            ("size", human(source.size())),
            ("complete", complete),
            ("messages", messages.to_string()),
        ];
        if let Some((start, _)) = span.0 {
            lines.push(("start", civil(start)));
            lines.push(("duration", format!("{:.3} s", span.seconds())));
        }
        let mut text: String = lines.iter().map(|(key, value)| format!("{key:<9}  {}\n", Escaped(value))).collect();
        if !topics.is_empty() {
            let has_rules = topics.values().any(Facts::has_rule);
            let head = ["PROTOCOL", "MESSAGES", "RATE/s", "BYTES", "MISSED", "DAMAGED", "DROPPED", "GIVEN UP", "TOPIC"];
            let unruled = |column: &usize| has_rules || ![6, 7].contains(column);
            let head: Vec<_> = (0..).zip(head).filter(|(column, _)| unruled(column)).map(|(_, name)| name).collect();
            let right: &[usize] = if has_rules { &[1, 2, 3, 4, 5, 6, 7] } else { &[1, 2, 3, 4, 5] };
            let mut table = Table::new(&head, right);
            let known = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
            for ((topic, protocol), facts) in topics {
                let row = vec![
                    if protocol.is_empty() { "-" } else { protocol }.to_owned(),
                    facts.messages.to_string(),
                    facts.rate().map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}")),
                    human(facts.bytes),
                    known(facts.missed()),
                    known(facts.tally.map(|tally| tally.damaged)),
                    known(facts.tally.map(|tally| tally.dropped)),
                    known(facts.tally.map(|tally| tally.given_up)),
                    topic.clone(),
                ];
                table.push((0..).zip(row).filter(|(column, _)| unruled(column)).map(|(_, cell)| cell).collect());
            }
            text += &format!("\n{table}");
        }
        text
    }

    fn object(&self, source: &RecordingReader, span: Span, topics: &BTreeMap<(String, String), Facts>) -> Value {
        let topic = |((topic, protocol), facts): (&(String, String), &Facts)| {
            json!({
                "topic": topic,
                "protocol": if protocol.is_empty() { Value::Null } else { json!(protocol) },
                "encoding": facts.encoding,
                "messages": facts.messages,
                "bytes": facts.bytes,
                "seconds": facts.span.seconds(),
                "rate": facts.rate(),
                "missed": facts.missed(),
                "damaged": facts.tally.map(|tally| tally.damaged),
                "dropped": facts.tally.map(|tally| tally.dropped),
                "given_up": facts.tally.map(|tally| tally.given_up),
            })
        };
        json!({
            "file": self.file.to_string_lossy(),
            "size": source.size(),
            "complete": source.is_complete(),
            "problem": source.problem(),
            "messages": topics.values().map(|facts| facts.messages).sum::<u64>(),
            "start": span.0.map(|(start, _)| start),
            "end": span.0.map(|(_, end)| end),
            "seconds": span.seconds(),
            "topics": topics.iter().map(topic).collect::<Vec<_>>(),
        })
    }
}

impl Facts {
    fn take(&mut self, message: &Recorded) {
        // A topic that was removed and came again starts anew.
        let gap = self.last_sequence.map(|last| message.sequence.wrapping_sub(last)).filter(|gap| *gap < 1 << 31);
        self.gaps += u64::from(gap.unwrap_or(1).saturating_sub(1));
        self.last_sequence = Some(message.sequence);
        self.messages += 1;
        self.bytes += message.size;
        self.span.add(message.time);
        self.has_rule |= message.channel.metadata.contains_key("rule");
        self.encoding.clone_from(&message.channel.message_encoding);
    }

    fn rate(&self) -> Option<f64> {
        let seconds = self.span.seconds();
        (seconds > 0.0).then(|| (self.messages - 1) as f64 / seconds)
    }

    fn missed(&self) -> Option<u64> {
        let told = (!self.has_rule).then_some(self.gaps);
        self.tally.map(|tally| tally.missed).or(told)
    }

    fn has_rule(&self) -> bool {
        self.has_rule || self.tally.is_some_and(|tally| tally.dropped > 0 || tally.given_up > 0)
    }
}

/// What the recorder says about a topic.
fn tally(metadata: &Metadata, topics: &mut BTreeMap<(String, String), Facts>) {
    let fact = |key| metadata.metadata.get(key);
    let number = |key| fact(key).and_then(|text| text.parse().ok()).unwrap_or(0);
    if let (TALLY, Some(topic), Some(protocol)) = (metadata.name.as_str(), fact("topic"), fact("protocol")) {
        let facts = topics.entry((topic.clone(), protocol.clone())).or_default();
        facts.tally = Some(Counts {
            messages: number("messages"),
            missed: number("missed"),
            damaged: number("damaged"),
            dropped: number("dropped"),
            given_up: number("given_up"),
        });
    }
}

/// Nanoseconds since the start of 1970 as a date.
fn civil(nanos: u64) -> String {
    let time = TimeWall::new((nanos / 1_000_000_000).cast_signed(), (nanos % 1_000_000_000) as u32);
    time.map_or_else(|_| nanos.to_string(), |time| time.to_text().to_string())
}

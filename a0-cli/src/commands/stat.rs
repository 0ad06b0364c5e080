//! `a0 stat`.

use std::io::Write;
use std::os::unix::fs::MetadataExt;

use a0_std::{File, Init, ReaderSync, keys};
use clap::Parser;
use serde_json::{Map, Value, json};

use super::deadman::Look;
use crate::console::{Escaped, Json, output};
use crate::end::{End, Outcome};
use crate::inspect::{self, Condition};
use crate::quantity::human;
use crate::render::Format;
use crate::target;

/// Show everything about one topic
///
/// Changes nothing, and does not create the topic. Says what the header says; 'a0 verify' examines the messages.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 stat cam/front
  a0 stat /dev/shm/alephzero/api.rpc.a0 --format json")]
pub(crate) struct Args {
    /// Topic or file
    #[arg(value_name = "TOPIC|FILE", help = target::HELP)]
    target: String,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let path = target::resolve(&self.target)?;
        let condition = inspect::open(&path).map_err(|error| End::failed(inspect::reason(&path, &error)))?;
        let mut facts = Map::new();
        facts.insert("path".into(), json!(path.to_string_lossy()));
        if let Ok(metadata) = std::fs::metadata(&path) {
            facts.insert("permissions".into(), json!(format!("{:04o}", metadata.mode() & 0o7777)));
        }
        match condition {
            Condition::New { size } => {
                facts.insert("size".into(), json!(size));
                facts.insert("initialized".into(), json!(false));
            }
            Condition::Deadman(deadman) => Look::at(&deadman)?.describe(&mut facts),
            Condition::Topic(file) => describe(&file, &mut facts)?,
        }
        let mut output = output()?;
        match self.format {
            Format::Json => writeln!(output, "{}", Json::from(facts))?,
            Format::Text => {
                for (key, value) in &facts {
                    writeln!(output, "{:<18} {}", key.replace('_', " "), Escaped(&plain(key, value)))?;
                }
            }
        }
        Ok(output.flush()?)
    }
}

fn describe(file: &File, facts: &mut Map<String, Value>) -> Outcome {
    let header = file.header();
    let state = file.state()?;
    let arena = file.arena_size();
    state
        .check(arena.min(file.size()))
        .map_err(|damage| End::failed(format_args!("{}: {damage}; see 'a0 verify'", file.path().display())))?;
    let mut fact = |key: &str, value: Value| facts.insert(key.to_owned(), value);
    fact("size", json!(file.size()));
    fact("arena", json!(arena));
    fact("initialized", json!(true));
    fact("used", json!(state.high_water_mark));
    fact("messages", json!(state.frame_count()));
    fact("seq_low", json!(state.seq_low));
    fact("seq_high", json!(state.seq_high));
    fact("oldest_time", time(file, Init::Oldest));
    fact("newest_time", time(file, Init::MostRecent));
    fact("lock_owner", json!(header.lock_owner));
    fact("owner_died", json!(header.owner_died));
    fact("sleepers", json!(header.has_sleepers));
    // Seen at some time: the mark is kept.
    fact("c_core_users", json!(header.foreign_writers));
    // Whose thread id the owner is; `lsns -t pid` lists them by this number.
    fact("pid_namespace", json!(header.pid_namespace));
    fact("events", json!(header.events));
    Ok(())
}

/// When a message was written, if it says so.
fn time(file: &File, init: Init) -> Value {
    let Ok(mut reader) = ReaderSync::new(file, init) else { return Value::Null };
    match reader.read() {
        Ok(Some(message)) => message.header(keys::TIME_WALL).map_or(Value::Null, Value::from),
        _ => Value::Null,
    }
}

fn plain(key: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if matches!(key, "size" | "arena" | "used") => {
            let bytes = number.as_u64().unwrap_or(0);
            if bytes < 1024 { human(bytes) } else { format!("{bytes} ({})", human(bytes)) }
        }
        other => other.to_string(),
    }
}

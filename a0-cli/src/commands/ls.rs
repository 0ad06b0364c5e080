//! `a0 ls`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use a0_core::State;
use a0_linux::is_temporary;
use a0_std::{Protocol, Templates, env};
use clap::Parser;
use serde_json::{Value, json};

use super::deadman::Look;
use crate::console::{Json, Table, complain, is_terminal, output};
use crate::end::{End, Outcome};
use crate::inspect::{self, Condition};
use crate::quantity::human;
use crate::render::Format;

/// List the topics below A0_ROOT
///
/// Lists every file that ends in .a0, or has the name of a topic by one of the templates A0_TOPIC_TMPL_... Those
/// that are damaged or cannot be read are listed with the reason. Changes nothing.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 ls
  a0 ls --format json | jq -r 'select(.error) | .path'  those that cannot be read

JSON, one object a line:
  protocol (null if unknown), topic, path, size, used, messages, seq_low, seq_high; those that are damaged or
  cannot be read have error instead of the last four, new ones that nobody has written to yet have null, and
  deadmen have what 'a0 deadman state' says")]
pub(crate) struct Args {
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A file's name taken apart.
struct Name {
    protocol: Option<Protocol>,
    topic: String,
}

impl Name {
    /// What a path stands for; `None` if it is nothing of ours.
    fn of(path: &Path, root: &Path, templates: &Templates) -> Option<Name> {
        if let Some((protocol, topic)) = templates.topic(path) {
            return Some(Name { protocol: Some(protocol), topic });
        }
        let unknown = path.extension().is_some_and(|extension| extension == "a0") && !is_temporary(path);
        let topic = || path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        unknown.then(|| Name { protocol: None, topic: topic() })
    }
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let root = env::root()?;
        let templates = Templates::new(Protocol::ALL)?;
        let mut output = output()?;
        let mut table = Table::new(&["PROTOCOL", "TOPIC", "SIZE", "USED", "MESSAGES", "SEQ"], &[2, 3, 4]);
        let (files, complete) = files_below(&root);
        let mut empty = true;
        for path in files {
            let Some(name) = Name::of(&path, &root, &templates) else { continue };
            empty = false;
            let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            let found = look(&path);
            match self.format {
                Format::Text => table.push(row(&name, size, &found)),
                Format::Json => writeln!(output, "{}", Json(object(&name, &path, size, &found)))?,
            }
        }
        match self.format {
            Format::Text if empty && is_terminal() => writeln!(output, "no topics below {}", root.display())?,
            Format::Text if empty => {}
            Format::Text => write!(output, "{table}")?,
            Format::Json => {}
        }
        output.flush()?;
        if complete { Ok(()) } else { Err(End::Told) }
    }
}

/// What a sound file holds.
enum Found {
    Messages(State),
    Deadman(Look),
    /// A topic that nobody has written to yet.
    New,
}

fn look(path: &Path) -> Result<Found, String> {
    match inspect::open(path) {
        Ok(Condition::Topic(file)) => inspect::check(&file).map(Found::Messages),
        Ok(Condition::Deadman(deadman)) => Look::at(&deadman).map(Found::Deadman).map_err(|error| error.to_string()),
        Ok(Condition::New { .. }) => Ok(Found::New),
        Err(error) => Err(inspect::reason(path, &error)),
    }
}

fn row(name: &Name, size: u64, found: &Result<Found, String>) -> Vec<String> {
    let mut row = vec![name.protocol.map_or("-", Protocol::name).to_owned(), name.topic.clone(), human(size)];
    match found {
        Ok(Found::Messages(state)) => {
            row.extend([human(state.high_water_mark), state.frame_count().to_string(), inspect::range(state)])
        }
        Ok(Found::Deadman(look)) => row.extend(["-".to_owned(), "-".to_owned(), look.to_string()]),
        Ok(Found::New) => row.extend(["-".to_owned(), "0".to_owned(), "new".to_owned()]),
        Err(reason) => row.extend(["-".to_owned(), "-".to_owned(), format!("error: {reason}")]),
    }
    row
}

fn object(name: &Name, path: &Path, size: u64, found: &Result<Found, String>) -> Value {
    let mut object = json!({
        "protocol": name.protocol.map(Protocol::name),
        "topic": name.topic,
        "path": path.to_string_lossy(),
        "size": size,
    });
    let Value::Object(facts) = &mut object else { return object };
    let mut fact = |key: &str, value: Value| facts.insert(key.to_owned(), value);
    match found {
        Ok(Found::Messages(state)) => {
            fact("used", json!(state.high_water_mark));
            fact("messages", json!(state.frame_count()));
            fact("seq_low", json!(state.seq_low));
            fact("seq_high", json!(state.seq_high));
        }
        Ok(Found::Deadman(look)) => look.describe(facts),
        Ok(Found::New) => drop(["used", "messages", "seq_low", "seq_high"].map(|key| fact(key, Value::Null))),
        Err(reason) => drop(fact("error", json!(reason))),
    }
    object
}

/// Every file below a directory, in order; and whether all directories could be read. Follows no links to directories.
fn files_below(root: &Path) -> (Vec<PathBuf>, bool) {
    let (mut files, mut complete) = (vec![], true);
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        match entries {
            Ok(entries) => {
                for entry in entries {
                    match entry.file_type() {
                        Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                        _ => files.push(entry.path()),
                    }
                }
            }
            // Nothing has been published yet; or it has just been removed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                complain(format_args!("cannot read directory {}: {error}", directory.display()));
                complete = false;
            }
        }
    }
    files.sort();
    (files, complete)
}

//! `a0 ls`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use a0_core::State;
use a0_linux::is_temporary;
use a0_std::{Protocol, Templates, env};
use clap::Parser;
use serde_json::{Value, json};

use super::Format;
use crate::console::{Table, complain, is_terminal, output};
use crate::end::{End, Outcome};
use crate::inspect::{self, Condition};
use crate::quantity::human;

/// List the topics below A0_ROOT
///
/// Lists every file that ends in .a0, or has the name of a topic by one of the templates A0_TOPIC_TMPL_... Damaged ones
/// are listed with the reason. Changes nothing.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 ls
  a0 ls --format json | jq -r 'select(.error) | .path'  the damaged ones

JSON, one object a line:
  protocol (null if unknown), topic, path, size, used, messages, seq_low, seq_high; damaged ones have error instead of
  the last four, new ones that nobody has written to yet have null")]
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
            // A deadman's file holds a lock, not messages.
            return (protocol != Protocol::Deadman).then_some(Name { protocol: Some(protocol), topic });
        }
        let unknown = path.extension().is_some_and(|extension| extension == "a0") && !is_temporary(path);
        let topic = || path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        unknown.then(|| Name { protocol: None, topic: topic() })
    }
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let root = env::root()?;
        let templates = Templates::new(&Protocol::ALL)?;
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
                Format::Json => writeln!(output, "{}", object(&name, &path, size, &found))?,
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

/// The state of a sound topic, `None` for a new one.
fn look(path: &Path) -> Result<Option<State>, String> {
    match inspect::open(path) {
        Ok(Condition::Topic(file)) => inspect::check(&file).map(Some),
        Ok(Condition::New { .. }) => Ok(None),
        Err(error) => Err(inspect::reason(path, &error)),
    }
}

fn row(name: &Name, size: u64, found: &Result<Option<State>, String>) -> Vec<String> {
    let mut row = vec![name.protocol.map_or("-", Protocol::name).to_owned(), name.topic.clone(), human(size)];
    match found {
        Ok(Some(state)) => {
            row.extend([human(state.high_water_mark), state.frame_count().to_string(), inspect::range(state)])
        }
        Ok(None) => row.extend(["-".to_owned(), "0".to_owned(), "new".to_owned()]),
        Err(reason) => row.extend(["-".to_owned(), "-".to_owned(), format!("damaged: {reason}")]),
    }
    row
}

fn object(name: &Name, path: &Path, size: u64, found: &Result<Option<State>, String>) -> Value {
    let mut object = json!({
        "protocol": name.protocol.map(Protocol::name),
        "topic": name.topic,
        "path": path.to_string_lossy(),
        "size": size,
    });
    let more = match found {
        Ok(state) => json!({
            "used": state.map(|state| state.high_water_mark),
            "messages": state.map(|state| state.frame_count()),
            "seq_low": state.map(|state| state.seq_low),
            "seq_high": state.map(|state| state.seq_high),
        }),
        Err(reason) => json!({ "error": reason }),
    };
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
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

//! `a0 deadman state`.

use std::io::Write;

use a0_std::{Deadman, FileOptions, Mode};
use clap::Parser;
use serde_json::{Map, json};

use super::Look;
use crate::console::{Escaped, Json, output};
use crate::end::Outcome;
use crate::render::Format;

/// Say who has a deadman
///
/// Changes nothing, and does not create the deadman.
#[derive(Debug, Parser)]
#[command(after_help = JSON)]
pub(crate) struct Args {
    /// Name of the deadman
    topic: String,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) const JSON: &str = "\
JSON:
  topic, path, size, taken, owner (thread), pid, program, other_namespace (of PIDs), owner_died, token (how often it was taken)";

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let deadman = Deadman::with_options(&self.topic, FileOptions::default().access(Mode::ReadOnly))?;
        print(&self.topic, &deadman, self.format)
    }
}

/// Prints what it looks like.
pub(super) fn print(topic: &str, deadman: &Deadman, format: Format) -> Outcome {
    let look = Look::at(deadman)?;
    let mut output = output()?;
    match format {
        Format::Text => writeln!(output, "{}: {look}", Escaped(topic))?,
        Format::Json => {
            let mut facts = Map::new();
            facts.insert("topic".into(), json!(topic));
            facts.insert("path".into(), json!(deadman.path().to_string_lossy()));
            look.describe(&mut facts);
            writeln!(output, "{}", Json::from(facts))?;
        }
    }
    Ok(output.flush()?)
}

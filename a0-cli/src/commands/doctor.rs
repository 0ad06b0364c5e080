//! `a0 doctor`.

mod finding;
mod kernel;
mod logout;
mod machine;
mod names;
mod observed_lock;
mod place;
mod topics;
mod tree;

use std::io::Write;

use a0_std::{Protocol, Templates, env};
use clap::Parser;

use crate::console::{Json, output};
use crate::end::{End, Outcome};
use crate::render::Format;
use finding::{Report, Severity};

/// Find out why topics do not work here, and what helps
///
/// Examines the kernel, the directory of the topics and its filesystem, names, permissions and every topic, lock and
/// deadman. Says nothing if all is well. Changes and locks no topic; for a moment it makes a temporary file beside
/// them, to find out whether files can be created.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 doctor
  a0 doctor --strict || echo not quite healthy
  a0 doctor --format json | jq -r 'select(.severity == \"error\") | .problem'

JSON, one object a line:
  severity (error, warning or note), check, path (null if it is about no file), problem, remedy (null for notes)

Exit codes:
  0  nothing is broken; there may be warnings
  1  something is broken, or with --strict there are warnings")]
pub(crate) struct Args {
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Fail on warnings, too
    #[arg(long)]
    strict: bool,
    /// Print notes, too: what is as it may be, but good to know
    #[arg(short, long)]
    verbose: bool,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let report = examine();
        let mut output = output()?;
        for finding in report.findings() {
            if finding.severity == Severity::Note && !self.verbose {
                continue;
            }
            match self.format {
                Format::Text => writeln!(output, "{finding}")?,
                Format::Json => writeln!(output, "{}", Json(finding.to_json()))?,
            }
        }
        output.flush()?;
        let worst = report.findings().iter().map(|finding| finding.severity).max();
        let bad = if self.strict { Severity::Warning } else { Severity::Error };
        if worst >= Some(bad) { Err(End::Told) } else { Ok(()) }
    }
}

/// Looks at everything.
fn examine() -> Report {
    let mut report = Report::default();
    kernel::examine(&mut report);
    let sound_names = names::examine(&mut report);
    let root = match env::root() {
        Ok(root) => root,
        Err(error) => {
            let remedy = "set A0_ROOT to an absolute path, or unset it for /dev/shm/alephzero; for all programs alike";
            report.error("root", None, error, remedy);
            machine::examine(&mut report, None);
            return report;
        }
    };
    let place = place::examine(&mut report, &root);
    machine::examine(&mut report, place.as_ref());
    if let Some(place) = place {
        let templates = if sound_names { Templates::new(Protocol::ALL).ok() } else { None };
        let mut topics = topics::Topics::new(&place, templates);
        tree::walk(&mut report, &place.root, |report, entry| topics.examine(report, entry));
        logout::examine(&mut report, &place, &topics.owners);
        observed_lock::examine(&mut report, topics.held);
    }
    report
}

//! `a0 clear`.

use a0_std::{File, FileOptions};
use clap::Parser;

use crate::end::{End, Outcome};
use crate::inspect::{self, Condition};
use crate::target;

/// Remove all messages of a topic
///
/// The topic stays, with everybody who uses it, and message numbers go on from where they are.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  a0 clear cam/front")]
pub(crate) struct Args {
    /// Topics or files
    #[arg(value_name = "TOPIC|FILE", required = true, help = target::HELP)]
    targets: Vec<String>,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        for target in &self.targets {
            let path = target::resolve(target)?;
            if let Ok(Condition::Deadman(_)) = inspect::open(&path) {
                return Err(End::failed(format_args!("{} is a deadman, which has no messages", path.display())));
            }
            File::open(path, &FileOptions::default().create(false))?.clear()?;
        }
        Ok(())
    }
}

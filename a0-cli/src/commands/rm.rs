//! `a0 rm`.

use std::path::Path;

use a0_linux::FileError;
use a0_std::{Error, File};
use clap::Parser;

use crate::end::{End, Outcome};
use crate::{inspect, target};

/// Remove a topic
///
/// Removes the topic's file. Programs that have it open keep what they have, unseen by others; those that come later
/// start a new topic. To empty a topic that is in use, see 'a0 clear'.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  a0 rm cam/front")]
pub(crate) struct Args {
    /// Topics or files
    #[arg(value_name = "TOPIC|FILE", required = true, help = target::HELP)]
    targets: Vec<String>,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        for target in &self.targets {
            let path = target::resolve(target)?;
            refuse_others(&path)?;
            if !File::remove(&path)? {
                return Err(End::failed(format_args!("{} does not exist", path.display())));
            }
        }
        Ok(())
    }
}

/// Files that neither are topics nor have the name of one are somebody else's.
fn refuse_others(path: &Path) -> Outcome {
    if path.extension().is_some_and(|extension| extension == "a0") {
        return Ok(());
    }
    match inspect::open(path) {
        Err(Error::File(FileError::TooSmall { .. }) | Error::Topic { source: a0_core::Error::Corrupt(_), .. }) => {
            Err(End::failed(format_args!("{} is no topic: remove it with rm if it is to go", path.display())))
        }
        _ => Ok(()),
    }
}

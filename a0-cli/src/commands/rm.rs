//! `a0 rm`.

use std::path::Path;

use a0_std::{Error, File, FileError};
use clap::Parser;

use super::deadman::Look;
use crate::end::{End, Outcome};
use crate::inspect::{self, Condition};
use crate::target;

/// Remove a topic
///
/// Removes the topic's file. Programs that have it open keep what they have, unseen by others, until they notice, which
/// takes those built on this library some 100 ms; those that come later start a new topic. To empty a topic that is in use, see 'a0 clear'. A deadman that somebody has is not removed.
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

/// Files that neither are topics nor have the name of one are somebody else's, and so is a deadman that somebody has.
fn refuse_others(path: &Path) -> Outcome {
    let found = inspect::open(path);
    if let Ok(Condition::Deadman(deadman)) = &found {
        let look = Look::at(deadman)?;
        if look.state.taken && look.is_sound() {
            // A second owner could come, and neither would know of the other.
            return Err(End::failed(format_args!("{} is {look}: end that one first", path.display())));
        }
    }
    if path.extension().is_some_and(|extension| extension == "a0" || extension == "deadman") {
        return Ok(());
    }
    match found {
        // By its size alone any file may look like a deadman.
        Ok(Condition::Deadman(_))
        | Err(Error::File(FileError::TooSmall { .. }) | Error::Topic { cause: a0_std::TopicError::Corrupt(_), .. }) => {
            Err(End::failed(format_args!("{} is no topic: remove it with rm if it is to go", path.display())))
        }
        _ => Ok(()),
    }
}

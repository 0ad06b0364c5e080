//! `a0 man`.

use std::fs;
use std::path::PathBuf;

use clap::{CommandFactory, Parser};

use crate::Cli;
use crate::end::{End, Outcome};

/// Write the manual pages of all commands into a directory
///
/// For packages: a0.1, a0-pub.1 and so on. A directory that does not exist is created.
#[derive(Debug, Parser)]
#[command(hide = true)]
pub(crate) struct Args {
    /// Where to
    dir: PathBuf,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        fs::create_dir_all(&self.dir)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &self.dir))
            .map_err(|error| End::failed(format_args!("cannot write manual pages to {}: {error}", self.dir.display())))
    }
}

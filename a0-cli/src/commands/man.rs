//! `a0 man`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Command, Parser};
use clap_mangen::Man;

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
    pub(crate) fn run(self, a0: Command) -> Outcome {
        fs::create_dir_all(&self.dir)
            .and_then(|()| {
                let mut command = a0.disable_help_subcommand(true);
                command.build();
                write(&command, &self.dir)
            })
            .map_err(|error| End::failed(format_args!("cannot write manual pages to {}: {error}", self.dir.display())))
    }
}

/// As `clap_mangen::generate_to`, but all pages say that they are about this version of a0, and not of "echo".
fn write(command: &Command, dir: &Path) -> io::Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write(command, dir)?;
    }
    Man::new(command.clone()).source(concat!("a0 ", env!("CARGO_PKG_VERSION"))).generate_to(dir).map(drop)
}

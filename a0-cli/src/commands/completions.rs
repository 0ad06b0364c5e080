//! `a0 completions`.

use std::io::Write;

use clap::{Command, Parser};
use clap_complete::Shell;

use crate::console::output;
use crate::end::Outcome;

/// Print a script that completes commands and options in a shell
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 completions bash > ~/.local/share/bash-completion/completions/a0
  a0 completions zsh > ~/.zfunc/_a0
  a0 completions fish > ~/.config/fish/completions/a0.fish")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self, mut a0: Command) -> Outcome {
        // Into memory first: the generator panics when it cannot write.
        let mut script = vec![];
        clap_complete::generate(self.shell, &mut a0, "a0", &mut script);
        let mut output = output()?;
        output.write_all(&script)?;
        Ok(output.flush()?)
    }
}

//! `a0 cfg write` and `a0 cfg patch`.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;

use a0_core::layout::{FRAME_HEADER, WORKSPACE};
use a0_std::Cfg;
use clap::Parser;
use serde::de::IgnoredAny;

use crate::end::{End, Outcome};
use crate::stop::Stop;

/// Replace a configuration
///
/// It is written as it is, blanks included. The topic is created if it does not exist.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 cfg write robot '{\"motor\": {\"speed\": 1.5}}'
  a0 cfg write robot '{}' --if-empty                    never overwrites anything
  a0 cfg write robot - < robot.json")]
pub(crate) struct Args {
    /// Name of the topic, such as robot
    topic: String,
    /// What to write; - for standard input
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    config: OsString,
    /// Do nothing if there is a configuration already
    #[arg(long)]
    if_empty: bool,
    /// Write anything, not only JSON
    #[arg(long)]
    raw: bool,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let cfg = Cfg::new(&self.topic)?;
        let config = content(self.config, &cfg)?;
        if !self.raw {
            check(&config)?;
        }
        let _hold = stop.hold();
        match self.if_empty {
            true => cfg.write_if_empty(config).map(|_| ())?,
            false => cfg.write(config).map(|_| ())?,
        }
        Ok(())
    }
}

/// Change parts of a configuration
///
/// The patch is a JSON merge patch (RFC 7396): its members are set, those that are null are removed, all others stay.
/// Patches that come at the same time are all applied. If there is no configuration yet, the patch becomes it.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 cfg patch robot '{\"motor\": {\"speed\": 2}}'
  a0 cfg patch robot '{\"motor\": {\"limit\": null}}'       removes it")]
pub(crate) struct PatchArgs {
    /// Name of the topic, such as robot
    topic: String,
    /// The patch; - for standard input
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    patch: OsString,
}

impl PatchArgs {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let cfg = Cfg::new(&self.topic)?;
        let patch = content(self.patch, &cfg)?;
        check(&patch)?;
        let _hold = stop.hold();
        cfg.merge_patch(patch)?;
        Ok(())
    }
}

/// The argument, or standard input.
fn content(argument: OsString, cfg: &Cfg) -> Outcome<Vec<u8>> {
    if argument != "-" {
        return Ok(argument.into_vec());
    }
    // No more than can be written, and a byte that makes it too much: an endless input would fill the memory.
    let max = cfg.file().arena_size().saturating_sub(WORKSPACE + FRAME_HEADER);
    let mut content = Vec::new();
    let read = io::stdin().lock().take(max + 1).read_to_end(&mut content);
    read.map_err(|error| End::failed(format_args!("cannot read standard input: {error}")))?;
    Ok(content)
}

/// What is no JSON could never be patched.
fn check(text: &[u8]) -> Outcome {
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(End::failed(format_args!("not valid JSON: {error}"))),
    }
}

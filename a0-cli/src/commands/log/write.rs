//! `a0 log write`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use a0_std::{Level, Logger};
use clap::Parser;

use super::level::parse_level;
use crate::end::Outcome;
use crate::render::parse_header;
use crate::stop::Stop;

/// Log a message
///
/// The topic is created if it does not exist.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 log write robot info started
  a0 log write robot err 'no answer' --header sensor=left")]
pub(crate) struct Args {
    /// Name of the topic, such as robot
    topic: String,
    /// How serious it is: crit, err, warn, info or dbg
    #[arg(value_parser = parse_level)]
    level: Level,
    /// What to log
    #[arg(allow_hyphen_values = true)]
    message: OsString,
    /// Add a header (may be repeated)
    #[arg(short = 'H', long = "header", value_name = "K=V", value_parser = parse_header)]
    headers: Vec<(String, String)>,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let logger = Logger::new(&self.topic)?;
        let headers: Vec<_> = self.headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let _hold = stop.hold();
        logger.log_with(self.level, &headers, self.message.as_bytes())?;
        Ok(())
    }
}

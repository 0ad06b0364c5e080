//! `a0 cfg read`.

use std::io::Write;
use std::time::Duration;

use a0_std::{Cfg, Error, FileOptions, Mode, Protocol};
use clap::Parser;
use serde_json::Value;

use crate::console::{Json, hand_on, output};
use crate::end::{End, Outcome};
use crate::follow;
use crate::quantity::seconds;

/// Print a configuration, or a part of it
///
/// It is printed as it was written; on a terminal with control characters spelled out. Without --timeout, there must be one
/// already, and nothing is created or locked.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 cfg read robot
  a0 cfg read robot --pointer /motor/speed
  a0 cfg read robot --timeout 10                        waits for somebody to write it

Exit codes:
  1  there is none; or with --pointer: it is no JSON, or has nothing there
  3  the timeout has passed")]
pub(crate) struct Args {
    /// Name of the topic, such as robot
    topic: String,
    /// Print only the JSON value at this place (a JSON pointer, such as /motor/speed)
    #[arg(short, long)]
    pointer: Option<String>,
    /// Longest wait for the configuration to be written
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let cfg = match self.timeout {
            None => Cfg::with_options(&self.topic, &FileOptions::default().access(Mode::ReadOnly))?,
            Some(_) => Cfg::from_file(&follow::open(&Protocol::Cfg.path(&self.topic)?)?),
        };
        let packet = match self.timeout {
            None => {
                cfg.read()?.ok_or_else(|| End::failed(format_args!("{}: nobody has written it yet", self.topic)))?
            }
            Some(timeout) => match cfg.read_blocking(timeout) {
                Err(Error::Timeout { .. }) => return Err(End::TimedOut),
                packet => packet?,
            },
        };
        let text = match self.pointer {
            None => packet.into_payload(),
            Some(pointer) => Json::from(cfg.var::<Value>(pointer).read()?.clone()).to_string().into_bytes(),
        };
        let mut output = output()?;
        hand_on(&mut output, &text)?;
        if !text.ends_with(b"\n") {
            output.write_all(b"\n")?;
        }
        Ok(output.flush()?)
    }
}

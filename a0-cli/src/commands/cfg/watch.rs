//! `a0 cfg watch`.

use std::io::Write;
use std::time::Duration;

use a0_std::{File, Init, Interrupter, Iter, Message, Protocol, ReaderSync};
use clap::Parser;

use crate::console::{Json, Output, output};
use crate::end::Outcome;
use crate::follow::{self, Follower, Limits, Step, follow};
use crate::render::Format;
use crate::render::{Headers, Payload, object};
use crate::stop::Stop;

/// Print a configuration, and print it again whenever it changes
///
/// Starts with what there is, if anything. If it changes faster than it can be printed, changes in between are passed
/// over, but never the last one. The topic is created if it does not exist.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 cfg watch robot
  a0 cfg watch robot --format json | jq '.payload | fromjson | .motor'

Formats:
  text  [SEQ] {HEADERS} CONFIG on one line, control characters spelled out; without AlephZero's own headers
  json  one object a line: topic, seq, id, headers (pairs), payload (or payload_base64), missed

Exit codes:
  0  the count is reached, or the reader of the output has closed it
  3  the timeout has passed")]
pub(crate) struct Args {
    /// Name of the topic, such as robot
    topic: String,
    #[command(flatten)]
    limits: Limits,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

struct Watch {
    reader: ReaderSync,
    topic: String,
    format: Format,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let file = follow::open(&Protocol::Cfg.path(&self.topic)?)?;
        let reader = ReaderSync::new(&file, (Init::MostRecent, Iter::Newest))?;
        let mut watch = Watch { reader, topic: self.topic, format: self.format };
        follow(&mut watch, self.limits, output()?, stop)
    }
}

impl Follower for Watch {
    fn read(&mut self, output: &mut Output) -> Outcome<Step> {
        follow::step(self.reader.read(), |message| print(&self.topic, self.format, message, output))
    }

    fn wait(&mut self, timeout: Option<Duration>, output: &mut Output) -> Outcome<Step> {
        follow::step(self.reader.read_blocking(timeout).map(Some), |message| {
            print(&self.topic, self.format, message, output)
        })
    }

    fn reopen(&mut self, file: &File) -> Outcome {
        self.reader = ReaderSync::new(file, (Init::MostRecent, Iter::Newest))?;
        Ok(())
    }

    fn file(&self) -> &File {
        self.reader.file()
    }

    fn interrupter(&self) -> Interrupter {
        self.reader.interrupter()
    }
}

fn print(topic: &str, format: Format, message: &Message<'_>, output: &mut Output) -> Outcome<Step> {
    match format {
        Format::Text => {
            writeln!(output, "[{}] {}{}", message.seq(), Headers(message), Payload(message.payload()))?;
        }
        Format::Json => writeln!(output, "{}", Json::from(object(topic, message)))?,
    }
    Ok(Step::Printed(message.seq()))
}

//! `a0 log tail`.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use a0_std::{File, Init, Interrupter, Iter, Level, LogListenerSync, LogMessage, Protocol, TimeWall, keys};
use clap::Parser;

use super::level::parse_level;
use crate::console::{Escaped, Json, Output, is_terminal, output};
use crate::end::Outcome;
use crate::follow::Start;
use crate::follow::{self, Follower, Limits, Step, follow};
use crate::render::Format;
use crate::render::{Headers, object};
use crate::stop::Stop;

/// Print the log messages of a topic as they come
///
/// Like every listener, it creates the topic if it does not exist, so that it does not matter who starts first.
/// Messages that have no level are not printed.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 log tail robot
  a0 log tail robot --level dbg --init oldest           everything that is still there
  a0 log tail robot --format json | jq -r .payload

Formats:
  text  TIME LEVEL MESSAGE {HEADERS}, the time in UTC, further lines of a message indented, other control characters
        spelled out, without AlephZero's own headers; in colours on a terminal, unless NO_COLOR is set
  json  one object a line: topic, seq, id, headers (pairs), payload (or payload_base64), missed, level, time

Exit codes:
  0  the count is reached, or the reader of the output has closed it
  3  the timeout has passed")]
pub(crate) struct Args {
    /// Name of the topic, such as robot
    topic: String,
    /// Print messages of this level and more serious ones: crit, err, warn, info, dbg or unknown
    #[arg(short, long, default_value = "info", value_parser = parse_level)]
    level: Level,
    /// Where to start
    #[arg(long, value_enum, default_value_t = Start::AwaitNew)]
    init: Start,
    #[command(flatten)]
    limits: Limits,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

struct Tail {
    listener: LogListenerSync,
    level: Level,
    printer: Printer,
}

struct Printer {
    topic: String,
    format: Format,
    colours: bool,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let file = follow::open(&Protocol::Log.path(&self.topic)?)?;
        let listener = LogListenerSync::from_file(&file, self.level, (self.init.into(), Iter::Next))?;
        let colours = is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        let printer = Printer { topic: self.topic, format: self.format, colours };
        follow(&mut Tail { listener, level: self.level, printer }, self.limits, output()?, stop)
    }
}

impl Follower for Tail {
    fn read(&mut self, output: &mut Output) -> Outcome<Step> {
        follow::step(self.listener.read(), |message| self.printer.print(message, output))
    }

    fn wait(&mut self, timeout: Option<Duration>, output: &mut Output) -> Outcome<Step> {
        follow::step(self.listener.read_blocking(timeout).map(Some), |message| self.printer.print(message, output))
    }

    fn reopen(&mut self, file: &File) -> Outcome {
        self.listener = LogListenerSync::from_file(file, self.level, Init::Oldest)?;
        Ok(())
    }

    fn file(&self) -> &File {
        self.listener.file()
    }

    fn interrupter(&self) -> Interrupter {
        self.listener.interrupter()
    }
}

impl Printer {
    fn print(&self, message: &LogMessage<'_>, output: &mut Output) -> Outcome<Step> {
        match self.format {
            Format::Text => output.write_all(self.text(message).as_bytes())?,
            Format::Json => {
                let mut object = object(&self.topic, message);
                object.insert("level".to_owned(), message.level().name().into());
                object.insert("time".to_owned(), message.header(keys::TIME_WALL).into());
                writeln!(output, "{}", Json::from(object))?;
            }
        }
        Ok(Step::Printed(message.seq()))
    }

    fn text(&self, message: &LogMessage<'_>) -> String {
        let (colour, dim, off) =
            if self.colours { (colour(message.level()), "\x1b[2m", "\x1b[m") } else { ("", "", "") };
        let mut text = String::new();
        // Writing to a string cannot fail.
        if message.missed() > 0 {
            let _ = writeln!(text, "-- {} missed --", message.missed());
        }
        let time = message.header(keys::TIME_WALL).and_then(|time| TimeWall::parse(time.as_bytes()).ok());
        let time = time.map(TimeWall::to_text);
        // To the millisecond.
        let time = time.as_ref().map_or("-", |time| &time[..23]);
        let zone = if time == "-" { "" } else { "Z" };
        let _ = write!(text, "{dim}{time}{zone}{off} {colour}{:<7}{off} ", message.level());
        for (number, line) in message.text().lines().enumerate() {
            let indent = if number == 0 { "" } else { "\n    " };
            let _ = write!(text, "{indent}{}", Escaped(line));
        }
        let headers = Headers(message).to_string();
        if !headers.is_empty() {
            let _ = write!(text, " {dim}{}{off}", headers.trim_end());
        }
        text.push('\n');
        text
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Crit => "\x1b[1;31m",
        Level::Err => "\x1b[31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Dbg => "\x1b[34m",
        Level::Unknown => "\x1b[35m",
    }
}

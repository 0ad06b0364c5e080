//! `a0 echo`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use a0_std::{Error, FileError, FileOptions, Iter, Message, Mode, ReaderOptions, SubscriberSync};
use clap::{Parser, ValueEnum};

use crate::console::{Json, Output, complain, hand_on, output};
use crate::end::{End, Outcome};
use crate::follow::{Start, going_on};
use crate::payload::Checker;
use crate::quantity::seconds;
use crate::render::{Headers, Payload, object};
use crate::stop::Stop;

/// Print the messages of a topic as they come
///
/// Like every subscriber, it creates the topic if it does not exist, so that it does not matter who starts first. It
/// only reads if it may not write to the topic's file. It never disturbs publishers; if they are faster, it says how
/// many messages it has missed.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 echo chat
  a0 echo chat --init oldest --count 10                 the ten oldest messages
  a0 echo cam/front --iter newest --format json | jq .seq
  a0 echo cam/front --init most-recent -n1 --format raw --no-newline > image.jpg
  a0 echo load --check --timeout 60                     with 'a0 pub load --size 64K --rate 100'

Formats:
  text  [SEQ] {HEADERS} PAYLOAD on one line, control characters spelled out; without AlephZero's own headers
  json  one object a line: topic, seq, id, headers (pairs), payload (or payload_base64), missed
  raw   the payload and a newline; on a terminal with control characters spelled out

Exit codes:
  0  the count is reached, or the reader of the output has closed it
  1  an error, or the first wrong payload with --check
  3  the timeout has passed")]
pub(crate) struct Args {
    /// Name of the topic, such as cam/front
    topic: String,
    /// Where to start
    #[arg(long, value_enum, default_value_t = Start::AwaitNew)]
    init: Start,
    /// How to go on
    #[arg(long, value_enum, default_value_t = Step::Next)]
    iter: Step,
    /// End after this many messages
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// End after this time, however many messages have come
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
    /// With --format raw: print payloads without a newline behind them
    #[arg(long)]
    no_newline: bool,
    /// Examine payloads made by 'a0 pub --size', and that no loss goes unreported; end at the first wrong one
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Step {
    /// Every message
    Next,
    /// The newest message each time, passing over others
    Newest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// One line for people
    Text,
    /// One JSON object a line
    Json,
    /// The payload and a newline
    Raw,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut subscriber = self.subscribe(self.init)?;
        let mut printer = Printer { args: &self, output: output()?, checker: Checker::default(), line: String::new() };
        stop.watch_output()?;
        let _hold = stop.hold();
        stop.interrupts(subscriber.interrupter());
        // Once the time is up, only what is there already.
        let mut last = None;
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 && stop.reason().is_none() {
            match subscriber.read() {
                Ok(Some(message)) => {
                    printer.print(&message)?;
                    left -= 1;
                    let seq = message.seq();
                    if last.is_some_and(|last| seq >= last) {
                        break;
                    }
                }
                Ok(None) | Err(Error::TopicRemoved { .. }) if last.is_some() => break,
                // What waits says that it was removed, too.
                Ok(None) | Err(Error::TopicRemoved { .. }) => {
                    printer.output.flush()?;
                    let wait = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                    match subscriber.read_blocking(wait) {
                        Ok(message) => {
                            printer.print(&message)?;
                            left -= 1;
                        }
                        Err(Error::Timeout { .. }) => {}
                        // Whoever publishes from now on finds another file.
                        Err(Error::TopicRemoved { path }) => {
                            complain(going_on(&path));
                            subscriber = self.subscribe(Start::Oldest)?;
                            stop.interrupts(subscriber.interrupter());
                        }
                        Err(Error::Interrupted { .. }) => break,
                        Err(error) => self.tolerate(error)?,
                    }
                }
                Err(error) => self.tolerate(error)?,
            }
            if last.is_none() && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                last = Some(subscriber.file().state()?.seq_high);
            }
        }
        printer.output.flush()?;
        if left > 0 && last.is_some() { Err(End::TimedOut) } else { Ok(()) }
    }

    fn subscribe(&self, init: Start) -> Result<SubscriberSync, Error> {
        let iter = match self.iter {
            Step::Next => Iter::Next,
            Step::Newest => Iter::Newest,
        };
        let options =
            |access| ReaderOptions::default().init(init.into()).iter(iter).file(FileOptions::default().access(access));
        match SubscriberSync::new(&self.topic, options(Mode::Shared)) {
            Err(
                denied @ Error::File(
                    FileError::PermissionDenied { .. }
                    | FileError::OtherPidNamespace { .. }
                    | FileError::Exclusive { .. },
                ),
            ) => {
                match SubscriberSync::new(&self.topic, options(Mode::ReadOnly)) {
                    // It was creating it that is not permitted.
                    Err(Error::File(FileError::NotFound { .. })) => Err(denied),
                    read_only => read_only,
                }
            }
            shared => shared,
        }
    }

    /// A damaged message is reported and passed over.
    fn tolerate(&self, error: Error) -> Outcome {
        let passing =
            matches!(error, Error::BadMessage { .. } | Error::Topic { cause: a0_std::TopicError::Corrupt(_), .. });
        if self.check || !passing {
            return Err(error.into());
        }
        complain(error);
        Ok(())
    }
}

struct Printer<'a> {
    args: &'a Args,
    output: Output,
    checker: Checker,
    line: String,
}

impl Printer<'_> {
    fn print(&mut self, message: &Message<'_>) -> Outcome {
        match self.args.format {
            Shape::Text => self.text(message)?,
            Shape::Json => self.json(message)?,
            Shape::Raw => {
                hand_on(&mut self.output, message.payload())?;
                if !self.args.no_newline {
                    self.output.write_all(b"\n")?;
                }
            }
        }
        if self.args.check
            && let Err(fault) = self.checker.check(message.payload(), message.missed())
        {
            self.output.flush()?;
            let (topic, seq) = (&self.args.topic, message.seq());
            return Err(End::failed(format_args!("{topic}: the payload of message {seq} is wrong: {fault}")));
        }
        Ok(())
    }

    fn text(&mut self, message: &Message<'_>) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        // Writing to a string cannot fail.
        if message.missed() > 0 {
            let _ = writeln!(line, "-- {} missed --", message.missed());
        }
        let _ = write!(line, "[{}] ", message.seq());
        let _ = write!(line, "{}{}", Headers(message), Payload(message.payload()));
        line.push('\n');
        self.output.write_all(line.as_bytes())
    }

    fn json(&mut self, message: &Message<'_>) -> io::Result<()> {
        writeln!(self.output, "{}", Json::from(object(&self.args.topic, message)))
    }
}

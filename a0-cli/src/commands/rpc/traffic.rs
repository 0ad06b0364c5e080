//! `a0 rpc echo` and `a0 prpc echo`.

use std::io::Write as _;
use std::time::Duration;

use a0_std::{File, Init, Interrupter, Iter, Message, Protocol, ReaderSync, keys};
use clap::Parser;

use crate::console::{Escaped, Json, Output, output};
use crate::end::Outcome;
use crate::follow::Start;
use crate::follow::{self, Follower, Limits, Step, follow};
use crate::render::Format;
use crate::render::{Headers, Payload, object};
use crate::stop::Stop;

#[derive(Debug, Parser)]
#[command(after_help = "\
Formats:
  text  [SEQ] TYPE CALL {HEADERS} PAYLOAD on one line, control characters spelled out; CALL is the id of the packet that
        began the call
  json  one object a line: topic, seq, id, headers (pairs), payload (or payload_base64), missed, type, call

Exit codes:
  0  the count is reached, or the reader of the output has closed it
  3  the timeout has passed")]
pub(crate) struct Args {
    /// Name of the topic, such as robot/arm
    topic: String,
    /// Where to start
    #[arg(long, value_enum, default_value_t = Start::AwaitNew)]
    init: Start,
    #[command(flatten)]
    limits: Limits,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

struct Traffic {
    reader: ReaderSync,
    printer: Printer,
}

struct Printer {
    topic: String,
    format: Format,
    /// Keys of the headers that say what a packet is, which call it belongs to, and why there is no answer.
    kind: &'static str,
    call: &'static str,
    error: &'static str,
}

impl Args {
    pub(crate) fn run(self, protocol: Protocol, stop: &Stop) -> Outcome {
        let file = follow::open(&protocol.path(&self.topic)?)?;
        let reader = ReaderSync::new(&file, (self.init.into(), Iter::Next))?;
        let (kind, call, error) = match protocol {
            Protocol::Prpc => (keys::PRPC_TYPE, keys::CONN_ID, "a0_prpc_error"),
            _ => (keys::RPC_TYPE, keys::REQ_ID, "a0_rpc_error"),
        };
        let printer = Printer { topic: self.topic, format: self.format, kind, call, error };
        follow(&mut Traffic { reader, printer }, self.limits, output()?, stop)
    }
}

impl Follower for Traffic {
    fn read(&mut self, output: &mut Output) -> Outcome<Step> {
        follow::step(self.reader.read(), |message| self.printer.print(message, output))
    }

    fn wait(&mut self, timeout: Option<Duration>, output: &mut Output) -> Outcome<Step> {
        follow::step(self.reader.read_blocking(timeout).map(Some), |message| self.printer.print(message, output))
    }

    fn reopen(&mut self, file: &File) -> Outcome {
        self.reader = ReaderSync::new(file, Init::Oldest)?;
        Ok(())
    }

    fn file(&self) -> &File {
        self.reader.file()
    }

    fn interrupter(&self) -> Interrupter {
        self.reader.interrupter()
    }
}

impl Printer {
    fn print(&self, message: &Message<'_>, output: &mut Output) -> Outcome<Step> {
        let kind = message.header(self.kind);
        let call = message.header(self.call).unwrap_or(message.id());
        match self.format {
            Format::Text => {
                if message.missed() > 0 {
                    writeln!(output, "-- {} missed --", message.missed())?;
                }
                let (seq, kind) = (message.seq(), Escaped(kind.unwrap_or("?")));
                write!(output, "[{seq}] {kind} {} {}", Escaped(call), Headers(message))?;
                match message.header(self.error) {
                    Some(error) => writeln!(output, "failed: {}", Escaped(error))?,
                    // Its payload is the call once more.
                    None if message.header(self.kind) == Some("cancel") => writeln!(output)?,
                    None => writeln!(output, "{}", Payload(message.payload()))?,
                }
            }
            Format::Json => {
                let mut object = object(&self.topic, message);
                object.insert("type".to_owned(), kind.into());
                object.insert("call".to_owned(), call.into());
                writeln!(output, "{}", Json::from(object))?;
            }
        }
        Ok(Step::Printed(message.seq()))
    }
}

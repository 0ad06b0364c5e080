//! `a0 rpc call`.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use a0_std::{Error, PacketBuf, RpcClient};
use clap::Parser;
use serde_json::{Map, Value};

use crate::console::{Json, Output, complain, hand_on, output};
use crate::end::{End, Outcome};
use crate::quantity::seconds;
use crate::render::Format;
use crate::render::insert_packet;
use crate::render::parse_header;
use crate::stop::Stop;

/// Between two looks whether it is time to end.
pub(crate) const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Call a server and print its reply
///
/// If it is interrupted, or the time is up, the request is cancelled.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 rpc call sort \"$(cat list)\"
  a0 rpc call robot/arm up --header speed=slow --timeout 30 --format json

Formats:
  text  the reply's payload and a newline; on a terminal with control characters spelled out
  json  one object: id, headers (pairs), payload (or payload_base64)

Exit codes:
  0  the reply is printed
  1  there is none: the server is gone or has failed, the request was cancelled or lost
  3  the timeout has passed")]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,
    /// Give up after this time
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    timeout: Duration,
}

/// What is sent where, and how the answer is printed: the same for both protocols.
#[derive(Debug, clap::Args)]
pub(crate) struct What {
    /// Name of the topic, such as robot/arm
    pub(crate) topic: String,
    /// What to send
    #[arg(default_value = "", hide_default_value = true, allow_negative_numbers = true)]
    payload: OsString,
    /// Add a header (may be repeated)
    #[arg(short = 'H', long = "header", value_name = "K=V", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let Args { what, timeout } = self;
        let client = RpcClient::new(&what.topic)?;
        let (tell, told) = mpsc::channel();
        let callback = move |reply| drop(tell.send(reply));
        let _hold = stop.hold();
        let id = client.send_with(&what.headers(), what.payload(), timeout, callback)?;
        loop {
            match told.recv_timeout(STOP_CHECK_INTERVAL) {
                Ok(reply) => {
                    let reply = match reply {
                        Err(Error::Timeout { .. }) => return Err(what.timed_out(timeout)),
                        reply => reply?,
                    };
                    let mut output = output()?;
                    what.print(&mut output, &reply, Map::new())?;
                    return Ok(output.flush()?);
                }
                Err(RecvTimeoutError::Timeout) if stop.reason().is_none() => {}
                Err(_) => return Ok(client.cancel(&id)?),
            }
        }
    }
}

impl What {
    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.payload.as_bytes()
    }

    /// Says that there was no reply within this time.
    pub(crate) fn timed_out(&self, waited: Duration) -> End {
        complain(format_args!("{}: no reply within {waited:?}; is its server running?", self.topic));
        End::TimedOut
    }

    /// Prints a reply.
    pub(crate) fn print(&self, output: &mut Output, reply: &PacketBuf, mut object: Map<String, Value>) -> Outcome {
        match self.format {
            Format::Text => {
                hand_on(output, reply.payload())?;
                output.write_all(b"\n")?;
            }
            Format::Json => {
                insert_packet(&mut object, reply.id().as_str(), reply.headers(), reply.payload());
                writeln!(output, "{}", Json::from(object))?;
            }
        }
        Ok(())
    }
}

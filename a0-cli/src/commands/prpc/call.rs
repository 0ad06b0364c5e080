//! `a0 prpc call`.

use std::io::Write as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use a0_std::PrpcClient;
use clap::Parser;
use serde_json::Map;

use crate::commands::rpc::call::{STOP_CHECK_INTERVAL, What};
use crate::console::output;
use crate::end::Outcome;
use crate::quantity::seconds;
use crate::render::Format;
use crate::stop::Stop;

/// How long the first reply may take unless the user says otherwise.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Call a server and print its replies as they come
///
/// If it is interrupted, or the time is up, the connection is cancelled.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 prpc call count
  a0 prpc call robot/arm up --header speed=slow --timeout 30 --format json

Formats:
  text  each reply's payload and a newline; nothing for a last one that is empty; on a terminal with control characters
        spelled out
  json  one object a line: done, id, headers (pairs), payload (or payload_base64)

Exit codes:
  0  the last reply is printed, or the reader of the output has closed it
  1  it does not come: the server is gone or has failed, the connection was cancelled, replies were lost
  3  nothing came for as long as the timeout says")]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,
    /// Give up if nothing comes within this time [default: 5 for the first reply, no limit for the others]
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let Args { what, timeout } = self;
        let client = PrpcClient::new(&what.topic)?;
        // Whoever sends faster than the output takes it overwrites what is in the topic, and does not fill the memory here.
        let (tell, told) = mpsc::sync_channel(0);
        let mut output = output()?;
        stop.watch_output()?;
        let _hold = stop.hold();
        let callback = move |progress| drop(tell.send(progress));
        let id = client.connect_with(&what.headers(), what.payload(), None, callback)?;
        let mut patience = Some(timeout.unwrap_or(FIRST_ANSWER_TIMEOUT));
        let mut waiting_since = Instant::now();
        loop {
            match told.recv_timeout(STOP_CHECK_INTERVAL) {
                Ok(progress) => {
                    let progress = progress?;
                    let done = progress.done();
                    if !(done && progress.payload().is_empty() && what.format == Format::Text) {
                        let object = Map::from_iter([("done".to_owned(), done.into())]);
                        let printed = what.print(&mut output, &progress, object);
                        if let Err(error) = printed.and_then(|()| Ok(output.flush()?)) {
                            client.cancel(&id)?;
                            return Err(error);
                        }
                    }
                    if done {
                        return Ok(());
                    }
                    (patience, waiting_since) = (timeout, Instant::now());
                }
                Err(RecvTimeoutError::Timeout) if stop.reason().is_none() => {
                    if let Some(patience) = patience.filter(|patience| waiting_since.elapsed() >= *patience) {
                        client.cancel(&id)?;
                        return Err(what.timed_out(patience));
                    }
                }
                Err(_) => return Ok(client.cancel(&id)?),
            }
            if stop.reason().is_some() {
                return Ok(client.cancel(&id)?);
            }
        }
    }
}

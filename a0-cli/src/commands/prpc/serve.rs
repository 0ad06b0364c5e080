//! `a0 prpc serve`.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::ChildStdout;

use a0_core::layout::WORKSPACE;
use a0_std::{Connection, PacketBuf, Protocol, PrpcServer, Result};
use clap::Parser;

use crate::commands::rpc::job::{Call, Jobs};
use crate::end::Outcome;
use crate::stop::Stop;

/// Answer connections by running a command for each
///
/// The command gets the payload as its standard input; each line that it prints is sent at once, and an empty reply ends the
/// connection when it has done its work. Environment: A0_ID is the connection's id, A0_HEADER_KEY the value of header
/// KEY (in capitals, anything but letters and digits as _). A command that fails gives the client an error. A
/// connection that is cancelled ends its command.
///
/// Connections for which no command is free wait in the topic, and nowhere else: as many as its arena has room for. Those that
/// are overwritten before their turn fail as soon as the next command is free.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 prpc serve count -- seq 5
  a0 prpc serve load --jobs 10 -- vmstat 1
  a0 prpc serve follow -- sh -c 'tail -f \"$(cat)\"'      any file that this user may read")]
pub(crate) struct Args {
    #[command(flatten)]
    jobs: Jobs,
}

struct Job {
    connection: Connection,
    /// More than any line may have.
    limit: u64,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        self.jobs.run(Protocol::Prpc, stop, |file, connections| {
            let limit = file.arena_size().saturating_sub(WORKSPACE) + 1;
            let handler = move |connection| drop(connections.send(Job { connection, limit }));
            PrpcServer::new(&self.jobs.topic, handler, |_| {})
        })
    }
}

impl Call for Job {
    fn packet(&self) -> &PacketBuf {
        &self.connection
    }

    fn is_cancelled(&self) -> bool {
        self.connection.is_cancelled()
    }

    fn relay(&self, output: ChildStdout) -> io::Result<Vec<u8>> {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            // No more than can be sent: output without line ends would fill the memory.
            if output.by_ref().take(self.limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(line);
            }
            let sent = self.connection.send(line.strip_suffix(b"\n").unwrap_or(&line), false);
            sent.map_err(io::Error::other)?;
        }
    }

    fn done(&self, rest: &[u8]) -> Result<()> {
        self.connection.send(rest, true)
    }

    fn fail(&self, reason: &str) -> Result<()> {
        self.connection.fail(reason)
    }
}

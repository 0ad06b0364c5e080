//! `a0 rpc serve`.

use std::io::{self, Read as _};
use std::process::ChildStdout;

use a0_core::layout::WORKSPACE;
use a0_std::{PacketBuf, Protocol, Request, Result, RpcServer};
use clap::Parser;

use super::job::{Call, Jobs};
use crate::end::Outcome;
use crate::stop::Stop;

/// Answer requests by running a command for each
///
/// The command gets the request's payload as its standard input, and what it prints is the reply. Environment: A0_ID is the
/// request's id, A0_HEADER_KEY the value of header KEY (in capitals, anything but letters and digits as _). A command
/// that fails gives the client an error. A request that is cancelled ends its command.
///
/// Requests for which no command is free wait in the topic, and nowhere else: as many as its arena has room for. Those that are
/// overwritten before their turn fail as soon as the next command is free.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 rpc serve sort -- sort
  a0 rpc serve greet -- sh -c 'echo \"hello $(cat), in $A0_HEADER_LANGUAGE\"'
  a0 rpc serve thumbnails --jobs 4 -- convert - -resize 64x64 png:-")]
pub(crate) struct Args {
    #[command(flatten)]
    jobs: Jobs,
}

struct Job {
    request: Request,
    /// More than any reply may have.
    limit: u64,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        self.jobs.run(Protocol::Rpc, stop, |file, requests| {
            let limit = file.arena_size().saturating_sub(WORKSPACE) + 1;
            let handler = move |request| drop(requests.send(Job { request, limit }));
            RpcServer::new(&self.jobs.topic, handler, |_| {})
        })
    }
}

impl Call for Job {
    fn packet(&self) -> &PacketBuf {
        &self.request
    }

    fn is_cancelled(&self) -> bool {
        self.request.is_cancelled()
    }

    fn relay(&self, output: ChildStdout) -> io::Result<Vec<u8>> {
        let mut reply = Vec::new();
        output.take(self.limit).read_to_end(&mut reply)?;
        Ok(reply)
    }

    fn done(&self, rest: &[u8]) -> Result<()> {
        self.request.reply(rest)
    }

    fn fail(&self, reason: &str) -> Result<()> {
        self.request.fail(reason)
    }
}

//! A call that the calling thread waits for.

use std::time::{Duration, Instant};

use a0_core::Id;

use crate::error::{Error, Result};
use crate::exchange::call_sender::{Answer, CallSender};
use crate::exchange::dialect::ToClient;
use crate::exchange::server_marks::SentCall;
use crate::exchange::server_watch::{LIVENESS_CHECK_INTERVAL, WatchedServer};
use crate::exchange::verdict::{Read, SentRequest};
use crate::reader::copies::Copied;
use crate::reader::feed::Feed;

/// A call that was sent, and the reader that looks for its answers: no other thread is involved.
#[derive(Debug)]
pub(crate) struct BlockingCall<'c> {
    client: &'c CallSender,
    feed: Box<Feed>,
    id: Id,
    seq: u64,
    /// Sequence number of the first answer.
    answered: Option<u64>,
    server: WatchedServer,
}

impl<'c> BlockingCall<'c> {
    /// Sends a call, within `limit`.
    pub(crate) fn open(
        client: &'c CallSender,
        limit: Option<Duration>,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Result<BlockingCall<'c>> {
        let mut feed = client.feed()?;
        let server = client.server_watch.current();
        client.open_within(limit, id, headers, payload, |behind| feed.place_at(behind))?;
        let seq = feed.cursor().seq();
        Ok(BlockingCall { client, feed, id, seq, answered: None, server })
    }

    /// The next answer, of a wait that has `started`. After any error the call is over; if that was for want of an answer, it
    /// is cancelled.
    pub(crate) fn next(&mut self, started: Instant, timeout: Option<Duration>) -> Result<Answer> {
        let result = self.wait(started, timeout);
        if let Err(Error::Timeout { .. } | Error::RequestLost { .. } | Error::ReplyLost { .. }) = result {
            self.cancel();
        }
        result
    }

    /// Tells the server that nobody waits any more.
    pub(crate) fn cancel(&self) {
        let _ = self.client.advise(&self.id);
    }

    /// Keeps the reader for another call.
    pub(crate) fn close(self) {
        self.client.give_back(self.feed);
    }

    fn wait(&mut self, started: Instant, timeout: Option<Duration>) -> Result<Answer> {
        let deadline = timeout.and_then(|timeout| started.checked_add(timeout));
        let (mut now, mut next_check) = (started, started + LIVENESS_CHECK_INTERVAL);
        loop {
            let until = deadline.map_or(next_check, |deadline| deadline.min(next_check));
            match self.feed.wait_on(until.saturating_duration_since(now)) {
                Ok(received) => {
                    if let Some(result) = self.examine(&received) {
                        self.answered.get_or_insert(received.seq);
                        return result;
                    }
                }
                Err(Error::Timeout { .. }) => {}
                Err(error) => self.client.tolerate(error)?,
            }
            now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return self.drain().unwrap_or_else(|| Err(self.client.timed_out(self.seq, now - started)));
            }
            if now >= next_check {
                let call = SentCall { file: self.client.file(), seq: self.seq, answered: self.answered };
                if self.server.is_gone(&self.client.server_watch, &call, now) {
                    match self.drain() {
                        Some(result) => return result,
                        // There is something that cannot be read right now.
                        None if self.feed.take_contended() => {}
                        None => return Err(self.client.server_gone()),
                    }
                }
                next_check = now + LIVENESS_CHECK_INTERVAL;
            }
        }
    }

    /// Looks at what is there already.
    fn drain(&mut self) -> Option<Result<Answer>> {
        let end = match self.feed.file().state() {
            Ok(state) => state.seq_high,
            Err(error) => return Some(Err(error)),
        };
        while self.feed.cursor().seq() < end {
            let found = match self.feed.poll() {
                Ok(Some(received)) => self.examine(&received),
                Ok(None) => return None,
                Err(error) => self.client.tolerate(error).err().map(Err),
            };
            if found.is_some() {
                self.answered.get_or_insert(self.feed.cursor().seq());
                return found;
            }
        }
        None
    }

    /// What a message means for the call; `None` if nothing.
    fn examine(&self, received: &Copied) -> Option<Result<Answer>> {
        let message = self.feed.message(received).ok();
        let meaning = message.as_ref().map_or(ToClient::Foreign, |message| self.client.dialect.to_client(message));
        let read = Read { seq: received.seq, missed: received.missed, meaning };
        let verdict = self.client.dialect.verdict(&read, SentRequest { id: &self.id, seq: self.seq });
        self.client.outcome(verdict, message.as_ref())
    }
}

//! A call that the calling thread waits for.

use std::time::{Duration, Instant};

use a0_core::{Id, Received};

use crate::error::{Error, Result};
use crate::exchange::client::CallSender;
use crate::exchange::dialect::ToClient;
use crate::exchange::server_marks::SentCall;
use crate::exchange::server_watch::{LIVENESS_CHECK_INTERVAL, WatchedServer};
use crate::packet_buf::PacketBuf;
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

/// An answer, and whether it is the last one.
pub(crate) type Answer = (PacketBuf, bool);

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
                    if let Some(result) = self.examine(received) {
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
                Ok(Some(received)) => self.examine(received),
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

    fn is(&self, call: &str) -> bool {
        call.as_bytes() == self.id.as_bytes()
    }

    /// What a message means for the call; `None` if nothing.
    fn examine(&self, received: Received) -> Option<Result<Answer>> {
        let client = self.client;
        let to_client = self.feed.message(received).map(|message| (client.dialect.to_client(&message), message));
        // Earlier answers may be missing.
        let gap = (received.missed > 0).then(|| Err(client.reply_lost()));
        let Ok((to_client, message)) = to_client else { return gap };
        match to_client {
            ToClient::Answer { call, last } if self.is(call) => {
                if gap.is_some() && client.dialect.has_parts() {
                    return gap;
                }
                Some(Ok((message.packet().into(), last)))
            }
            ToClient::Failed { call, reason } if self.is(call) => Some(Err(client.remote(reason))),
            ToClient::Cancelled { call } if self.is(call) => Some(Err(client.cancelled())),
            ToClient::Missed(range) if range.contains(&self.seq) => Some(Err(client.request_lost())),
            _ => gap,
        }
    }
}

//! Calls whose answers go to callbacks.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use a0_core::{Cursor, Id, Received};

use crate::callback;
use crate::error::{Error, Result};
use crate::exchange::client::Shared;
use crate::exchange::dialect::ToClient;
use crate::exchange::liveness::{Noted, PATROL};
use crate::exchange::waiting::Answer;
use crate::reader::feed::Feed;

/// Takes the answers of a call.
pub(crate) type Callback = Box<dyn FnMut(Result<Answer>) + Send>;

/// How long the thread goes on reading with nothing to wait for.
const IDLE: Duration = Duration::from_millis(50);

/// The calls that a client waits for, and the thread that does so.
#[derive(Debug)]
pub(crate) struct Outstanding {
    shared: Arc<Shared>,
    table: Mutex<Table>,
    /// There is something to wait for again.
    busy: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    calls: HashMap<Id, Call>,
    /// The thread does not read, so as not to cost publishers a system call for each message.
    parked: bool,
    /// Where it goes on then.
    resume: Option<Cursor>,
}

struct Call {
    seq: u64,
    /// When it was sent, or got its last answer.
    since: Instant,
    /// How long it waits for the next one.
    timeout: Option<Duration>,
    noted: Noted,
    /// Away while it runs.
    callback: Option<Callback>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("seq", &self.seq).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Outstanding {
    pub(crate) fn new(shared: Arc<Shared>) -> Outstanding {
        Outstanding { shared, table: Mutex::default(), busy: Condvar::new() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn send(
        &self,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
        timeout: Option<Duration>,
        callback: Callback,
    ) -> Result<()> {
        let noted = self.shared.liveness.note();
        let since = Instant::now();
        // Held while writing, so that the answer cannot be there before the entry.
        let mut table = self.table();
        if table.parked && table.calls.is_empty() {
            // Right before the request, so as not to go through what came while nothing was waited for.
            table.resume = Some(Cursor::behind_newest(&self.shared.file().state()?));
        }
        let seq = self.shared.dialect.write_open(&self.shared.writer, id, headers, payload)?.seq();
        table.calls.insert(id, Call { seq, since, timeout, noted, callback: Some(callback) });
        if table.parked {
            self.busy.notify_one();
        }
        Ok(())
    }

    /// Forgets a call without calling back, and tells everybody else.
    pub(crate) fn cancel(&self, id: &Id) -> Result<()> {
        let call = self.table().calls.remove(id);
        // What a callback owns is dropped without the lock.
        drop(call);
        self.shared.dialect.write_cancel(&self.shared.writer, id)
    }

    /// Lets a parked thread look whether it is to end.
    pub(crate) fn wake(&self) {
        drop(self.table());
        self.busy.notify_one();
    }

    /// The thread: reads and calls back until it is interrupted.
    pub(crate) fn run(&self, mut feed: Feed) {
        let mut patrol = Instant::now() + PATROL;
        let mut busy_at = Instant::now();
        while !feed.interrupter().is_interrupted() {
            let now = Instant::now();
            if !self.table().calls.is_empty() {
                busy_at = now;
            }
            if now - busy_at > IDLE {
                self.park(&mut feed);
                busy_at = Instant::now();
                continue;
            }
            if now >= patrol {
                self.patrol(&mut feed, now);
                patrol = now + PATROL;
                continue;
            }
            match feed.wait_on(patrol - now) {
                Ok(received) => self.examine(&feed, received),
                Err(Error::Timeout { .. }) => {}
                Err(Error::Interrupted { .. }) => break,
                Err(error) => {
                    match error {
                        Error::BadMessage { missed: 1.., seq, .. } => self.lost_before(seq),
                        // No answer will come.
                        Error::TopicRemoved { .. } => drop(self.give_up(|_| true, || self.shared.topic_removed())),
                        _ => {}
                    }
                    feed.pause_after(&error);
                }
            }
        }
    }

    /// Sleeps until there is something to wait for.
    fn park(&self, feed: &mut Feed) {
        let mut table = self.table();
        if !table.calls.is_empty() {
            return;
        }
        table.parked = true;
        while table.calls.is_empty() && !feed.interrupter().is_interrupted() {
            table = self.busy.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        table.parked = false;
        if let Some(resume) = table.resume.take() {
            feed.place_at(resume);
        }
    }

    /// Calls back for a message.
    fn examine(&self, feed: &Feed, received: Received) {
        let shared = &*self.shared;
        if received.missed > 0 && shared.dialect.has_parts() {
            self.lost_before(received.seq);
        }
        if let Ok(message) = feed.message(received) {
            match shared.dialect.to_client(&message) {
                ToClient::Answer { call, last } => self.tell(call, last, || Ok((message.packet().into(), last))),
                ToClient::Failed { call, reason } => self.tell(call, true, || Err(shared.remote(reason))),
                ToClient::Cancelled { call } => self.tell(call, true, || Err(shared.cancelled())),
                ToClient::Missed(range) => {
                    self.give_up(|call| range.contains(&call.seq), || shared.request_lost());
                }
                ToClient::Foreign => {}
            }
        }
        // A single answer that came after the gap is as good as any.
        if received.missed > 0 {
            self.lost_before(received.seq);
        }
    }

    /// Gives up the calls that may have been answered by a message that was not read.
    fn lost_before(&self, seq: u64) {
        // The message right before `seq` is the last that was missed; a request that is that one has no answer yet.
        for id in self.give_up(|call| call.seq + 1 < seq, || self.shared.reply_lost()) {
            self.advise(&id);
        }
    }

    /// Hands a result to a call, if it is one of ours.
    fn tell(&self, call: &str, last: bool, result: impl FnOnce() -> Result<Answer>) {
        let Ok(id) = call.parse::<Id>() else { return };
        let callback = {
            let mut table = self.table();
            if last {
                table.calls.remove(&id).and_then(|call| call.callback)
            } else {
                table.calls.get_mut(&id).and_then(|call| call.callback.take())
            }
        };
        let Some(mut callback) = callback else { return };
        callback::call(|| callback(result()));
        if !last {
            let mut table = self.table();
            match table.calls.get_mut(&id) {
                Some(call) => (call.callback, call.since) = (Some(callback), Instant::now()),
                // Cancelled meanwhile; what the callback owns is dropped without the lock.
                None => drop((table, callback)),
            }
        }
    }

    /// Ends all calls of a kind; gives their ids.
    fn give_up(&self, which: impl Fn(&Call) -> bool, why: impl Fn() -> Error) -> Vec<Id> {
        let ended: Vec<_> = self.table().calls.extract_if(|_, call| which(call)).collect();
        let end = |(id, call): (Id, Call)| {
            call.end(why());
            id
        };
        ended.into_iter().map(end).collect()
    }

    /// Tells the server that nobody waits any more. This is advice: if it cannot be given, the server works in vain.
    fn advise(&self, id: &Id) {
        let _ = self.shared.dialect.write_cancel(&self.shared.writer, id);
    }

    /// Looks for calls that have timed out, and whether the server is still there.
    fn patrol(&self, feed: &mut Feed, now: Instant) {
        let overdue =
            |call: &Call| call.timeout.is_some_and(|timeout| now.saturating_duration_since(call.since) >= timeout);
        let mut gone = HashSet::new();
        let mut due = false;
        for (id, call) in &mut self.table().calls {
            if call.noted.is_gone(&self.shared.liveness, now) {
                gone.insert(*id);
            }
            due |= overdue(call);
        }
        if !due && gone.is_empty() {
            return;
        }
        // An answer that is there already counts. So whether the server is gone is not asked again behind this: it may have
        // answered since.
        self.drain(feed);
        let over = |id: &Id, call: &mut Call| overdue(call) || gone.contains(id);
        let ended: Vec<_> = self.table().calls.extract_if(over).collect();
        for (id, call) in ended {
            if overdue(&call) {
                self.advise(&id);
                let error = self.shared.timed_out(call.seq, now.saturating_duration_since(call.since));
                call.end(error);
            } else {
                call.end(self.shared.server_gone());
            }
        }
    }

    /// Handles what is there already.
    fn drain(&self, feed: &mut Feed) {
        let Ok(state) = feed.file().state() else { return };
        while feed.cursor().seq() < state.seq_high {
            match feed.poll() {
                Ok(Some(received)) => self.examine(feed, received),
                Ok(None) => return,
                Err(error) => {
                    if self.shared.tolerate(error).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

impl Call {
    fn end(self, error: Error) {
        if let Some(mut callback) = self.callback {
            callback::call(|| callback(Err(error)));
        }
    }
}

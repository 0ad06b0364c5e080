//! Calls whose answers go to callbacks.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use a0_core::{Cursor, Id};

use crate::callback;
use crate::error::{Error, Result};
use crate::exchange::call_sender::{Answer, CallSender, is_locked};
use crate::exchange::dialect::ToClient;
use crate::exchange::server_marks::SentCall;
use crate::exchange::server_watch::{LIVENESS_CHECK_INTERVAL, WatchedServer};
use crate::exchange::unsent_calls::UnsentCalls;
use crate::exchange::verdict::{Read, SentRequest, Verdict};
#[cfg(feature = "async")]
use crate::packet::Packet;
use crate::reader::copies::Copied;
use crate::reader::feed::Feed;

/// Takes the answers of a call.
pub(crate) type Callback = Box<dyn FnMut(Result<Answer>) + Send>;

/// How long the thread goes on reading with nothing to wait for.
const IDLE_TIMEOUT: Duration = Duration::from_millis(50);

/// How long the lock is waited for in one go to send what callers left to the thread.
const LOCK_TIMEOUT: Duration = Duration::from_millis(10);

/// The calls that a client waits for, and the thread that does so.
#[derive(Debug)]
pub(crate) struct PendingCalls {
    shared: Arc<CallSender>,
    table: Mutex<CallTable>,
    /// There is something to wait for again.
    busy: Condvar,
}

/// Locked for moments only, also by who holds the topic's lock: never wait for that meanwhile.
#[derive(Debug, Default)]
struct CallTable {
    calls: HashMap<Id, PendingCall>,
    /// Calls that are still to be sent, in their order.
    unsent: UnsentCalls,
    /// Calls of which servers are still to be told that nobody waits.
    given_up: Vec<Id>,
    /// The thread does not read, so as not to cost publishers a system call for each message.
    parked: bool,
    /// Where it goes on then.
    resume: Option<Cursor>,
}

impl CallTable {
    /// Whether there is anything to do.
    fn is_busy(&self) -> bool {
        !self.calls.is_empty() || self.has_mail()
    }

    /// Whether there is anything to write.
    fn has_mail(&self) -> bool {
        !self.unsent.is_empty() || !self.given_up.is_empty()
    }
}

struct PendingCall {
    /// `None` until it is sent.
    seq: Option<u64>,
    /// Sequence number of the first answer.
    answered: Option<u64>,
    /// When it was sent, or got its last answer.
    since: Instant,
    /// How long it waits for the next one.
    timeout: Option<Duration>,
    server: WatchedServer,
    /// Away while it runs.
    callback: Option<Callback>,
}

impl fmt::Debug for PendingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingCall").field("seq", &self.seq).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl PendingCalls {
    pub(crate) fn new(shared: Arc<CallSender>) -> PendingCalls {
        PendingCalls { shared, table: Mutex::default(), busy: Condvar::new() }
    }

    fn table(&self) -> MutexGuard<'_, CallTable> {
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
        let open = |first: &mut dyn FnMut(Cursor)| self.shared.open_within(timeout, id, headers, payload, first);
        self.send_by(open, id, timeout, &mut Some(callback))
    }

    /// Sends a call, and takes the callback if it was sent.
    fn send_by(
        &self,
        open: impl FnOnce(&mut dyn FnMut(Cursor)) -> Result<()>,
        id: Id,
        timeout: Option<Duration>,
        callback: &mut Option<Callback>,
    ) -> Result<()> {
        let mut server = Some(self.shared.server_watch.current());
        let since = Instant::now();
        let mut parked = false;
        // In the table before anybody can answer.
        open(&mut |behind| {
            let mut table = self.table();
            parked = table.parked;
            if parked && !table.is_busy() {
                // So as not to go through what came while nothing was waited for.
                table.resume = Some(behind);
            }
            let (seq, callback) = (Some(behind.seq()), callback.take());
            table.calls.extend(
                server.take().map(|server| (id, PendingCall { seq, answered: None, since, timeout, server, callback })),
            );
        })?;
        if parked {
            self.busy.notify_one();
        }
        Ok(())
    }

    /// Sends a call at once if the lock is to be had, or else leaves that to the thread.
    #[cfg(feature = "async")]
    pub(crate) fn send_soon(
        &self,
        id: Id,
        headers: &[(&str, &str)],
        payload: &[u8],
        timeout: Option<Duration>,
        callback: Callback,
    ) -> Result<()> {
        let (mut callback, file) = (Some(callback), self.shared.file());
        let (waits, full) = {
            let unsent = &self.table().unsent;
            (!unsent.is_empty(), unsent.size().saturating_add(payload.len() as u64) > file.size())
        };
        // Not before those that wait already, unless there is no room for more of them.
        if !waits || full {
            let open = |first: &mut dyn FnMut(Cursor)| self.shared.open(Duration::ZERO, id, headers, payload, first);
            match self.send_by(open, id, timeout, &mut callback) {
                Err(error) if is_locked(&error) && !full => {}
                result => return result,
            }
        }
        let packet = Packet::new(payload).with_id(id);
        let packet = headers.iter().fold(packet, |packet, &(key, value)| packet.with_header(key, value));
        let (server, since) = (self.shared.server_watch.current(), Instant::now());
        let behind = Cursor::behind_newest(&file.state()?);
        let mut table = self.table();
        if table.parked && !table.is_busy() {
            table.resume = Some(behind);
        }
        table.unsent.push_back(packet);
        table.calls.insert(id, PendingCall { seq: None, answered: None, since, timeout, server, callback });
        drop(table);
        self.busy.notify_one();
        Ok(())
    }

    /// Forgets a call without calling back, and tells everybody else.
    pub(crate) fn cancel(&self, id: &Id) -> Result<()> {
        let call = self.table().calls.remove(id);
        // What a callback owns is dropped without the lock.
        drop(call);
        self.shared.write_cancel(id)
    }

    /// The same for those who must not wait for the topic's lock: the thread tells.
    #[cfg(feature = "async")]
    pub(crate) fn leave(&self, id: &Id) {
        let mut table = self.table();
        let call = table.calls.remove(id);
        if call.as_ref().is_some_and(|call| call.seq.is_some()) {
            table.given_up.push(*id);
        }
        drop(table);
        self.busy.notify_one();
        drop(call);
    }

    /// Lets a parked thread look whether it is to end.
    pub(crate) fn wake(&self) {
        drop(self.table());
        self.busy.notify_one();
    }

    /// The thread: reads and calls back until it is interrupted.
    pub(crate) fn run(&self, mut feed: Feed) {
        let mut next_check = Instant::now() + LIVENESS_CHECK_INTERVAL;
        let mut busy_at = Instant::now();
        while !feed.interrupter().is_interrupted() {
            let now = Instant::now();
            let (busy, has_mail) = {
                let table = self.table();
                (table.is_busy(), table.has_mail())
            };
            if busy {
                busy_at = now;
            }
            if has_mail {
                self.post();
            }
            if now - busy_at > IDLE_TIMEOUT {
                self.park(&mut feed);
                busy_at = Instant::now();
                continue;
            }
            if now >= next_check {
                self.check_calls(&mut feed, now);
                next_check = now + LIVENESS_CHECK_INTERVAL;
                continue;
            }
            match feed.wait_on(next_check - now) {
                Ok(received) => self.examine(&feed, &received),
                Err(Error::Timeout { .. }) => {}
                Err(Error::Interrupted { .. }) => break,
                Err(error) => {
                    if let Error::TopicRemoved { .. } = error {
                        // No answer will come.
                        self.give_up(|_, _| true, || self.shared.topic_removed());
                    }
                    feed.pause_after(&error);
                }
            }
        }
        self.post_advice();
    }

    /// Writes what callers have left to the thread, as far as the lock is to be had now.
    fn post(&self) {
        loop {
            let next = self.table().unsent.pop_front();
            let Some(packet) = next else { break };
            let id = packet.id();
            let since = self.table().calls.get(id).map(|call| call.since);
            // Given up meanwhile.
            let Some(since) = since else { continue };
            let headers: Vec<_> = packet.headers().collect();
            let server = self.shared.server_watch.current();
            let sent = self.shared.open(LOCK_TIMEOUT, *id, &headers, packet.payload(), |behind| {
                let mut table = self.table();
                match table.calls.get_mut(id) {
                    Some(call) => (call.seq, call.server) = (Some(behind.seq()), server),
                    // Given up while the lock was waited for.
                    None => table.given_up.push(*id),
                }
            });
            match sent {
                Ok(()) => {}
                Err(error) if is_locked(&error) && since.elapsed() < self.shared.file().lock_timeout() => {
                    self.table().unsent.push_front(packet);
                    return;
                }
                Err(error) => {
                    let call = self.table().calls.remove(id);
                    if let Some(call) = call {
                        call.end(error);
                    }
                }
            }
        }
        self.post_advice();
    }

    /// Tells servers that nobody waits. This is advice: what cannot be given now is not given.
    fn post_advice(&self) {
        let given_up = std::mem::take(&mut self.table().given_up);
        for id in given_up {
            if self.shared.advise(&id).is_err_and(|error| is_locked(&error)) {
                break;
            }
        }
    }

    /// Sleeps until there is something to wait for.
    fn park(&self, feed: &mut Feed) {
        let mut table = self.table();
        if table.is_busy() {
            return;
        }
        table.parked = true;
        while !table.is_busy() && !feed.interrupter().is_interrupted() {
            table = self.busy.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        table.parked = false;
        if let Some(resume) = table.resume.take() {
            feed.place_at(resume);
        }
    }

    /// Judges a message for all calls that it concerns, and calls back.
    fn examine(&self, feed: &Feed, received: &Copied) {
        let dialect = self.shared.dialect;
        let message = feed.message(received).ok();
        let meaning = message.as_ref().map_or(ToClient::Foreign, |message| dialect.to_client(message));
        let named = meaning.call().and_then(|call| call.parse::<Id>().ok());
        let read = Read { seq: received.seq, missed: received.missed, meaning };
        let verdict = |id: &Id, call: &PendingCall| {
            call.seq.map_or(Verdict::None, |seq| dialect.verdict(&read, SentRequest { id, seq }))
        };
        if let Some(id) = named {
            let verdict = self.table().calls.get(&id).map_or(Verdict::None, |call| verdict(&id, call));
            if let Verdict::Answered { .. } | Verdict::Failed { .. } | Verdict::Cancelled = verdict {
                let last = !matches!(verdict, Verdict::Answered { last: false });
                self.tell(received.seq, &id, last, || self.shared.outcome(verdict, message.as_ref()));
            }
        }
        if read.concerns_others() {
            self.give_up(|id, call| verdict(id, call) == Verdict::RequestLost, || self.shared.request_lost());
            let lost = self.give_up(|id, call| verdict(id, call) == Verdict::ReplyLost, || self.shared.reply_lost());
            self.table().given_up.extend(lost);
        }
    }

    /// Hands a result to a call, if it is one of ours.
    fn tell(&self, seq: u64, id: &Id, last: bool, result: impl FnOnce() -> Option<Result<Answer>>) {
        let callback = {
            let mut table = self.table();
            if last {
                table.calls.remove(id).and_then(|call| call.callback)
            } else {
                table.calls.get_mut(id).and_then(|call| call.callback.take())
            }
        };
        let Some(mut callback) = callback else { return };
        callback::call(|| result().into_iter().for_each(&mut callback));
        if !last {
            let mut table = self.table();
            match table.calls.get_mut(id) {
                Some(call) => {
                    (call.callback, call.since) = (Some(callback), Instant::now());
                    call.answered.get_or_insert(seq);
                }
                // Cancelled meanwhile; what the callback owns is dropped without the lock.
                None => drop((table, callback)),
            }
        }
    }

    /// Ends all calls of a kind; gives their ids.
    fn give_up(&self, which: impl Fn(&Id, &PendingCall) -> bool, why: impl Fn() -> Error) -> Vec<Id> {
        let ended: Vec<_> = self.table().calls.extract_if(|id, call| which(id, call)).collect();
        let end = |(id, call): (Id, PendingCall)| {
            call.end(why());
            id
        };
        ended.into_iter().map(end).collect()
    }

    /// Looks for calls that have timed out, and whether the server is still there.
    fn check_calls(&self, feed: &mut Feed, now: Instant) {
        let overdue = |call: &PendingCall| {
            call.timeout.is_some_and(|timeout| now.saturating_duration_since(call.since) >= timeout)
        };
        let mut gone = HashSet::new();
        let mut due = false;
        for (id, call) in &mut self.table().calls {
            if let Some(seq) = call.seq {
                let sent = SentCall { file: self.shared.file(), seq, answered: call.answered };
                if call.server.is_gone(&self.shared.server_watch, &sent, now) {
                    gone.insert(*id);
                }
            }
            due |= overdue(call);
        }
        if !due && gone.is_empty() {
            return;
        }
        // An answer that is there already counts. So whether the server is gone is not asked again behind this: it may have
        // answered since.
        self.drain(feed);
        if feed.take_contended() {
            // There is something that cannot be read right now.
            gone.clear();
        }
        let over = |id: &Id, call: &mut PendingCall| overdue(call) || gone.contains(id);
        let ended: Vec<_> = self.table().calls.extract_if(over).collect();
        for (id, call) in ended {
            if !overdue(&call) {
                call.end(self.shared.server_gone());
                continue;
            }
            let waited = now.saturating_duration_since(call.since);
            match call.seq {
                Some(seq) => {
                    self.table().given_up.push(id);
                    call.end(self.shared.timed_out(seq, waited));
                }
                None => call.end(self.shared.no_answer(waited)),
            }
        }
    }

    /// Handles what is there already.
    fn drain(&self, feed: &mut Feed) {
        let Ok(state) = feed.file().state() else { return };
        while feed.cursor().seq() < state.seq_high {
            match feed.poll() {
                Ok(Some(received)) => self.examine(feed, &received),
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

impl PendingCall {
    fn end(self, error: Error) {
        if let Some(mut callback) = self.callback {
            callback::call(|| callback(Err(error)));
        }
    }
}

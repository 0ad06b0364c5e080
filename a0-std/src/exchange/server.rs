//! Answering calls.

use std::any::Any;
use std::collections::{HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use a0_core::{Id, Received};
use a0_linux::FileOptions;

use crate::callback;
use crate::error::{Error, Result};
use crate::exchange::call_sender::is_locked;
use crate::exchange::cancel_watch::CancelWatch;
use crate::exchange::dialect::{Dialect, ToServer};
use crate::exchange::server_marks::ServerMarks;
use crate::exchange::server_presence::ServerPresence;
use crate::file::File;
use crate::packet_buf::PacketBuf;
use crate::reader::feed::Feed;
use crate::reader::reader_thread::ReaderThread;
use crate::reader::wait::Wait;
use crate::reader::{Init, ReaderOptions};
use crate::writer::Writer;

/// How long the server's thread waits for the lock in one go.
const LOCK_TIMEOUT: Duration = Duration::from_millis(10);

/// Between two looks of a server that stands by, and has something to say when its turn comes, whether it has.
const STANDBY_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How many gaps it remembers: the newest ones.
const MAX_GAPS: usize = 64;

/// Which requests a server takes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerStart {
    /// Those that come after it was made.
    #[default]
    AwaitNew,
    /// Those that are still in the topic with neither an answer nor a cancel, oldest first; then new ones.
    OldestUnanswered,
}

/// Options of a server. A [`ServerStart`], a [`Wait`], a reference to [`FileOptions`], or `()` convert into it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Which requests it takes first.
    pub start: ServerStart,
    /// How it waits for the next request.
    pub wait: Wait,
    /// How the topic's file is opened, and created if it does not exist. The deadman beside it gets the same permissions.
    pub file: FileOptions,
}

impl ServerOptions {
    /// Sets [`ServerOptions::start`].
    #[must_use]
    pub fn start(self, start: ServerStart) -> Self {
        ServerOptions { start, ..self }
    }

    /// Sets [`ServerOptions::wait`].
    #[must_use]
    pub fn wait(self, wait: Wait) -> Self {
        ServerOptions { wait, ..self }
    }

    /// Sets [`ServerOptions::file`].
    #[must_use]
    pub fn file(self, file: FileOptions) -> Self {
        ServerOptions { file, ..self }
    }
}

impl From<()> for ServerOptions {
    fn from((): ()) -> Self {
        ServerOptions::default()
    }
}

impl From<ServerStart> for ServerOptions {
    fn from(start: ServerStart) -> Self {
        ServerOptions { start, ..Default::default() }
    }
}

impl From<&FileOptions> for ServerOptions {
    fn from(file: &FileOptions) -> Self {
        ServerOptions { file: file.clone(), ..Default::default() }
    }
}

impl From<Wait> for ServerOptions {
    fn from(wait: Wait) -> Self {
        ServerOptions { wait, ..Default::default() }
    }
}

/// A server's thread, and what it shares with the calls that it has handed out.
#[derive(Debug)]
pub(crate) struct Server {
    thread: ReaderThread,
}

/// Lives as long as the server or any call that it has handed out.
#[derive(Debug)]
struct ServerCore {
    dialect: &'static Dialect,
    writer: Writer,
    /// Go before clients see that the server does.
    _marks: ServerMarks,
    presence: Arc<ServerPresence>,
    /// Sequence number of the answer written last: mostly the message that the server reads next.
    answer: AtomicU64,
}

/// A call to be answered.
#[derive(Debug)]
pub(crate) struct OpenCall {
    pub(crate) packet: PacketBuf,
    shared: Arc<ServerCore>,
    watch: Mutex<CancelWatch>,
}

/// What was in the topic before the server.
#[derive(Debug, Default)]
struct History {
    /// Sequence number of its last message.
    end: u64,
    /// Calls that were answered or cancelled.
    settled: HashSet<Id>,
}

impl Server {
    pub(crate) fn new(
        dialect: &'static Dialect,
        topic: &str,
        options: &ServerOptions,
        mut on_open: impl FnMut(OpenCall) + Send + 'static,
        mut on_cancel: impl FnMut(Id) + Send + 'static,
    ) -> Result<Server> {
        let file = File::open(dialect.protocol.path(topic)?, &options.file)?;
        let feed = |init| Feed::new(&file, &ReaderOptions { init, wait: options.wait, ..Default::default() });
        let (feed, mut history) = match options.start {
            ServerStart::AwaitNew => (feed(Init::AwaitNew)?, History::default()),
            ServerStart::OldestUnanswered => (feed(Init::Oldest)?, History::of(&file, dialect)?),
        };
        let marks = match options.start {
            ServerStart::AwaitNew => ServerMarks::leave(&file, feed.cursor().seq(), None),
            ServerStart::OldestUnanswered => ServerMarks::leave(&file, history.end, Some(feed.cursor().seq())),
        };
        // Before any call is taken: a client that is answered knows whom to watch. And behind the place where the server begins
        // to read: whoever sees that it is there may call it.
        let presence = Arc::new(ServerPresence::new(dialect, topic, &options.file)?);
        let mut shared = Arc::new(ServerCore::new(dialect, &file, marks, presence));
        let thread = ReaderThread::start("a0-server", feed, move |mut feed| {
            // What it has missed while it stood by, for when its turn comes.
            let mut gaps = VecDeque::new();
            while !feed.interrupter().is_interrupted() {
                match shared.step(&mut feed, &history, &mut gaps, &mut on_open, &mut on_cancel) {
                    Ok(()) => {}
                    Err(Error::Interrupted { .. }) => break,
                    // The calls that it has handed out go with the file; new ones come to another one.
                    Err(error @ Error::TopicRemoved { .. }) => match feed.move_on() {
                        Ok(true) => {
                            shared = Arc::new(shared.moved_to(feed.file()));
                            history = History::default();
                            gaps.clear();
                        }
                        Ok(false) => feed.pause_after(&error),
                        Err(error) => feed.pause_after(&error),
                    },
                    Err(error) => feed.pause_after(&error),
                }
            }
        })?;
        Ok(Server { thread })
    }

    pub(crate) fn file(&self) -> &File {
        self.thread.file()
    }
}

impl ServerCore {
    fn new(dialect: &'static Dialect, file: &File, marks: ServerMarks, presence: Arc<ServerPresence>) -> ServerCore {
        let writer = Writer::new(file).with_standard_headers();
        ServerCore { dialect, writer, _marks: marks, presence, answer: AtomicU64::new(0) }
    }

    /// The same for another file, of which it takes all.
    fn moved_to(&self, file: &File) -> ServerCore {
        ServerCore::new(self.dialect, file, ServerMarks::leave(file, 0, None), Arc::clone(&self.presence))
    }

    /// Takes the next message.
    fn step(
        self: &Arc<Self>,
        feed: &mut Feed,
        history: &History,
        gaps: &mut VecDeque<RangeInclusive<u64>>,
        on_open: &mut impl FnMut(OpenCall),
        on_cancel: &mut impl FnMut(Id),
    ) -> Result<()> {
        let waited = feed.wait((!gaps.is_empty()).then_some(STANDBY_CHECK_INTERVAL));
        if let Ok(Received { seq, missed: missed @ 1.., .. }) = waited.as_deref() {
            gaps.push_back(*seq - missed..=*seq - 1);
        }
        // Where several servers share a topic, the one that clients watch speaks.
        if !gaps.is_empty() && self.presence.is_first() {
            for missed in gaps.drain(..) {
                self.tell(feed, |lock_timeout| self.dialect.write_missed(&self.writer, lock_timeout, &missed));
            }
        }
        if gaps.len() > MAX_GAPS {
            gaps.pop_front();
        }
        let received = match waited {
            Err(Error::Timeout { .. }) => return Ok(()),
            waited => waited?,
        };
        // Fast path: this is the server's own most recent answer; it is skipped without being parsed. Older ones of its own
        // fall through to `to_server`, which ignores them.
        if received.seq == self.answer.load(Relaxed) {
            return Ok(());
        }
        let watch = CancelWatch::new(feed.cursor());
        let message = feed.message(&received)?;
        let is_history = received.seq <= history.end;
        match self.dialect.to_server(&message) {
            ToServer::Open => {
                let packet = PacketBuf::from(message.packet());
                let id = *packet.id();
                if is_history && history.settled.contains(&id) {
                    return Ok(());
                }
                let opened = OpenCall { packet, shared: Arc::clone(self), watch: Mutex::new(watch) };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| on_open(opened))) {
                    let reason = format!("the handler panicked: {}", text(&*panic));
                    self.tell(feed, |lock_timeout| {
                        self.dialect.write_failure(&self.writer, lock_timeout, &id, &reason)
                    });
                }
            }
            // Its call is not handed out either.
            ToServer::Cancel(_) if is_history => {}
            ToServer::Cancel(call) => callback::call(|| on_cancel(call)),
            ToServer::Foreign => {}
        }
        Ok(())
    }

    /// Writes something that nobody asked for. If that fails, calls end by their timeouts. Waits for the lock as usual, but not
    /// longer than the server lives.
    fn tell(&self, feed: &Feed, write: impl Fn(Duration) -> Result<()>) {
        let give_up = Instant::now().checked_add(self.writer.file().lock_timeout());
        while write(LOCK_TIMEOUT).is_err_and(|error| is_locked(&error)) {
            if feed.interrupter().is_interrupted() || give_up.is_some_and(|give_up| Instant::now() >= give_up) {
                break;
            }
        }
    }
}

/// What a panic says.
fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

impl History {
    fn of(file: &File, dialect: &Dialect) -> Result<History> {
        let options = ReaderOptions::from(Init::Oldest);
        let mut feed = Feed::new(file, &options)?;
        let mut history = History { end: file.state()?.seq_high, settled: HashSet::new() };
        while feed.cursor().seq() < history.end {
            match feed.poll() {
                Ok(Some(received)) => {
                    let Ok(message) = feed.message(&received) else { continue };
                    history.settled.extend(dialect.settles(&message).and_then(|call| call.parse::<Id>().ok()));
                }
                // Calls that were answered would be handed out again without what is there.
                Ok(None) if feed.take_contended() => drop(file.lock()?),
                Ok(None) => break,
                Err(Error::Topic { cause: a0_core::Error::Corrupt(_), .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(history)
    }
}

impl OpenCall {
    /// Answers; says so to the client, too, if the answer is too large.
    pub(crate) fn answer(&self, last: bool, headers: &[(&str, &str)], payload: &[u8]) -> Result<()> {
        let ServerCore { dialect, writer, answer, .. } = &*self.shared;
        let result = dialect.write_answer(writer, self.packet.id(), last, headers, payload);
        if let Err(Error::Topic { cause: cause @ a0_core::Error::FrameTooLarge { .. }, .. }) = &result {
            let reason = format!("the answer cannot be sent: {cause}");
            dialect.write_failure(writer, writer.file().lock_timeout(), self.packet.id(), &reason)?;
        }
        result.map(|seq| answer.store(seq, Relaxed))
    }

    /// Says that there will be no answer.
    pub(crate) fn fail(&self, reason: &str) -> Result<()> {
        let ServerCore { dialect, writer, .. } = &*self.shared;
        dialect.write_failure(writer, writer.file().lock_timeout(), self.packet.id(), reason)
    }

    /// Whether the call was cancelled by now.
    pub(crate) fn is_cancelled(&self) -> bool {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.is_cancelled(self.shared.dialect, self.shared.writer.file(), self.packet.id())
    }
}

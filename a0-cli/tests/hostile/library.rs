//! Every way in which a program can use a file.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use a0_std::{
    Cfg, Deadman, DeadmanOptions, Error, FileOptions, Id, Init, Iter, Level, LogListener, LogListenerSync, Logger,
    Message, Mode, Protocol, PrpcClient, PrpcServer, Publisher, ReaderOptions, RpcClient, RpcServer, ServerOptions,
    ServerStart, Subscriber, SubscriberSync, SubscriberSyncZeroCopy, SubscriberZeroCopy, random_id,
};

/// The topic.
pub const TOPIC: &str = "hostile";

/// A message that is not there is not waited for longer.
const SHORT: Duration = Duration::from_millis(5);

/// No use of a file takes so long, however busy the machine is.
const LONG: Duration = Duration::from_secs(8);

/// More steps than there can be messages.
const MANY: u32 = 1000;

const INITS: [Init; 3] = [Init::AwaitNew, Init::MostRecent, Init::Oldest];
const ITERS: [Iter; 2] = [Iter::Next, Iter::Newest];

/// A case in use.
pub struct User<'a> {
    pub bytes: &'a [u8],
    pub own_lock: bool,
    pub root: &'a Path,
}

impl User<'_> {
    /// The file as it was, under the name that it has for a protocol; and what is said of it from then on.
    fn fresh(&self, protocol: Protocol, what: &str) -> Used {
        for entry in fs::read_dir(self.root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() { fs::remove_file(path).unwrap() } else { fs::remove_dir_all(path).unwrap() }
        }
        let path = protocol.path(TOPIC).unwrap();
        fs::write(&path, self.bytes).unwrap();
        if self.own_lock {
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.write_all_at(&a0_linux::thread_id().to_le_bytes(), 32).unwrap();
        }
        // Whoever reads the output of a process that was killed knows where.
        println!("{what}");
        Used { path: path.to_str().unwrap().to_owned(), what: what.to_owned(), since: Instant::now() }
    }

    pub fn do_everything(&self) {
        for init in INITS {
            for iter in ITERS {
                for mode in [Mode::Shared, Mode::ReadOnly] {
                    self.read(options(init, iter, mode));
                }
            }
        }
        self.publish();
        self.rpc();
        self.prpc();
        self.cfg();
        self.log();
        self.deadman();
    }

    fn read(&self, options: ReaderOptions) {
        let said = format!("{:?} {:?} {:?}", options.init, options.iter, options.file.access);
        let used = self.fresh(Protocol::PubSub, &format!("sync {said}"));
        if let Some(mut reader) = used.ok(SubscriberSync::new(TOPIC, options.clone())) {
            let exact = options.iter == Iter::Next;
            used.drain(exact, || reader.read().map(|message| message.map(|message| (message.seq(), look(&message)))));
            used.ok(reader.read_blocking(SHORT).map(|message| look(&message)));
            used.ok(reader.can_read());
        }
        let used = self.fresh(Protocol::PubSub, &format!("sync zero-copy {said}"));
        if let Some(mut reader) = used.ok(SubscriberSyncZeroCopy::new(TOPIC, options.clone())) {
            used.drain(options.iter == Iter::Next, || reader.read(|message| (message.seq(), look(&message))));
            used.ok(reader.read_blocking(SHORT, |message| look(&message)));
        }
        let used = self.fresh(Protocol::PubSub, &format!("threaded {said}"));
        let (tell, told) = channel();
        let tell_error = tell.clone();
        let callback = move |message: Result<Message<'_>, Error>| {
            let _ = tell_error.send(message.map(|message| look(&message)));
        };
        if let Some(reader) = used.ok(Subscriber::with_errors(TOPIC, options.clone(), callback)) {
            while let Ok(heard) = told.recv_timeout(SHORT) {
                used.ok(heard);
            }
            drop(reader);
        }
        let used = self.fresh(Protocol::PubSub, &format!("threaded zero-copy {said}"));
        let zero_copy = SubscriberZeroCopy::new(TOPIC, options, move |message| drop(tell.send(Ok(look(&message)))));
        if let Some(reader) = used.ok(zero_copy) {
            while let Ok(heard) = told.recv_timeout(SHORT) {
                used.ok(heard);
            }
            drop(reader);
        }
    }

    fn publish(&self) {
        let used = self.fresh(Protocol::PubSub, "publish");
        let Some(publisher) = used.ok(Publisher::with_options(TOPIC, &file(Mode::Shared))) else { return };
        for payload in [&b"after"[..], &[7; 3000], &[8; 12000]] {
            let Some(published) = used.ok(publisher.publish(payload)) else { continue };
            let newest = options(Init::MostRecent, Iter::Next, Mode::Shared);
            let Some(mut reader) = used.ok(SubscriberSync::new(TOPIC, newest)) else { continue };
            let Some(message) = used.ok(reader.read()) else { continue };
            let message = message.unwrap();
            assert_eq!((message.seq(), message.payload()), (published.seq, payload), "{}", used.what);
        }
        used.ok(publisher.file().clear());
        used.ok(publisher.file().state());
    }

    fn rpc(&self) {
        let used = self.fresh(Protocol::Rpc, "rpc");
        let start = ServerOptions::default().start(ServerStart::OldestUnanswered).file(file(Mode::Shared));
        let server = RpcServer::with_options(TOPIC, start, |request| drop(request.reply("yes")), |_| {});
        let server = used.ok(server);
        if let Some(client) = used.ok(RpcClient::with_options(TOPIC, &file(Mode::Shared))) {
            used.ok(client.call("ask", 4 * SHORT));
            let id: Option<Id> = used.ok(client.send("ask", |_| {}));
            used.ok(client.cancel(&id.unwrap_or_else(random_id)));
        }
        drop(server);
    }

    fn prpc(&self) {
        let used = self.fresh(Protocol::Prpc, "prpc");
        let start = ServerOptions::default().start(ServerStart::OldestUnanswered).file(file(Mode::Shared));
        let server = PrpcServer::with_options(TOPIC, start, |connection| drop(connection.send("yes", true)), |_| {});
        let server = used.ok(server);
        if let Some(client) = used.ok(PrpcClient::with_options(TOPIC, &file(Mode::Shared))) {
            if let Some(stream) = used.ok(client.stream("ask", 4 * SHORT)) {
                stream.take(10).for_each(|progress| drop(used.ok(progress)));
            }
            let id: Option<Id> = used.ok(client.connect("ask", |_| {}));
            used.ok(client.cancel(&id.unwrap_or_else(random_id)));
        }
        drop(server);
    }

    fn cfg(&self) {
        let used = self.fresh(Protocol::Cfg, "cfg");
        let Some(cfg) = used.ok(Cfg::with_options(TOPIC, &file(Mode::Shared))) else { return };
        used.ok(cfg.read());
        used.ok(cfg.read_blocking(SHORT));
        used.ok(cfg.read_as::<serde_json::Value>());
        used.ok(cfg.var::<f64>("/speed").read().copied());
        used.ok(cfg.merge_patch("{\"speed\": 2}"));
        used.ok(cfg.write_if_empty("{}"));
        let (tell, told) = channel();
        if let Some(watcher) = used.ok(cfg.watch(move |_| tell.send(()).unwrap_or(()))) {
            let _ = told.recv_timeout(SHORT);
            drop(watcher);
        }
        if used.ok(cfg.write("{}")).is_some() {
            used.ok(cfg.merge_patch("{\"speed\": 2}"));
        }
    }

    fn log(&self) {
        let used = self.fresh(Protocol::Log, "log");
        let oldest = options(Init::Oldest, Iter::Next, Mode::Shared);
        let (tell, told) = channel();
        let listener = LogListener::new(TOPIC, Level::Dbg, oldest.clone(), move |message| {
            let _ = tell.send(message.text().len());
        });
        if let Some(listener) = used.ok(listener) {
            let _ = told.recv_timeout(SHORT);
            drop(listener);
        }
        if let Some(mut listener) = used.ok(LogListenerSync::new(TOPIC, Level::Dbg, oldest)) {
            used.drain(false, || listener.read().map(|m| m.map(|m| (m.seq(), m.text().len() as u64))));
        }
        if let Some(logger) = used.ok(Logger::with_options(TOPIC, &file(Mode::Shared))) {
            used.ok(logger.info("after"));
        }
    }

    fn deadman(&self) {
        for mode in [Mode::Shared, Mode::ReadOnly] {
            let used = self.fresh(Protocol::Deadman, &format!("deadman {mode:?}"));
            let options: DeadmanOptions = file(mode).into();
            let Some(deadman) = used.ok(Deadman::with_options(TOPIC, options)) else { continue };
            let token = used.ok(deadman.state()).map_or(0, |state| state.token);
            used.ok(deadman.wait_taken(SHORT));
            used.ok(deadman.wait_released(token, SHORT));
            used.ok(deadman.try_take());
            used.ok(deadman.take(SHORT));
            used.ok(deadman.release());
        }
    }
}

/// What has been done so far, for the one who has to find out why it failed.
struct Used {
    path: String,
    what: String,
    since: Instant,
}

impl Used {
    /// A result that is there, or an error that names the file.
    #[track_caller]
    fn ok<T>(&self, result: Result<T, Error>) -> Option<T> {
        assert!(self.since.elapsed() < LONG, "{} takes too long", self.what);
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let text = error.to_string();
                // A server's deadman lies beside its topic.
                let stem = self.path.trim_end_matches(".a0");
                assert!(text.contains(stem), "{}: the error does not name {}: {text}", self.what, self.path);
                None
            }
        }
    }

    /// Reads until nothing is left. What was skipped is counted, to the last message.
    #[track_caller]
    fn drain(&self, exact: bool, mut read: impl FnMut() -> Result<Option<(u64, u64)>, Error>) {
        let mut last = None;
        for _ in 0..MANY {
            let (seq, missed) = match read() {
                Ok(None) => return,
                Ok(Some(message)) => message,
                Err(Error::BadMessage { seq, missed, .. }) => (seq, missed),
                Err(error @ Error::Topic { cause: a0_std::TopicError::Corrupt(_), .. }) => {
                    self.ok::<()>(Err(error));
                    continue;
                }
                Err(error) => {
                    self.ok::<()>(Err(error));
                    return;
                }
            };
            if let Some(last) = last.filter(|_| exact) {
                assert!(seq > last, "{}: {seq} after {last}", self.what);
                assert_eq!(missed, seq - last - 1, "{}: before {seq}", self.what);
            }
            last = Some(seq);
        }
        panic!("{}: reading does not end", self.what);
    }
}

/// Touches every byte of a message; gives what was missed before it.
fn look(message: &Message<'_>) -> u64 {
    let mut sum = message.payload().iter().map(|byte| u64::from(*byte)).sum::<u64>();
    sum += message.headers().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
    std::hint::black_box((sum, message.id().len()));
    message.missed()
}

fn options(init: Init, iter: Iter, access: Mode) -> ReaderOptions {
    ReaderOptions::default().init(init).iter(iter).file(file(access))
}

fn file(access: Mode) -> FileOptions {
    FileOptions::default().size(super::cases::SIZE as u64).access(access).lock_timeout(SHORT)
}

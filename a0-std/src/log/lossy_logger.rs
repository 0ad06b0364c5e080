//! Where the log messages of a program go that uses another logging library: nothing there may fail or block.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::id::random_id;
use crate::log::{Level, Logger, with_level};
use crate::writer::published::Published;

/// How long one message may wait for the topic's lock. Its holders need a fraction of that, unless they are stopped.
const LOCK_TIMEOUT: Duration = Duration::from_millis(20);

/// How long nothing is tried after that was in vain.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// A logger that drops what it cannot write. The next message that gets through has a header `dropped` that says how
/// many there were.
#[derive(Debug)]
pub(super) struct LossyLogger {
    logger: Logger,
    dropped: AtomicU64,
    started: Instant,
    /// Nanoseconds after the start before which nothing is tried.
    silent_until: AtomicU64,
}

/// While it lives, this thread is writing a log message; what is logged meanwhile comes from doing so.
#[derive(Debug)]
pub(super) struct WritingMessage(());

impl WritingMessage {
    /// `None` if this thread is writing one already.
    pub(super) fn enter() -> Option<WritingMessage> {
        (!BUSY.replace(true)).then_some(WritingMessage(()))
    }
}

impl Drop for WritingMessage {
    fn drop(&mut self) {
        BUSY.set(false);
    }
}

impl LossyLogger {
    pub(super) fn new(logger: Logger) -> LossyLogger {
        let (dropped, silent_until) = (AtomicU64::new(0), AtomicU64::new(0));
        LossyLogger { logger, dropped, started: Instant::now(), silent_until }
    }

    /// Writes a message if it can.
    pub(super) fn write(&self, _: &WritingMessage, level: Level, headers: &[(&str, &str)], message: &str) {
        let now = self.started.elapsed();
        let silent = now < Duration::from_nanos(self.silent_until.load(Ordering::Relaxed));
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let written = !silent && self.try_write(now, dropped, level, headers, message).is_ok();
        if !written {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }

    fn try_write(
        &self,
        now: Duration,
        dropped: u64,
        level: Level,
        headers: &[(&str, &str)],
        message: &str,
    ) -> Result<Published> {
        let dropped = dropped.to_string();
        let mut headers = with_level(level, headers);
        if dropped != "0" {
            headers.push(("dropped", &dropped));
        }
        let written = self.logger.writer.write_within(LOCK_TIMEOUT, random_id(), &headers, message.as_bytes());
        written.inspect_err(|error| {
            let lasts = match error {
                Error::Topic { cause, .. } => matches!(cause, a0_core::Error::Lock(_)),
                error => matches!(error, Error::File(_) | Error::TopicRemoved { .. }),
            };
            if lasts {
                self.silent_until.store((now + RETRY_PAUSE).as_nanos() as u64, Ordering::Relaxed);
            }
        })
    }
}

/// LogHeaders and their values, none of which has a NUL, which packets cannot carry.
#[derive(Debug, Default)]
pub(super) struct LogHeaders(Vec<(String, String)>);

impl LogHeaders {
    pub(super) fn push(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        let value = if value.contains('\0') { value.replace('\0', "\\0") } else { value };
        self.0.push((key.replace('\0', "\\0"), value));
    }

    /// Where in the source a message comes from.
    pub(super) fn push_place(&mut self, target: &str, module: Option<&str>, file: Option<&str>, line: Option<u32>) {
        self.push("target", target);
        if let Some(module) = module.filter(|module| *module != target) {
            self.push("module", module);
        }
        if let Some(file) = file {
            self.push("file", file);
        }
        if let Some(line) = line {
            self.push("line", line.to_string());
        }
    }

    pub(super) fn pairs(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
}

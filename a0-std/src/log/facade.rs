//! The `log` crate's messages on a topic.

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};

use crate::log::lossy_logger::{LogHeaders, LossyLogger, WritingMessage};
use crate::log::{Level, Logger};

/// Sends the messages of the `log` crate to a topic (feature `log`).
///
/// A message becomes the payload; `target`, `module` (if it is another one), `file` and `line` become headers. `Trace`
/// counts as [`Level::Dbg`].
///
/// Logging never fails, and never blocks for more than a moment: what cannot be written is dropped, and the next
/// message that can has a header `dropped` that says how many there were. Whatever is logged while a message is being
/// written is dropped, too.
///
/// ```
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// a0_std::LogBackend::new(a0_std::Logger::new("robot")?).install(log::LevelFilter::Info).unwrap();
/// log::warn!("no answer");
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct LogBackend {
    sink: LossyLogger,
}

impl LogBackend {
    /// Messages go to this logger's topic.
    pub fn new(logger: Logger) -> LogBackend {
        LogBackend { sink: LossyLogger::new(logger) }
    }

    /// Makes it the logger of this program, for messages up to `most`.
    ///
    /// # Errors
    /// `SetLoggerError` if there is one already.
    pub fn install(self, most: LevelFilter) -> Result<(), SetLoggerError> {
        log::set_boxed_logger(Box::new(self))?;
        log::set_max_level(most);
        Ok(())
    }
}

impl Log for LogBackend {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // Before anything is formatted, which may log in turn.
        let Some(busy) = WritingMessage::enter() else { return };
        let level = match record.level() {
            log::Level::Error => Level::Err,
            log::Level::Warn => Level::Warn,
            log::Level::Info => Level::Info,
            log::Level::Debug | log::Level::Trace => Level::Dbg,
        };
        let mut headers = LogHeaders::default();
        headers.push_place(record.target(), record.module_path(), record.file(), record.line());
        self.sink.write(&busy, level, &headers.pairs(), &record.args().to_string());
    }

    fn flush(&self) {}
}

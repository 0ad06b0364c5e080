//! Log messages: a topic whose messages have a level.

#[cfg(feature = "log")]
mod facade;
mod level;
mod listener;
#[cfg(any(feature = "log", feature = "tracing"))]
mod lossy_logger;
#[cfg(feature = "tracing")]
mod subscriber;

#[cfg(feature = "log")]
pub use facade::LogBackend;
pub use level::Level;
pub use listener::{LogListener, LogListenerSync, LogMessage};
#[cfg(feature = "tracing")]
pub use subscriber::TracingLayer;

use a0_linux::FileOptions;

use crate::error::Result;
use crate::file::File;
use crate::keys;
use crate::topic::Protocol;
use crate::writer::Writer;
use crate::writer::published::Published;

/// Writes log messages. Can be shared between threads; any number of loggers may use a topic.
///
/// What was logged is in the topic when the call returns, and outlives the program, however it ends. If the topic is removed,
/// a logger goes on with a new one, as a [`Publisher`](crate::Publisher) does.
///
/// ```
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// use a0_std::{Level, Logger};
///
/// let logger = Logger::new("robot")?;
/// logger.info("started")?;
/// logger.log_with(Level::Warn, &[("sensor", "left")], "no answer")?;
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct Logger {
    writer: Writer,
}

impl Logger {
    /// Opens the topic, creating it with 16 MiB if it does not exist.
    ///
    /// # Errors
    /// [`Error::BadTopic`](crate::Error::BadTopic), [`Error::BadEnv`](crate::Error::BadEnv), or as [`File::open`].
    pub fn new(topic: &str) -> Result<Logger> {
        Logger::with_options(topic, &FileOptions::default())
    }

    /// Opens the topic; the options say how it is created if it does not exist.
    ///
    /// # Errors
    /// As [`Logger::new`].
    pub fn with_options(topic: &str, options: &FileOptions) -> Result<Logger> {
        let Logger { writer } = Logger::from_file(&File::open(Protocol::Log.path(topic)?, options)?);
        Ok(Logger { writer: writer.that_comes_back() })
    }

    /// A logger that writes into any file; if that is removed, it says so, and does not go on with another one.
    pub fn from_file(file: &File) -> Logger {
        Logger { writer: Writer::new(file).with_standard_headers() }
    }

    /// Logs that the program, or more than that, cannot go on.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn crit(&self, message: impl AsRef<[u8]>) -> Result<Published> {
        self.log(Level::Crit, message)
    }

    /// Logs that something failed.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn err(&self, message: impl AsRef<[u8]>) -> Result<Published> {
        self.log(Level::Err, message)
    }

    /// Logs that something may be wrong.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn warn(&self, message: impl AsRef<[u8]>) -> Result<Published> {
        self.log(Level::Warn, message)
    }

    /// Logs what is worth knowing.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn info(&self, message: impl AsRef<[u8]>) -> Result<Published> {
        self.log(Level::Info, message)
    }

    /// Logs what helps to find faults.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn dbg(&self, message: impl AsRef<[u8]>) -> Result<Published> {
        self.log(Level::Dbg, message)
    }

    /// Logs a message.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn log(&self, level: Level, message: impl AsRef<[u8]>) -> Result<Published> {
        self.log_with(level, &[], message)
    }

    /// Logs a message with headers.
    ///
    /// # Errors
    /// As [`Writer::write_with`].
    pub fn log_with(&self, level: Level, headers: &[(&str, &str)], message: impl AsRef<[u8]>) -> Result<Published> {
        self.writer.write_with(&with_level(level, headers), message)
    }

    /// The topic's file.
    pub fn file(&self) -> &File {
        self.writer.file()
    }
}

/// The level comes before the user's headers.
fn with_level<'a>(level: Level, headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = Vec::with_capacity(1 + headers.len());
    all.push((keys::LOG_LEVEL, level.name()));
    all.extend_from_slice(headers);
    all
}

//! Configuration: the newest message of a topic, changed in parts by several programs at once.

mod error;
mod newest;
mod parse;
mod patch;
mod var;
mod watcher;

pub use error::CfgError;
pub use var::CfgVar;
pub use watcher::CfgWatcher;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use a0_linux::FileOptions;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::file::{File, coarse_now};
use crate::id::random_id;
use crate::message::Message;
use crate::packet::PacketView;
use crate::packet_buf::PacketBuf;
use crate::topic::Protocol;
use crate::writer::Writer;
use crate::writer::published::Published;

/// A configuration: a topic whose newest message is what counts. Can be shared between threads.
///
/// If the topic is removed, this goes on with the file that has its name then, within about 100 ms, and creates it if need
/// be: what is read then is what a program finds that starts now. [`FileOptions::reopen`] says otherwise.
///
/// The payload can be anything. Where it is JSON, [`Cfg::merge_patch`] changes parts of it, and [`Cfg::read_as`],
/// [`Cfg::write_as`] and [`Cfg::var`] convert to and from types that `serde` knows.
///
/// ```
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// use a0_std::{Cfg, CfgVar};
///
/// let cfg = Cfg::new("robot")?;
/// cfg.write_if_empty(r#"{"motor": {"speed": 1.5, "on": false}}"#)?;
/// let mut speed: CfgVar<f64> = cfg.var("/motor/speed");
/// assert_eq!(*speed.read()?, 1.5);
///
/// // Here or in any other program, in any language.
/// cfg.merge_patch(r#"{"motor": {"speed": 2.0}}"#)?;
/// assert_eq!(*speed.read()?, 2.0);
/// assert_eq!(cfg.read()?.unwrap().payload(), br#"{"motor":{"speed":2.0,"on":false}}"#);
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct Cfg {
    writer: Writer,
}

impl Cfg {
    /// Opens the topic, creating it with 16 MiB if it does not exist.
    ///
    /// # Errors
    /// [`Error::BadTopic`], [`Error::BadEnv`], or as [`File::open`].
    pub fn new(topic: &str) -> Result<Cfg> {
        Cfg::with_options(topic, &FileOptions::default())
    }

    /// Opens the topic; the options say how it is created if it does not exist.
    ///
    /// # Errors
    /// As [`Cfg::new`].
    pub fn with_options(topic: &str, options: &FileOptions) -> Result<Cfg> {
        let Cfg { writer } = Cfg::from_file(&File::open(Protocol::Cfg.path(topic)?, options)?);
        Ok(Cfg { writer: writer.that_comes_back() })
    }

    /// A configuration in any file, such as that of a publisher, whose newest message can be patched that way. If the file is
    /// removed, it says so, and does not go on with another one.
    pub fn from_file(file: &File) -> Cfg {
        Cfg { writer: Writer::new(file).with_standard_headers() }
    }

    /// What is configured: the newest packet, or `None` if nothing was ever written. Takes no lock.
    ///
    /// # Errors
    /// [`Error::BadMessage`] if it is no packet, [`Error::Topic`] if it is damaged.
    pub fn read(&self) -> Result<Option<PacketBuf>> {
        newest::look(self.current()?, |_, message| Ok(message.packet().into()))
    }

    /// What is configured; waits for somebody to write, at most `timeout` (a `Duration`, or `None` for as long as it
    /// takes).
    ///
    /// # Errors
    /// [`Error::Timeout`], or as [`Cfg::read`].
    pub fn read_blocking(&self, timeout: impl Into<Option<Duration>>) -> Result<PacketBuf> {
        let (timeout, started) = (timeout.into(), Instant::now());
        loop {
            let file = self.current()?;
            let mut reader = newest::reader(file)?;
            match reader.read_blocking(timeout.map(|timeout| timeout.saturating_sub(started.elapsed()))) {
                Ok(message) => return Ok(message.packet().into()),
                Err(Error::TopicRemoved { .. }) => drop(self.writer.move_on(file)?),
                Err(error) => return Err(error),
            }
        }
    }

    /// Replaces the configuration.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn write(&self, payload: impl AsRef<[u8]>) -> Result<Published> {
        self.writer.write(payload)
    }

    /// Replaces the configuration, with headers.
    ///
    /// # Errors
    /// As [`Writer::write_with`].
    pub fn write_with(&self, headers: &[(&str, &str)], payload: impl AsRef<[u8]>) -> Result<Published> {
        self.writer.write_with(headers, payload)
    }

    /// Writes if nothing was written before; gives whether it did. If several programs try, exactly one succeeds.
    ///
    /// What was not written has no number: unlike in AlephZero 0.3, `a0_writer_seq` has no gap then.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn write_if_empty(&self, payload: impl AsRef<[u8]>) -> Result<bool> {
        self.current()?;
        self.writer.coming_back(|file| {
            let locked = file.lock()?;
            if !locked.state().is_empty() {
                return Ok(false);
            }
            self.writer.write_locked(file, locked, random_id(), &[], payload.as_ref())?;
            Ok(true)
        })
    }

    /// Changes parts of a JSON configuration as the patch says (RFC 7396): members with a value are set, members that
    /// are `null` are removed, all others stay. Patches made at the same time, in whatever language, are all applied.
    ///
    /// If nothing was written before, the patch is written as it is, even if it is no JSON. Otherwise the result is
    /// written without blanks: first the members of the patch, then the others in their order, as AlephZero 0.3 does.
    /// In some respects this differs from 0.3, and from 0.3 only in these:
    ///
    /// * It refuses what the JSON standard does not know: comments, commas behind the last member, `NaN`, `Infinity`;
    ///   and values nested deeper than 127 levels.
    /// * It writes `/` and characters outside ASCII as they are; 0.3 writes `\/` and `\uXXXX`. Very
    ///   large and very small numbers are written as `1e+21`, `1e-7`, and not as `1.e21`, `1.e-7`, which others refuse
    ///   (here they are understood).
    /// * Of several members with the same name, the last one counts and is kept.
    ///
    /// The configuration is parsed and changed before the topic is locked. Only if somebody else writes meanwhile, it
    /// is done again under the lock, so that nobody can be overtaken forever.
    ///
    /// # Errors
    /// [`Error::Cfg`] if the configuration or the patch is no JSON; [`Error::Topic`]: larger than the arena,
    /// read-only, or the lock is not to be had; [`Error::BadMessage`]. Nothing was written then.
    pub fn merge_patch(&self, patch: impl AsRef<[u8]>) -> Result<Published> {
        let patch = patch.as_ref();
        self.current()?;
        self.writer.coming_back(|file| self.merge_patch_in(file, patch))
    }

    fn merge_patch_in(&self, file: &File, patch: &[u8]) -> Result<Published> {
        let merged = |original: &[u8]| {
            patch::merged(original, patch).map(Cow::Owned).map_err(|cause| parse::failure(file, cause))
        };
        let (seq, payload) = newest::look(file, |_, message| Ok((Some(message.seq()), merged(message.payload())?)))?
            .unwrap_or((None, Cow::Borrowed(patch)));
        let locked = file.lock()?;
        let state = locked.state();
        if seq == (!state.is_empty()).then_some(state.seq_high) {
            return self.writer.write_locked(file, locked, random_id(), &[], &payload);
        }
        let payload = match newest::stored(file, &locked)? {
            None => Cow::Borrowed(patch),
            Some(bytes) => {
                let packet = PacketView::parse(&bytes).map_err(|cause| {
                    let path = file.path().to_owned();
                    Error::BadMessage { path, seq: state.seq_high, missed: 0, cause }
                })?;
                merged(packet.payload())?
            }
        };
        self.writer.write_locked(file, locked, random_id(), &[], &payload)
    }

    /// The configuration as a type of yours; `None` if nothing was ever written.
    ///
    /// # Errors
    /// [`Error::Cfg`] if it is no JSON or something else; or as [`Cfg::read`].
    ///
    /// ```
    /// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
    /// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Motor {
    ///     speed: f64,
    /// }
    /// let cfg = a0_std::Cfg::new("motor")?;
    /// cfg.write_as(&Motor { speed: 1.5 })?;
    /// assert_eq!(cfg.read_as::<Motor>()?.unwrap().speed, 1.5);
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    pub fn read_as<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        newest::look(self.current()?, |file, message| {
            parse::parse(message.payload()).map_err(|cause| {
                let error = match cause.is_data() {
                    true => CfgError::WrongType { pointer: String::new(), cause },
                    false => CfgError::ConfigNotJson(cause),
                };
                parse::failure(file, error)
            })
        })
    }

    /// Replaces the configuration by a value of yours, as JSON without blanks.
    ///
    /// # Errors
    /// [`Error::Cfg`] if JSON cannot express it, for instance a map whose keys are no texts; or as [`Writer::write`].
    pub fn write_as<T: Serialize + ?Sized>(&self, value: &T) -> Result<Published> {
        let payload = serde_json::to_vec(value)
            .map_err(|source| parse::failure(self.file(), CfgError::NotSerializable(source)))?;
        self.write(payload)
    }

    /// A variable that follows the value at a place in the JSON configuration. The place is a JSON pointer (RFC 6901),
    /// such as `/motor/speed`; the empty one is the whole configuration.
    pub fn var<T: DeserializeOwned>(&self, pointer: impl Into<String>) -> CfgVar<T> {
        CfgVar::new(self.file().clone(), self.writer.does_come_back(), pointer.into())
    }

    /// Calls back with the configuration that there is, if any, and then with each new one, on a thread of its own,
    /// until the watcher is dropped. If they come faster than the callback returns, those in between are passed over;
    /// the last one never is.
    ///
    /// # Errors
    /// [`Error::Topic`], [`Error::Thread`].
    pub fn watch(&self, callback: impl FnMut(Message<'_>) + Send + 'static) -> Result<CfgWatcher> {
        CfgWatcher::new(self.file(), callback)
    }

    /// The topic's file: the one that is used now.
    pub fn file(&self) -> &File {
        self.writer.file()
    }

    /// The file that has the topic's name, as far as that is known: looks now and then.
    fn current(&self) -> Result<&File> {
        let file = self.file();
        match file.look_now_and_then(coarse_now()) {
            Ok(()) => Ok(file),
            Err(Error::TopicRemoved { .. }) => self.writer.move_on(file),
            Err(error) => Err(error),
        }
    }
}

//! Being told of each new configuration.

use crate::error::Result;
use crate::file::File;
use crate::message::Message;
use crate::reader::threaded::Reader;
use crate::reader::{Init, Iter};

/// Calls back for each new configuration until it is dropped. Made by [`Cfg::watch`](crate::Cfg::watch).
///
/// The callback runs without any lock held: it may write or patch the configuration, and drop the watcher.
///
/// ```
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// let cfg = a0_std::Cfg::new("robot")?;
/// cfg.write(r#"{"speed": 1.5}"#)?;
/// let (tell, told) = std::sync::mpsc::channel();
/// let watcher = cfg.watch(move |config| {
///     tell.send(config.payload().to_vec()).ok();
/// })?;
/// assert_eq!(told.recv().unwrap(), br#"{"speed": 1.5}"#);
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "it calls back until it is dropped"]
pub struct CfgWatcher {
    reader: Reader,
}

impl CfgWatcher {
    pub(super) fn new(file: &File, callback: impl FnMut(Message<'_>) + Send + 'static) -> Result<CfgWatcher> {
        Ok(CfgWatcher { reader: Reader::new(file, (Init::MostRecent, Iter::Newest), callback)? })
    }

    /// Messages skipped because they were no valid packets or damaged.
    pub fn skipped(&self) -> u64 {
        self.reader.skipped()
    }

    /// Stops the thread and waits until the callback has returned for the last time; from inside the callback, it
    /// only sees to it that this was the last call. Dropping does the same.
    pub fn close(self) {}
}

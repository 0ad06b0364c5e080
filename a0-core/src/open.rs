//! Opening a topic: whatever the memory holds, it is one afterwards, or an error says what else it is.

use core::time::Duration;

use crate::error::{Corruption, Error};
use crate::layout::WORKSPACE;
use crate::lock::Lock;
use crate::mem::Mem;
use crate::topic_header::{check_header, initialize, is_uninitialized};
use crate::transport::Transport;
use crate::upgrade;

/// How long opening waits for the lock where nobody says so. Far longer than any sound holder needs.
const PATIENCE: Duration = Duration::from_secs(5);

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Opens a topic, initialising zeroed memory and converting a 0.2 topic.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the memory holds anything else than a sound header, [`Error::Lock`] if initialising
    /// needs the lock and it is not to be had.
    pub fn open(mem: M, lock: L) -> Result<Self, Error> {
        Transport::open_within(mem, lock, PATIENCE)
    }

    /// The same, waiting at most `patience` for the lock if initialising needs it; [`Transport::open`] says 5 s.
    ///
    /// # Errors
    /// As [`Transport::open`].
    pub fn open_within(mem: M, lock: L, patience: Duration) -> Result<Self, Error> {
        if mem.size() < WORKSPACE {
            return Err(Error::Corrupt(Corruption::TooSmall { size: mem.size() }));
        }
        let topic = Transport::unchecked(mem, lock);
        if topic.is_unfinished() {
            let mut held = topic.acquire(Some(patience))?;
            if upgrade::is_version_0_2(topic.mem()) {
                upgrade::upgrade(topic.mem());
            } else if topic.is_unfinished() {
                initialize(topic.mem());
            }
            held.reload();
        }
        check_header(topic.mem())?;
        Ok(topic)
    }

    /// Opens a topic without storing anything into it.
    ///
    /// # Errors
    /// [`Error::Uninitialized`] for zeroed memory or a 0.2 topic, [`Error::Corrupt`] as [`Transport::open`].
    pub fn open_read_only(mem: M, lock: L) -> Result<Self, Error> {
        if mem.size() < WORKSPACE {
            return Err(Error::Corrupt(Corruption::TooSmall { size: mem.size() }));
        }
        let topic = Transport::unchecked(mem, lock);
        if topic.is_unfinished() {
            return Err(Error::Uninitialized);
        }
        check_header(topic.mem())?;
        Ok(topic)
    }

    /// Whether the memory is all new, half initialised, or of version 0.2. Anything else is somebody else's file, which
    /// must not be touched.
    fn is_unfinished(&self) -> bool {
        upgrade::is_version_0_2(self.mem()) || is_uninitialized(self.mem())
    }
}

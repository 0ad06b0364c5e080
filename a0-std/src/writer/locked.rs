//! Looking at what is there, and then writing, without anybody coming in between.

use std::time::Duration;

use a0_core::{Clock, Encoder, State, TimeWall};
use a0_linux::SystemClock;

use crate::error::Result;
use crate::file::SharedLocked;
use crate::id::random_id;
use crate::writer::{Published, Writer};

/// A writer that holds the lock of its file. Dropping it releases the lock, and nothing was written.
#[derive(Debug)]
pub(crate) struct LockedWriter<'w> {
    writer: &'w Writer,
    time_wall: TimeWall,
    locked: SharedLocked<'w>,
}

impl Writer {
    /// Takes the lock.
    pub(crate) fn lock(&self) -> Result<LockedWriter<'_>> {
        self.lock_within(self.file.lock_timeout())
    }

    /// Takes the lock; waits for it no longer than that.
    pub(crate) fn lock_within(&self, patience: Duration) -> Result<LockedWriter<'_>> {
        let time_wall = SystemClock.wall();
        Ok(LockedWriter { writer: self, time_wall, locked: self.file.lock_within(patience)? })
    }
}

impl LockedWriter<'_> {
    /// What the topic holds.
    pub(crate) fn state(&self) -> State {
        self.locked.state()
    }

    /// A copy of the newest packet as it is stored; `None` if there is none.
    pub(crate) fn newest(&self) -> Result<Option<Vec<u8>>> {
        let file = &self.writer.file;
        let Some(frame) = self.locked.tail().map_err(|source| file.error(source))? else { return Ok(None) };
        // Found sound, so it is no larger than the file.
        let mut bytes = vec![0; frame.data_size as usize];
        self.locked.read(&frame, &mut bytes).map_err(|source| file.error(source))?;
        Ok(Some(bytes))
    }

    /// Writes, and releases the lock.
    pub(crate) fn write(mut self, headers: &[(&str, &str)], payload: &[u8]) -> Result<Published> {
        let (writer, id) = (self.writer, random_id());
        let seq = match &writer.standard {
            None => writer.append(&mut self.locked, &Encoder::new(&id, &[headers], payload)?)?,
            Some(standard) => {
                writer.append_standard(&mut self.locked, standard, self.time_wall, &id, headers, payload)?
            }
        };
        Ok(Published { id, seq })
    }
}

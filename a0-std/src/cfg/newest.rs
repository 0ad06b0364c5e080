//! Reading the message that counts: the newest one.

use std::time::Duration;

use crate::error::Result;
use crate::file::{File, SharedLocked};
use crate::message::Message;
use crate::reader::copy_buffer::CopyBuffer;
use crate::reader::sync::ReaderSync;
use crate::reader::{Init, Iter};

/// Longest wait for a message that is known to be there.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns a reader placed at the newest message.
pub(super) fn reader(file: &File) -> Result<ReaderSync> {
    ReaderSync::new(file, (Init::MostRecent, Iter::Newest))
}

/// Returns what `look` makes of the newest message; `None` if there is none.
pub(super) fn look<R>(file: &File, look: impl FnOnce(&File, &Message<'_>) -> Result<R>) -> Result<Option<R>> {
    let mut reader = reader(file)?;
    if let Some(message) = reader.read()? {
        return look(file, &message).map(Some);
    }
    if file.state()?.is_empty() {
        return Ok(None);
    }
    // It came just now; or this is a reader that cannot lock, beside very fast writers.
    look(file, &reader.read_blocking(READ_TIMEOUT)?).map(Some)
}

/// Returns a copy of the newest packet of a locked topic, as it is stored; `None` if there is none.
pub(super) fn stored(file: &File, locked: &SharedLocked<'_>) -> Result<Option<Vec<u8>>> {
    let Some(frame) = locked.tail().map_err(|cause| file.error(cause))? else { return Ok(None) };
    let mut bytes = CopyBuffer::default();
    locked.read(&frame, bytes.room_for(file, &frame)?).map_err(|cause| file.error(cause))?;
    Ok(Some(bytes.into_bytes()))
}

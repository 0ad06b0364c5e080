//! Several frames for one look at the state.
//!
//! The look behind each copy goes to cache lines that a busy writer changes all the time, and getting them takes longer than
//! all the rest. Where many frames wait, one look serves them all: if the oldest was still there, the newer ones were.

use super::{Fetch, Fetched};
use crate::cursor::{Cursor, Received, Select};
use crate::error::Error;
use crate::layout::FRAME_HEADER;
use crate::lock::Lock;
use crate::mem::Mem;
use crate::transport::Transport;

impl<M: Mem, L: Lock<M>> Transport<M, L> {
    /// Copies the next frames into `buffer`, one behind the other, as many as are there and have room in it and in
    /// `received`, and moves the cursor behind them; gives their number, which is 0 if there is none yet.
    ///
    /// Waits for nothing and is never slower than one [`Transport::read`] after the other, but what it gives was read a
    /// little earlier than if it had been.
    ///
    /// # Errors
    /// As [`Transport::read`]. Never after frames were copied: then the next call gives the error.
    ///
    /// ```
    /// use a0_core::{Cursor, Received, SliceMem, Transport, Unshared};
    ///
    /// let mut bytes = [0; 4096];
    /// let topic = Transport::open(SliceMem::new(&mut bytes)?, Unshared)?;
    /// let mut cursor = Cursor::oldest(&topic)?;
    /// for text in ["one", "two", "three"] {
    ///     topic.lock(None)?.push(text.as_bytes())?;
    /// }
    ///
    /// let (mut buffer, mut received) = ([0; 64], [Received::default(); 8]);
    /// let count = topic.read_batch(&mut cursor, &mut buffer, &mut received)?;
    /// assert_eq!(received[..count].iter().map(|frame| frame.len).collect::<Vec<_>>(), [3, 3, 5]);
    /// assert_eq!(&buffer[..11], b"onetwothree");
    /// # Ok::<(), a0_core::Error>(())
    /// ```
    #[inline]
    pub fn read_batch(
        &self,
        cursor: &mut Cursor,
        buffer: &mut [u8],
        received: &mut [Received],
    ) -> Result<usize, Error> {
        if !self.needs_lock_to_read()
            && let Some(count) = self.fetch_all(cursor, buffer, received)
        {
            return Ok(count);
        }
        // A writer is in the way, or damage, or the buffer is too small: reading one frame finds out.
        let Some(first) = received.first_mut() else { return Ok(0) };
        let frame = self.read(cursor, Select::Next, &mut &mut *buffer)?;
        *first = frame.unwrap_or_default();
        Ok(usize::from(frame.is_some()))
    }

    /// The same without any way out: `None`, and a cursor that has not moved, if anything is in the way.
    #[inline]
    fn fetch_all(&self, cursor: &mut Cursor, buffer: &mut [u8], received: &mut [Received]) -> Option<usize> {
        let mut ahead = *cursor;
        let mut rest = buffer;
        let mut oldest = u64::MAX;
        let mut count = 0;
        for place in received.iter_mut() {
            // Only the first frame is worth a look at the state.
            if count > 0 && ahead.known_high <= ahead.seq {
                break;
            }
            match self.fetch(&mut ahead, Select::Next, &mut rest) {
                Fetch::Some(fetched @ Fetched { fits: true, .. }) => {
                    oldest = oldest.min(fetched.target.live_from);
                    *place = fetched.received_by(&mut ahead);
                    rest = &mut rest[place.len..];
                    count += 1;
                }
                Fetch::Nothing if count == 0 => break,
                _ if count == 0 => return None,
                _ => break,
            }
        }
        let untouched = |frame: &Received| self.is_untouched(frame.seq, frame.offset - FRAME_HEADER, frame.len as u64);
        let sound = count == 0 || (self.is_live_from(oldest) && received[..count].iter().all(untouched));
        sound.then(|| {
            *cursor = ahead;
            count
        })
    }
}

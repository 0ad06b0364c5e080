//! Looking after a file that is read without waiting, at next to no cost for those who ask all the time.

use crate::error::Result;
use crate::file::{File, coarse_now};

/// Reads in vain between two looks at the clock, if they come so fast that it has not moved.
const READS_PER_CLOCK_CHECK: u32 = 16;

/// What a reader knows of when it last looked.
#[derive(Debug, Default)]
pub(super) struct RemovalCheck {
    skip: u32,
    clock: u64,
}

impl RemovalCheck {
    /// Where there was nothing to read: fails, now and then, if that is because the file was removed. Then it does so each time.
    #[inline]
    pub(super) fn look(&mut self, file: &File) -> Result<()> {
        match self.skip.checked_sub(1) {
            Some(skip) => {
                self.skip = skip;
                Ok(())
            }
            None => self.look_at_the_clock(file),
        }
    }

    #[cold]
    #[inline(never)]
    fn look_at_the_clock(&mut self, file: &File) -> Result<()> {
        let now = coarse_now();
        file.look_now_and_then(now)?;
        self.skip = if now == self.clock { READS_PER_CLOCK_CHECK } else { 0 };
        self.clock = now;
        Ok(())
    }
}

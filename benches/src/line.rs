//! The floor: two cores that hand one cache line to and fro.

use std::hint::spin_loop;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use a0_core::RawMem;
use a0_core::layout::Field;
use a0_linux::Mapping;
use rustix::thread::futex;

use crate::{Result, topics};

/// Two words, a page apart, in memory that both processes map.
pub struct Line {
    memory: RawMem<Mapping>,
}

const BALL: Field<u32> = Field::at(4096);

/// What ends a game.
const STOP: u32 = u32::MAX;

impl Line {
    /// The line in this file.
    ///
    /// # Errors
    /// As [`topics::memory`].
    pub fn open(path: &Path) -> Result<Line> {
        Ok(Line { memory: topics::memory(path, 16384)? })
    }

    fn ball(&self) -> &AtomicU32 {
        self.memory.atomic_u32(BALL)
    }

    /// One round trip; `ball` counts up by two.
    #[inline]
    pub fn serve(&self, ball: &mut u32) {
        let word = self.ball();
        word.store(*ball + 1, Ordering::Release);
        *ball += 2;
        while word.load(Ordering::Acquire) != *ball {
            spin_loop();
        }
    }

    /// Returns every ball until [`Line::stop`].
    pub fn play(&self) {
        let word = self.ball();
        let mut expected = 1;
        loop {
            match word.load(Ordering::Acquire) {
                STOP => return,
                ball if ball == expected => {
                    word.store(expected + 1, Ordering::Release);
                    expected += 2;
                }
                _ => spin_loop(),
            }
        }
    }

    /// As [`Line::serve`], asleep until the ball comes back.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn serve_asleep(&self, ball: &mut u32) -> Result<()> {
        let word = self.ball();
        word.store(*ball + 1, Ordering::Release);
        futex::wake(word, futex::Flags::empty(), 1)?;
        sleep_while(word, *ball + 1);
        *ball += 2;
        Ok(())
    }

    /// As [`Line::play`], asleep in between.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn play_asleep(&self) -> Result<()> {
        let word = self.ball();
        let mut ball = 0;
        loop {
            sleep_while(word, ball);
            if word.load(Ordering::Acquire) == STOP {
                return Ok(());
            }
            ball += 2;
            word.store(ball, Ordering::Release);
            futex::wake(word, futex::Flags::empty(), 1)?;
        }
    }

    /// Ends the other side's game.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn stop(&self) -> Result<()> {
        self.ball().store(STOP, Ordering::Release);
        futex::wake(self.ball(), futex::Flags::empty(), 1)?;
        Ok(())
    }
}

fn sleep_while(word: &AtomicU32, value: u32) {
    while word.load(Ordering::Acquire) == value {
        // Comes back early for many reasons; the loop tells.
        let _ = futex::wait(word, futex::Flags::empty(), value, None);
    }
}

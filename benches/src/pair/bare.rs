//! What the format costs by itself: the cache lines that a message must cross in, with nothing done about safety.
//!
//! A message is a frame in a place of its own, a state page that names it, and the index of that page. Here they are
//! stored and loaded in that order and no more: no lock, no eviction, no check. No program can exchange messages of this
//! format faster than that.

use std::hint::spin_loop;
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Release};

use a0_core::layout::{FRAME_HEADER, WORKSPACE, align16, frame, header, page};
use a0_core::{Mem, RawMem};
use a0_linux::Mapping;

use super::{ARENA, SIZE};
use crate::{Result, topics};

/// Bytes from one frame to the next.
const STEP: u64 = match align16(FRAME_HEADER + SIZE as u64) {
    Some(step) => step,
    None => panic!("a frame has a size"),
};

/// Messages that end the game are shorter.
const END: u64 = 0;

/// One direction.
pub(super) struct Bare {
    memory: RawMem<Mapping>,
    count: u64,
}

impl Bare {
    pub(super) fn open(path: &Path) -> Result<Bare> {
        Ok(Bare { memory: topics::memory(path, ARENA)?, count: 0 })
    }

    /// Sends one message; an empty one ends the game.
    #[inline]
    pub(super) fn send(&mut self, payload: &[u8]) {
        self.count += 1;
        let slot = WORKSPACE + STEP * (self.count % (ARENA / STEP - 2));
        self.memory.store_words(frame::seq(slot), [self.count, slot, 0, 0, payload.len() as u64]);
        self.memory.write(slot + FRAME_HEADER, payload);
        self.memory.store_words(page::seq_low(1), [1, self.count, WORKSPACE, slot, ARENA]);
        self.memory.store_u8(header::COMMITTED_PAGE, self.count as u8, Release);
    }

    /// Waits for the next message; whether the game goes on.
    #[inline]
    pub(super) fn receive(&mut self, buffer: &mut [u8; SIZE]) -> bool {
        self.count += 1;
        while self.memory.load_u8(header::COMMITTED_PAGE, Acquire) != self.count as u8 {
            spin_loop();
        }
        let [_, _, _, slot, _] = self.memory.load_words(page::seq_low(1));
        let [_, _, _, _, len] = self.memory.load_words(frame::seq(slot));
        self.memory.read(slot + FRAME_HEADER, buffer);
        len != END
    }
}

//! What a look at a deadman finds.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use a0_core::layout::Field;
use a0_core::{Mem, RawMem};

use crate::file::mapping::Mapping;
use crate::futex::{OWNER, WAITERS};

/// Between two looks of those who cannot sleep on the file, because they may not write to it.
const POLL: Duration = Duration::from_millis(5);

/// A look is repeated while others take and release; after so many tries any answer was true a moment ago.
const LOOKS: u32 = 100;

/// What a deadman looked like at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadmanSight {
    /// Whether somebody has it.
    pub taken: bool,
    /// The thread that has it, or is just taking or releasing it.
    pub owner: Option<u32>,
    /// Nobody has it, because the last owner died.
    pub owner_died: bool,
    /// How often it was taken; wraps.
    pub token: u64,
    /// The PID namespace to which the owner's thread id belongs, if that is not the caller's, or the caller cannot tell.
    pub other_namespace: Option<u32>,
    /// What was found in the owner's word.
    pub(super) word: u32,
    /// The event counter, where there is one.
    pub(super) events: u32,
}

/// What a [`DeadmanFile::sleep`](crate::DeadmanFile::sleep) is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a deadman is taken, or it is not")]
pub enum Until {
    /// Somebody takes it.
    Taken,
    /// Its owner releases it, or dies.
    Released,
}

/// How a deadman was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) token: u64,
    pub(super) previous_owner_died: bool,
}

/// The thread id in a word, if there is one.
pub(super) fn owner_of(word: u32) -> Option<u32> {
    Some(word & OWNER).filter(|owner| *owner != 0)
}

/// Lets time pass.
pub(super) fn pause(at_most: Duration) {
    std::thread::sleep(at_most.min(POLL));
}

/// Looks at several words as if at once: until the first one is the same before and after.
pub(super) fn steadily(mem: &RawMem<Mapping>, word: Field<u32>, look: impl Fn(u32) -> DeadmanSight) -> DeadmanSight {
    let mut found = mem.load_u32(word, Acquire);
    for _ in 1..LOOKS {
        let seen = look(found);
        // That somebody waits changes nothing.
        if (mem.load_u32(word, Relaxed) ^ found) & !WAITERS == 0 {
            return seen;
        }
        found = mem.load_u32(word, Acquire);
    }
    look(found)
}

//! The deadman of 32 bytes: two links for the kernel's list, a word that is no lock, and the token.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use a0_core::layout::Field;
use a0_core::{LockError, Mem, RawMem};

use crate::deadman::sight::{DeadmanSight, Took, owner_of, steadily};
use crate::file::mapping::Mapping;
use crate::futex::{self, OWNER, OWNER_DIED, WAITERS};
use crate::robust_list::{self, Word};

/// The kernel's entry.
const ENTRY: u64 = 0;
/// Owner's thread id and flags. A thread id beside `OWNER_DIED` is that of somebody who is about to count the token up:
/// 0.3 lets nobody else take it then, and waits on for it to be taken. In 0.3 itself the word is there before the token.
pub(super) const WORD: Field<u32> = Field::at(16);
/// How often it was taken.
const TOKEN: Field<u64> = Field::at(24);

pub(super) fn look(mem: &RawMem<Mapping>) -> DeadmanSight {
    steadily(mem, WORD, |word| {
        let (owner, marked) = (owner_of(word), word & OWNER_DIED != 0);
        DeadmanSight {
            taken: owner.is_some() && !marked,
            owner,
            owner_died: owner.is_none() && marked,
            token: mem.load_u64(TOKEN, Acquire),
            other_namespace: None,
            word,
            events: 0,
        }
    })
}

pub(super) fn try_take(mem: &RawMem<Mapping>) -> Result<Option<Took>, LockError> {
    let word = mem.atomic_u32(WORD);
    // From the moment the word names us, our death must be noticed.
    let entry = robust_list::enter(mem, ENTRY, Word::Plain)?;
    let ours = |word| (word & OWNER == 0).then_some((word & WAITERS) | OWNER_DIED | entry.tid());
    let Ok(before) = word.fetch_update(Acquire, Relaxed, ours) else { return Ok(None) };
    let token = mem.load_u64(TOKEN, Relaxed).wrapping_add(1);
    mem.store_u64(TOKEN, token, Relaxed);
    word.fetch_and(!OWNER_DIED, Release);
    futex::wake_all(word);
    entry.keep();
    Ok(Some(Took { token, previous_owner_died: before & OWNER_DIED != 0 }))
}

pub(super) fn release(mem: &RawMem<Mapping>, tid: u32) {
    let word = mem.atomic_u32(WORD);
    let free = |word| (owner_of(word) == Some(tid)).then_some(word & WAITERS);
    robust_list::leave(mem, ENTRY, Word::Plain, |_| {
        if word.fetch_update(Release, Relaxed, free).is_ok() {
            futex::wake_all(word);
        }
    });
}

pub(super) fn sleep(mem: &RawMem<Mapping>, seen: &DeadmanSight, at_most: Duration) -> Result<(), LockError> {
    let word = mem.atomic_u32(WORD);
    // Without the flag the kernel would wake nobody when the owner dies.
    let expected = seen.word | WAITERS;
    if seen.word != expected && word.compare_exchange(seen.word, expected, Relaxed, Relaxed).is_err() {
        return Ok(());
    }
    futex::wait(word, expected, at_most)
}

pub(super) fn wake_all(mem: &RawMem<Mapping>) {
    futex::wake_all(mem.atomic_u32(WORD));
}

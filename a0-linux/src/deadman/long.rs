//! The deadman of 72 bytes: a mutex that the owner holds, another one for the rest, and an event counter to sleep on.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use a0_core::layout::Field;
use a0_core::{Acquired, LockError, Mem, RawMem};

use crate::deadman::layout::PID_NAMESPACE;
use crate::deadman::sight::{DeadmanSight, Took, Until, owner_of, pause, steadily};
use crate::file::mapping::Mapping;
use crate::futex::OWNER_DIED;
use crate::pi_mutex::{self, Mutex};

/// Held while the fields below change.
const GUARD: Mutex = Mutex::at(0, PID_NAMESPACE);
/// Counts up whenever it was taken.
const EVENTS: Field<u32> = Field::at(24);
/// Held by the owner.
pub(super) const OWNER_MUTEX: Mutex = Mutex::at(32, PID_NAMESPACE);
/// How often it was taken.
const TOKEN: Field<u64> = Field::at(56);
/// Set while it is taken. Still set where nobody has it, it says that the owner died.
const LOCKED: Field<u8> = Field::at(64);

/// How long the guard is waited for in one go. Nobody needs it for long; what takes longer waits for a core, is stopped, or
/// hostile.
const PATIENCE: Duration = Duration::from_millis(100);

pub(super) fn look(mem: &RawMem<Mapping>) -> DeadmanSight {
    // Before the rest: what happens from now on ends a sleep.
    let events = mem.load_u32(EVENTS, Acquire);
    steadily(mem, OWNER_MUTEX.word(), |word| {
        let owner = owner_of(word);
        let locked = mem.load_u8(LOCKED, Acquire) != 0;
        let token = mem.load_u64(TOKEN, Acquire);
        // The same thread may have released it and be taking it again: then the token is there before the mark.
        let locked = locked && mem.load_u8(LOCKED, Acquire) != 0;
        DeadmanSight {
            taken: owner.is_some() && locked,
            owner,
            owner_died: owner.is_none() && (locked || word & OWNER_DIED != 0),
            token,
            other_namespace: None,
            word,
            events,
        }
    })
}

pub(super) fn try_take(mem: &RawMem<Mapping>) -> Result<Option<Took>, LockError> {
    let Some(acquired) = pi_mutex::try_lock(mem, OWNER_MUTEX)? else { return Ok(None) };
    if let Err(error) = pi_mutex::lock(mem, GUARD, Some(PATIENCE)) {
        pi_mutex::unlock(mem, OWNER_MUTEX);
        return match error {
            // Nobody can have it as long as that lasts.
            LockError::TimedOut { .. } => Ok(None),
            error => Err(error),
        };
    }
    let previous_owner_died = acquired == Acquired::OwnerDied || mem.load_u8(LOCKED, Relaxed) != 0;
    let token = mem.load_u64(TOKEN, Relaxed).wrapping_add(1);
    // Who sees it sees that the mark was gone before.
    mem.store_u64(TOKEN, token, Release);
    mem.store_u8(LOCKED, 1, Release);
    mem.fetch_add_u32(EVENTS, 1, Release);
    pi_mutex::requeue(mem, EVENTS, GUARD);
    pi_mutex::unlock(mem, GUARD);
    Ok(Some(Took { token, previous_owner_died }))
}

pub(super) fn release(mem: &RawMem<Mapping>, tid: u32) {
    if owner_of(mem.load_u32(OWNER_MUTEX.word(), Relaxed)) == Some(tid) {
        // It is the owner's to write; the guard only keeps others from seeing half of it.
        let guarded = pi_mutex::lock(mem, GUARD, Some(PATIENCE)).is_ok();
        mem.store_u8(LOCKED, 0, Release);
        if guarded {
            pi_mutex::unlock(mem, GUARD);
        }
    }
    pi_mutex::unlock(mem, OWNER_MUTEX);
}

pub(super) fn sleep(
    mem: &RawMem<Mapping>,
    seen: &DeadmanSight,
    until: Until,
    at_most: Duration,
) -> Result<(), LockError> {
    if until == Until::Taken {
        if pi_mutex::wait_requeue(mem, EVENTS, GUARD, seen.events, at_most)?.is_some() {
            pi_mutex::unlock(mem, GUARD);
        }
        return Ok(());
    }
    match pi_mutex::lock(mem, OWNER_MUTEX, Some(at_most)) {
        Ok(_) => pi_mutex::unlock(mem, OWNER_MUTEX),
        Err(LockError::TimedOut { .. }) => {}
        // The word names this thread, or one that does not exist as far as can be seen from here: nobody to wait for.
        Err(LockError::StaleOwner { .. } | LockError::Recursive) => pause(at_most),
        Err(error) => return Err(error),
    }
    Ok(())
}

//! Deadmen: who lives, and how others learn of its death.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::mem::MaybeUninit;

use a0_std::{Deadman, Taken};

use crate::args::{for_any_thread, given, handle, place, tell, text, timeout};
use crate::error::{Failure, a0rs_error, guard, guard_or};
use crate::options::{self, a0rs_file_options};

/// A sign of life: one handle at a time takes it, and has it until it releases it, is destroyed, or its program dies.
/// For any number of threads.
pub struct a0rs_deadman {
    deadman: Deadman,
}

/// How a deadman was taken.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_taken {
    /// How often it was taken, with this time. Who waits for the end of just this time says so with the token.
    pub token: u64,
    /// Whether the owner before did not release it, but died.
    pub previous_owner_died: bool,
}

impl From<Taken> for a0rs_taken {
    fn from(taken: Taken) -> a0rs_taken {
        a0rs_taken { token: taken.token, previous_owner_died: taken.previous_owner_died }
    }
}

/// What a deadman looks like at some moment.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_deadman_state {
    /// How often it was taken.
    pub token: u64,
    /// Id of the thread that has it; 0 if nobody has.
    pub owner: u32,
    /// Whether somebody has it.
    pub taken: bool,
    /// Whether it was taken through this handle.
    pub is_owner: bool,
    /// Whether nobody has it because the last owner died.
    pub owner_died: bool,
}

/// Opens a deadman; creates it if it does not exist. `options` may be null; their size does not count.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_deadman_create(
    topic: *const c_char,
    options: Option<&a0rs_file_options>,
    out: Option<&mut MaybeUninit<*mut a0rs_deadman>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let deadman = Deadman::with_options(topic, options::file(options)?)?;
        *out = Box::into_raw(Box::new(a0rs_deadman { deadman }));
        Ok(())
    })
}

/// Closes it, and releases it if it was taken through this handle. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_deadman_destroy(deadman: Option<Box<a0rs_deadman>>) {
    guard_or((), || drop(deadman));
}

/// Takes it; A0RS_AGAIN if somebody else has it. `taken` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_deadman_try_take(
    deadman: Option<&a0rs_deadman>,
    taken: Option<&mut MaybeUninit<a0rs_taken>>,
) -> a0rs_error {
    guard(|| {
        let was = given("deadman", deadman)?.deadman.try_take()?.ok_or(Failure::Again)?;
        tell(taken, was.into());
        Ok(())
    })
}

/// Takes it, waiting until nobody else has it. `taken` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_deadman_take(
    deadman: Option<&a0rs_deadman>,
    timeout_ms: i64,
    taken: Option<&mut MaybeUninit<a0rs_taken>>,
) -> a0rs_error {
    guard(|| {
        let was = given("deadman", deadman)?.deadman.take(timeout(timeout_ms))?;
        tell(taken, was.into());
        Ok(())
    })
}

/// Releases it; A0RS_ERROR_NOT_OWNER if it was not taken through this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_deadman_release(deadman: Option<&a0rs_deadman>) -> a0rs_error {
    guard(|| Ok(given("deadman", deadman)?.deadman.release()?))
}

/// What it looks like now. Never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_deadman_look(
    deadman: Option<&a0rs_deadman>,
    state: Option<&mut MaybeUninit<a0rs_deadman_state>>,
) -> a0rs_error {
    guard(|| {
        let place = place("state", state)?;
        let state = given("deadman", deadman)?.deadman.state()?;
        place.write(a0rs_deadman_state {
            token: state.token,
            owner: state.owner.unwrap_or(0),
            taken: state.taken,
            is_owner: state.is_owner,
            owner_died: state.owner_died,
        });
        Ok(())
    })
}

/// Waits until somebody has it. `token`, which may be null, gets what a0rs_deadman_wait_released() takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_deadman_wait_taken(
    deadman: Option<&a0rs_deadman>,
    timeout_ms: i64,
    token: Option<&mut MaybeUninit<u64>>,
) -> a0rs_error {
    guard(|| {
        tell(token, given("deadman", deadman)?.deadman.wait_taken(timeout(timeout_ms))?);
        Ok(())
    })
}

/// Waits until whoever took it with this token has released it or died.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_deadman_wait_released(
    deadman: Option<&a0rs_deadman>,
    token: u64,
    timeout_ms: i64,
) -> a0rs_error {
    guard(|| Ok(given("deadman", deadman)?.deadman.wait_released(token, timeout(timeout_ms))?))
}

/// Ends what other threads wait for through this handle, and every later wait: A0RS_ERROR_INTERRUPTED. What was taken
/// stays taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_deadman_interrupt(deadman: Option<&a0rs_deadman>) -> a0rs_error {
    guard(|| {
        given("deadman", deadman)?.deadman.interrupter().interrupt();
        Ok(())
    })
}

const _: () = for_any_thread::<a0rs_deadman>();

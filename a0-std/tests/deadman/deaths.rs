//! Owners that die, at any instant, and children that are not their owners.

use std::thread;
use std::time::Duration;

use a0_std::Error;

use super::{Actor, PATIENCE, SECOND, after_death, clean, each_layout};

#[test]
fn whoever_takes_it_learns_that_the_owner_before_died() {
    each_layout(|topic, open| {
        let deadman = open();
        let killed = Actor::start("take", topic);
        killed.expect("taken");
        assert_eq!(deadman.try_take().unwrap(), None);
        killed.kill();
        assert!(deadman.state().unwrap().owner_died);
        assert_eq!(deadman.try_take().unwrap(), Some(after_death(2)));
        deadman.release().unwrap();
        assert_eq!(deadman.take(None).unwrap(), clean(3), "said once");
        deadman.release().unwrap();

        let exits = Actor::start("take and exit", topic);
        exits.expect("taken");
        exits.finish();
        assert_eq!(deadman.try_take().unwrap(), Some(after_death(5)));
    });
}

#[test]
fn deaths_at_random_instants_leave_it_to_be_taken() {
    each_layout(|topic, open| {
        let deadman = open();
        let mut died = 0;
        for round in 0..100u64 {
            let actor = Actor::start("again and again", topic);
            deadman.wait_taken(PATIENCE).unwrap();
            thread::sleep(Duration::from_micros(round * 7919 % 1500));
            actor.kill();
            let taken = deadman.take(SECOND).unwrap();
            died += u32::from(taken.previous_owner_died);
            assert_eq!(deadman.state().unwrap().token, taken.token);
            deadman.release().unwrap();
        }
        assert!(died >= 5, "{died} of 100 had it when they were killed");
    });
}

/// Should the child hang, it ends all the same.
fn end_soon() {
    // SAFETY: changes nothing in memory.
    unsafe { libc::alarm(PATIENCE.as_secs() as u32) };
}

#[test]
fn a_forked_child_has_nothing_of_its_parents() {
    each_layout(|_, open| {
        let (deadman, unused, other) = (open(), open(), open());
        deadman.take(None).unwrap();
        let before = deadman.state().unwrap();
        // A thread of its own, which is not forked either.
        assert_eq!(unused.try_take().unwrap(), None);
        // SAFETY: the child calls nothing that needs a lock that another thread may have held.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            end_soon();
            let state = deadman.state().unwrap();
            let sound = state.taken
                && !state.is_owner
                && state.owner == before.owner
                && matches!(deadman.release(), Err(Error::NotOwner { .. }))
                && deadman.try_take().unwrap().is_none()
                && other.try_take().unwrap().is_none();
            drop((deadman, unused, other));
            // SAFETY: ends the child without running anything of the test's.
            unsafe { libc::_exit(i32::from(!sound)) };
        }
        let mut status = 0;
        // SAFETY: waits for the child just made and stores into a local.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child found something wrong");
        assert_eq!(deadman.state().unwrap(), before);
        deadman.release().unwrap();

        // What the child inherits it can take when it is free; and its death is its own.
        // SAFETY: as above.
        let child = unsafe { libc::fork() };
        if child == 0 {
            end_soon();
            let taken = deadman.try_take().unwrap().is_some() && deadman.state().unwrap().is_owner;
            // SAFETY: as above.
            unsafe { libc::_exit(i32::from(!taken)) };
        }
        // SAFETY: as above.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child could not take it");
        assert_eq!(deadman.try_take().unwrap(), Some(after_death(3)));
    });
}

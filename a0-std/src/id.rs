//! Fresh packet ids.

use std::cell::RefCell;

use a0_core::Id;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

struct Generator {
    /// In which process it was seeded: a forked child must not repeat its parent's ids. Not the thread's id, which a child
    /// can have, too, in a PID namespace of its own.
    forks: u32,
    random: Xoshiro256PlusPlus,
}

thread_local! {
    static GENERATOR: RefCell<Option<Generator>> = const { RefCell::new(None) };
}

/// A new random id, unlike any other on this machine or elsewhere.
///
/// ```
/// assert_ne!(a0_std::random_id(), a0_std::random_id());
/// ```
pub fn random_id() -> Id {
    let forks = a0_linux::fork_count();
    GENERATOR.with_borrow_mut(|generator| {
        let generator = match generator {
            Some(ours) if ours.forks == forks => ours,
            stale => stale.insert(Generator { forks, random: Xoshiro256PlusPlus::from_seed(a0_linux::random_seed()) }),
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&generator.random.next_u64().to_le_bytes());
        bytes[8..].copy_from_slice(&generator.random.next_u64().to_le_bytes());
        Id::from_random_bytes(bytes)
    })
}

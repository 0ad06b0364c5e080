//! Fresh packet ids.

use std::cell::RefCell;

use a0_core::Id;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

struct Generator {
    /// The thread that it was seeded in: a forked child has another id and must not repeat its parent's ids.
    thread: u32,
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
    let thread = a0_linux::thread_id();
    GENERATOR.with_borrow_mut(|generator| {
        let generator = match generator {
            Some(ours) if ours.thread == thread => ours,
            stale => stale.insert(Generator { thread, random: Xoshiro256PlusPlus::from_seed(a0_linux::random_seed()) }),
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&generator.random.next_u64().to_le_bytes());
        bytes[8..].copy_from_slice(&generator.random.next_u64().to_le_bytes());
        Id::from_random_bytes(bytes)
    })
}

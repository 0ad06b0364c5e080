//! Randomness from the kernel.

use rustix::rand::{GetRandomFlags, getrandom};

/// 32 unpredictable bytes, to seed a generator with.
///
/// Where the kernel has no randomness at all (a sandbox without the system call), the clock and the thread's id stand in, so
/// that two threads still differ.
pub fn random_seed() -> [u8; 32] {
    let mut seed = [0; 32];
    if getrandom(&mut seed, GetRandomFlags::empty()) != Ok(seed.len()) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        seed[..8].copy_from_slice(&now.tv_nsec.to_le_bytes());
        seed[8..16].copy_from_slice(&now.tv_sec.to_le_bytes());
        seed[16..20].copy_from_slice(&crate::thread_id().to_le_bytes());
        seed[20..24].copy_from_slice(&std::process::id().to_le_bytes());
    }
    seed
}

//! Threads on fixed cores.

use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// Number of the `index`-th core that the process could use at first; with fewer cores, of the last one.
///
/// # Errors
/// If the kernel does not say.
pub fn core(index: usize) -> Result<usize> {
    // Asked once: whoever is pinned sees one core only.
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    let cores = match CORES.get() {
        Some(cores) => cores,
        None => {
            let set = sched_getaffinity(None)?;
            CORES.get_or_init(|| (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
        }
    };
    cores.get(index).or(cores.last()).copied().ok_or_else(|| "no core to run on".into())
}

/// Ties the calling thread to a core.
///
/// # Errors
/// If the kernel refuses.
pub fn to(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

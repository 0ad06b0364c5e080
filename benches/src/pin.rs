//! Threads on fixed cores.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// Ties the calling thread to the `index`-th core that the process may use; with fewer cores, to the last one.
///
/// # Errors
/// If the kernel refuses.
pub fn to_core(index: usize) -> Result<()> {
    // The thread may be pinned already, so what it was allowed at the start is what counts.
    static ALLOWED: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    let allowed = match ALLOWED.get() {
        Some(allowed) => allowed,
        None => {
            let set = sched_getaffinity(None)?;
            ALLOWED.get_or_init(|| (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
        }
    };
    let core = allowed.get(index).or(allowed.last()).ok_or("no core to run on")?;
    let mut set = CpuSet::new();
    set.set(*core);
    Ok(sched_setaffinity(None, &set)?)
}

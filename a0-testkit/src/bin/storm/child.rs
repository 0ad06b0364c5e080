//! A process of the storm does what it is told.

use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::orders::{Job, Orders, Outcome};
use crate::stage::Stage;
use crate::stats::{Counter, Stats};
use crate::{bare, calls, lmdb, neighbour, nested, readers, writers};

pub(crate) fn run(orders: Orders) -> Outcome {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let stats = Stats::open(&orders.dir.join("stats"))?;
    let role = stats.role(orders.role);
    let ends = Instant::now() + Duration::from_secs(orders.life);
    let job = orders.job;
    for held in [Counter::Loans, Counter::InTransaction] {
        role.set(held, 0);
    }
    let stage = Stage { orders, role, stats, ends };
    match job {
        job if job.is_bare() => bare::run(&stage),
        Job::Publish => writers::publish(&stage),
        Job::Patch => writers::patch(&stage),
        Job::Sync => readers::sync(&stage),
        Job::InPlace => readers::in_place(&stage),
        Job::SyncZeroCopy => readers::sync_zero_copy(&stage),
        Job::Threaded => readers::threaded(&stage),
        Job::ZeroCopy => readers::zero_copy(&stage),
        Job::Serve => calls::serve(&stage),
        Job::Nest => nested::run(&stage),
        Job::Lmdb => lmdb::run(&stage),
        Job::Neighbour => neighbour::run(&stage),
        _ => calls::call(&stage),
    }
}

//! Small models of what happens at the same time, in every order that loom can think of.
//!
//! Each model exists twice: as it is, where loom must find nothing, and with one guard of the protocol taken away, where
//! loom must find something. Words that a model is not about always give their newest value, or loom would not come
//! to an end.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "for tests")]

mod foreign;
mod loom_mem;
mod reading;
mod sim_lock;
mod sleeping;
mod writing;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use a0_core::layout::page;
use a0_core::{Transport, Unshared};
use a0_testkit::{Guard, StoreLog, Tamper};

use loom_mem::LoomMem;
use sim_lock::SimLock;

type Topic = Transport<Tamper<LoomMem>, SimLock>;

/// The only frame of the small topics starts here.
const FRAME: u64 = 144;
const DATA: u64 = FRAME + 40;
/// One frame with 8 bytes fits, and nothing else.
const ONE_FRAME: usize = DATA as usize + 8;
const LONG: Duration = Duration::from_secs(3600);

/// Memory in which these have been published.
fn image(size: usize, data: &[[u8; 8]]) -> Vec<u8> {
    let log = StoreLog::new(&vec![0; size]);
    let topic = Transport::open(&log, Unshared).unwrap();
    for data in data {
        topic.lock(None).unwrap().push(data).unwrap();
    }
    log.bytes()
}

/// One thread's view.
fn open(mem: &LoomMem, lock: &SimLock, guard: Option<Guard>) -> Topic {
    Transport::open(Tamper::new(mem.clone(), guard), lock.clone()).unwrap()
}

fn push(topic: &Topic, data: [u8; 8]) -> u64 {
    topic.lock(None).unwrap().push(&data).unwrap()
}

/// The words that say whether there is something new.
fn newest(offset: u64) -> bool {
    [page::seq_high(0), page::seq_high(1)].map(|f| f.offset()).contains(&offset)
}

/// Whether loom finds nothing wrong with this model. `preemptions` bounds how often a thread is interrupted.
fn holds(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    explore(preemptions, None, model);
}

/// As [`holds`], but gives up after some time.
fn explore(preemptions: usize, at_most: Option<Duration>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.max_duration = at_most;
    builder.checkpoint_interval = 1000;
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        model();
    });
    println!("{runs:?} executions");
}

#[track_caller]
fn fails(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let found = catch_unwind(AssertUnwindSafe(|| holds(preemptions, model)));
    assert!(found.is_err(), "a guard is missing, and nothing was noticed");
}

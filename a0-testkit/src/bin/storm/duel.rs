//! Writers that halt at an exact instruction and are killed there, on a topic where nobody else does anything: what they
//! have committed must reach everybody, what they have not must reach nobody, and the next one must get on.

use std::io::Write;
use std::sync::PoisonError;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use crate::cast::Actor;
use crate::halt::Halt;
use crate::orders::{Job, Outcome};
use crate::stats::Counter;
use crate::world::{Kill, Part, Set, World};

/// Longest wait of a halted writer for its end.
const HALTED: Duration = Duration::from_millis(20);

pub(crate) fn run(world: &World<'_>, set: &Set) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(world.options.seed);
    while !world.is_over() {
        if let Err(error) = round(world, set, &mut random) {
            return world.violation(error.to_string());
        }
    }
}

fn round(world: &World<'_>, set: &Set, random: &mut Xoshiro256PlusPlus) -> Outcome {
    let halts = Halt::value_variants();
    let halt = halts[random.next_u32() as usize % halts.len()];
    let actor = Actor { job: Job::Write, foreign: false };
    let part = Part { actor, role: set.first_crew, seed: random.next_u64(), steady: false, halt: Some(halt) };
    let victim = world.start(&set.scene, part)?;
    if !victim.stops(world.patience()) {
        return Err(format!("{}: a writer does not come to {halt:?}", set.scene.name).into());
    }
    let holder = set.files[0].header().lock_owner;
    if holder.is_some_and(|holder| victim.has_thread(holder)) != (halt != Halt::BeforeWake)
        && world.options.without.is_none()
    {
        world.violation(format!("{}: at {halt:?} the owner in the lock word is {holder:?}", set.scene.name));
    }
    sleep(HALTED.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX)));
    world.kill(set, part, Kill::At(halt), victim);
    all_arrives(world, set, set.files[0].state()?.seq_high, &format!("published by a writer that died at {halt:?}"));

    let next = set.files[0].state()?.seq_high + 1;
    prompt(set)?;
    if !soon(world, || set.files[0].state().is_ok_and(|state| state.seq_high >= next)) {
        world.violation(format!("{}: nobody can publish behind a writer that died at {halt:?}", set.scene.name));
    }
    all_arrives(world, set, next, &format!("published behind a writer that died at {halt:?}"));
    world.verify(set);
    Ok(())
}

/// Has the steady writer publish a message.
fn prompt(set: &Set) -> Outcome {
    for (actor, _, process) in &set.steady {
        if actor.job == Job::Prompted {
            let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
            process.child.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(b"\n"))?;
        }
    }
    Ok(())
}

/// Waits until every steady reader has this message.
fn all_arrives(world: &World<'_>, set: &Set, seq: u64, what: &str) {
    let started = Instant::now();
    for (actor, role) in set.readers() {
        if !soon(world, || role.get(Counter::LastSeq) >= seq) {
            world.violation(format!("{}: lost wake-up: {actor} sleeps on a message {what}", set.scene.name));
        }
    }
    let mut book = world.book();
    book.longest_recovery = book.longest_recovery.max(started.elapsed());
}

/// Whether it happens before patience ends.
fn soon(world: &World<'_>, mut happens: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !happens() {
        if started.elapsed() > world.patience() {
            return false;
        }
        sleep(Duration::from_micros(100));
    }
    true
}

//! Starts the processes of a crew, one after the other, and kills each at a chosen moment.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rustix::process::Signal;

use crate::cast::Actor;
use crate::orders::{Job, Outcome};
use crate::world::{Kill, Part, Process, Set, World};

/// Longest life of a victim, and of one that serves calls; those of 0.3 begin more slowly and count less often.
const LIFE: Duration = Duration::from_millis(15);
const SERVICE: Duration = Duration::from_millis(60);
const FOREIGN_SERVICE: Duration = Duration::from_millis(500);

/// How long a victim is watched for the right moment.
const WATCH: Duration = Duration::from_millis(30);

/// Longest time for which the lock stays with a stopped victim.
const HOLD: Duration = Duration::from_millis(10);

pub(crate) fn run(world: &World<'_>, set: &Set, crew: usize) {
    let role = set.first_crew + 2 * crew as u64;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(world.options.seed ^ (role + 1) << 32);
    let actors = &set.scene.crews[crew];
    while !world.is_over() {
        let actor = actors[random.next_u32() as usize % actors.len()];
        if let Err(error) = strike(world, set, actor, role + u64::from(actor.foreign), &mut random) {
            world.failed(actor, &error.to_string());
            // Whatever it is, it is not to be repeated without end.
            sleep(HOLD);
        }
    }
}

fn strike(world: &World<'_>, set: &Set, actor: Actor, role: u64, random: &mut Xoshiro256PlusPlus) -> Outcome {
    let part = Part { actor, role, seed: random.next_u64(), steady: false, halt: None };
    let victim = world.start(&set.scene, part)?;
    let kill = moment(world, set, actor, &victim, random);
    world.kill(set, part, kill, victim);
    Ok(())
}

/// Waits for the moment at which to kill.
fn moment(world: &World<'_>, set: &Set, actor: Actor, victim: &Process, random: &mut Xoshiro256PlusPlus) -> Kill {
    let mut at_most = |limit: Duration| limit.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX));
    let (choice, life) = (at_most(Duration::from_nanos(4)).as_nanos(), at_most(LIFE));
    match (actor.job, choice) {
        (job, 0 | 1) if job.holds_the_lock() && catch(world, set, victim) => {
            sleep(at_most(HOLD));
            return Kill::Holding;
        }
        (Job::Write | Job::Publish, 2) => {
            let file = world.file(set);
            let published = || file.as_ref().and_then(|file| file.state().ok()).map_or(0, |state| state.seq_high);
            let (before, started) = (published(), Instant::now());
            while published() == before && started.elapsed() < WATCH {
                std::hint::spin_loop();
            }
            return Kill::BehindPublish;
        }
        (Job::Serve, _) => sleep(at_most(if actor.foreign { FOREIGN_SERVICE } else { SERVICE })),
        _ => sleep(life),
    }
    if actor.job.reads() && victim.state() == Some('S') { Kill::Asleep } else { Kill::Random }
}

/// Stops the victim while it holds the lock; whether that has succeeded.
fn catch(world: &World<'_>, set: &Set, victim: &Process) -> bool {
    let Some(file) = world.file(set) else { return false };
    let has_it = || file.header().lock_owner.is_some_and(|owner| victim.has_thread(owner));
    let started = Instant::now();
    while started.elapsed() < WATCH {
        if !has_it() {
            continue;
        }
        victim.signal(Signal::STOP);
        if victim.stops(WATCH) && has_it() {
            return true;
        }
        victim.signal(Signal::CONT);
    }
    false
}

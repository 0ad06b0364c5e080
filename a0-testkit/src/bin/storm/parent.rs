//! Sets everything up, watches for standstill, and sees everybody off.

use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use crate::cast::{self, Actor, DUEL};
use crate::options::Options;
use crate::orders::{Job, Outcome};
use crate::stats::{Counter, Phase};
use crate::table;
use crate::world::{Part, Process, Set, World};
use crate::{crew, duel, removal};

/// Unless the options say otherwise.
const SECONDS: u64 = 20;

/// Between two looks at everybody's progress.
const SAMPLE: Duration = Duration::from_millis(20);

/// Plays the storm; whether nothing was wrong.
pub(crate) fn run(options: &Options) -> Outcome<bool> {
    let dir = tempfile::Builder::new().prefix("a0-storm.").tempdir_in("/dev/shm")?;
    let world = World::new(options, dir.path())?;
    let mut next_role = 0;
    let mut sets = vec![];
    for scene in cast::scenes(options) {
        sets.push(world.open(scene, &mut next_role)?);
    }
    if sets.is_empty() {
        return Err("no such scene".into());
    }
    thread::scope(|scope| {
        for set in &sets {
            for crew in 0..set.scene.crews.len() {
                let world = &world;
                scope.spawn(move || crew::run(world, set, crew));
            }
            if set.scene.name == DUEL {
                scope.spawn(|| duel::run(&world, set));
            }
            if set.scene.removed {
                scope.spawn(|| removal::run(&world, set));
            }
        }
        watch(&world, &sets);
        world.end();
    });
    let seconds = world.started.elapsed().as_secs_f64();
    let _servers = last_servers(&world, &sets)?;
    dismiss(&world, &sets);
    table::judge(&world, &sets);
    Ok(table::print(&world, &sets, next_role, seconds))
}

/// Looks at the progress of the steady processes until it is time to end.
fn watch(world: &World<'_>, sets: &[Set]) {
    let limit = world.options.seconds.or(world.options.kills.is_none().then_some(SECONDS)).map(Duration::from_secs);
    // What starting everybody takes does not count.
    let begun = Instant::now();
    let is_over = || {
        limit.is_some_and(|limit| begun.elapsed() > limit)
            || world.options.kills.is_some_and(|kills| world.kills() >= kills)
    };
    // Per reader: the last message that it has, and for how long it has had newer ones before it.
    let mut readers: Vec<Vec<(u64, Duration)>> =
        sets.iter().map(|set| vec![(0, Duration::ZERO); set.readers().count()]).collect();
    while !is_over() {
        let before = Instant::now();
        thread::sleep(SAMPLE);
        // A machine that does not even let this process run in time says nothing about the others.
        let passed = before.elapsed().min(2 * SAMPLE);
        for (set, readers) in sets.iter().zip(&mut readers) {
            let newest = set.files[0].state().map_or(0, |state| state.seq_high);
            for ((actor, role), (last, still)) in set.readers().zip(readers) {
                // Numbers that begin anew say nothing, but somebody publishes all the time.
                let removed = set.scene.removed;
                let now = role.get(if removed { Counter::Messages } else { Counter::LastSeq });
                *still = if now == *last && (now < newest || removed) { *still + passed } else { Duration::ZERO };
                *last = now;
                if *still > world.patience() {
                    world.violation(format!("{}: {actor} stands still before messages", set.scene.name));
                    *still = Duration::ZERO;
                }
            }
            for (actor, role, _) in set.steady.iter().filter(|(actor, ..)| !actor.foreign) {
                if role.busy_for() > world.patience() {
                    world.violation(format!("{}: {actor} hangs in a publish", set.scene.name));
                }
            }
        }
    }
}

/// Calls that nobody was there to answer wait for the next server: the last ones must find one, too.
fn last_servers(world: &World<'_>, sets: &[Set]) -> Outcome<Vec<Process>> {
    let server = Actor { job: Job::Serve, foreign: false };
    let served = sets.iter().filter(|set| set.scene.crews.iter().flatten().any(|actor| *actor == server));
    let part = |set: &Set| Part { actor: server, role: set.first_crew, seed: 0, steady: true, halt: None };
    served.map(|set| world.start(&set.scene, part(set))).collect()
}

/// Tells the steady processes to leave, writers first, so that readers can read everything.
fn dismiss(world: &World<'_>, sets: &[Set]) {
    for (phase, reads) in [(Phase::WritersStop, false), (Phase::ReadersStop, true)] {
        world.stats.set_phase(phase);
        for set in sets {
            for (actor, _, process) in set.steady.iter().filter(|(actor, ..)| actor.job.reads() == reads) {
                let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
                if !process.leaves(2 * world.patience()) {
                    world.failed(
                        *actor,
                        &format!("{}: {actor} does not leave when told to, or not well", set.scene.name),
                    );
                }
            }
            if reads {
                account(world, set);
            } else {
                settle(world, set);
            }
        }
    }
}

/// Clears away what a dead writer left behind, if nobody came after it; then everything must be sound.
fn settle(world: &World<'_>, set: &Set) {
    if set.scene.removed {
        removal::all_arrive(world, set);
    }
    for topic in &set.topics {
        if let Err(error) = topic.lock(Some(world.patience())) {
            world.violation(format!("{}: nobody gets the lock any more: {error}", set.scene.name));
        }
    }
    if world.options.without.is_none() {
        world.verify(set);
    }
}

/// Every message must have been received or be known to be missed, by every steady reader.
fn account(world: &World<'_>, set: &Set) {
    let Ok(state) = set.files[0].state() else { return };
    // What those missed who came to a file too late, nobody knows.
    if set.scene.removed {
        return;
    }
    for (actor, role) in set.readers() {
        let [messages, missed] = [Counter::Messages, Counter::Missed].map(|counter| role.get(counter));
        if messages + missed != state.seq_high {
            world.violation(format!(
                "{}: {actor} received {messages} and missed {missed} messages of {}",
                set.scene.name, state.seq_high
            ));
        }
    }
}

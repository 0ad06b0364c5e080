//! Removes a topic's file, again and again, while everybody uses it: who publishes must come back by himself, and who
//! reads must go on with what is published then, which is numbered anew.

use std::io::ErrorKind;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use crate::orders::{Job, Outcome};
use crate::place;
use crate::stats::Counter;
use crate::world::{Set, World};

/// Longest life of a file that is published on.
const LIFE: Duration = Duration::from_millis(400);

/// Of so many removals, a publisher may be told of one. It goes on with 16 new files before it gives up, and is told, too, when
/// the new file is removed before it has written to it, which is more frequent the busier the machine is. One that does not
/// come back by itself is told of each.
const TOLD_OF_ONE_IN: u64 = 4;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

pub(crate) fn run(world: &World<'_>, set: &Set) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(world.options.seed);
    while !world.is_over() {
        sleep(LIFE.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX)));
        if let Err(error) = remove(world, set) {
            return world.violation(error.to_string());
        }
        // Now and then again before anybody can have noticed.
        if random.next_u32() % 4 > 0 {
            comes_back(world, set);
        }
    }
    comes_back(world, set);
}

fn remove(world: &World<'_>, set: &Set) -> Outcome {
    match std::fs::remove_file(place::file(world.dir, set.scene.name, set.scene.protocols[0])) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => {
            removed?;
            world.book().removals += 1;
            Ok(())
        }
    }
}

/// Waits until somebody publishes on a new file.
fn comes_back(world: &World<'_>, set: &Set) {
    let started = Instant::now();
    while newest(world, set) == 0 {
        if started.elapsed() > world.patience() {
            return world.violation(format!("{}: nobody publishes where the file was removed", set.scene.name));
        }
        sleep(LOOK);
    }
    let mut book = world.book();
    book.longest_return = book.longest_return.max(started.elapsed());
}

/// The last message of the file that is there now, 0 without one.
fn newest(world: &World<'_>, set: &Set) -> u64 {
    let file = world.file(set);
    file.and_then(|file| file.state().ok()).map_or(0, |state| state.seq_high)
}

/// Waits, when nothing is published any more, until every steady reader has come to the end of the last file; and looks how
/// often publishers were told of a removal instead of coming back by themselves, as they do so many times.
pub(crate) fn all_arrive(world: &World<'_>, set: &Set) {
    let most = world.book().removals / TOLD_OF_ONE_IN;
    for (actor, role, _) in set.steady.iter().filter(|(actor, ..)| actor.job == Job::Publish) {
        if role.get(Counter::Removed) > most {
            world.violation(format!("{}: {actor} does not come back by itself", set.scene.name));
        }
    }
    let (started, end) = (Instant::now(), newest(world, set));
    for (actor, role) in set.readers() {
        while role.get(Counter::LastSeq) != end {
            if started.elapsed() > world.patience() {
                world.violation(format!(
                    "{}: {actor} is at message {} of a removed file, and not at {end} of the one that is there",
                    set.scene.name,
                    role.get(Counter::LastSeq)
                ));
                break;
            }
            sleep(LOOK);
        }
    }
}

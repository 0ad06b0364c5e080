//! What has come of it: violations, and the table.

use std::fmt::Display;

use crate::cast::Actor;
use crate::stats::{Counter, Role};
use crate::world::{Kill, Set, World};

/// Counters that must be zero, and what they mean.
const NEVER: [(Counter, &str); 9] = [
    (Counter::Corrupt, "corrupt messages were delivered"),
    (Counter::Uncommitted, "uncommitted messages were delivered"),
    (Counter::Contradicted, "two readers got different messages under one number"),
    (Counter::Disorder, "messages were out of order or not accounted for"),
    (Counter::LockErrors, "locks were not to be had"),
    (Counter::WrongReplies, "calls got wrong replies"),
    (Counter::WrongErrors, "calls failed for no reason"),
    (Counter::LostPatches, "patches were lost"),
    (Counter::Damaged, "readers found damage"),
];

/// All roles of a scene, and whether they are those of 0.3 programs.
fn roles(world: &World<'_>, set: &Set) -> Vec<(bool, Role)> {
    let steady = set.steady.iter().map(|(actor, role, _)| (actor.foreign, role.clone()));
    let crews = (0..2 * set.scene.crews.len().max(1) as u64)
        .map(|crew| (crew % 2 == 1, world.stats.role(set.first_crew + crew)));
    // Halting writers have one role, and no 0.3 program beside them.
    steady.chain(crews.take(if set.scene.crews.is_empty() { 1 } else { usize::MAX })).collect()
}

/// Turns what our programs have counted into violations.
pub(crate) fn judge(world: &World<'_>, sets: &[Set]) {
    for set in sets {
        let ours: Vec<Role> =
            roles(world, set).into_iter().filter(|(foreign, _)| !foreign).map(|(_, role)| role).collect();
        let sum = |counter| ours.iter().map(|role| role.get(counter)).sum::<u64>();
        for (counter, what) in NEVER {
            let excused = matches!(counter, Counter::Damaged) && set.scene.has_foreign_writers();
            let count = sum(counter);
            if count > 0 && !excused {
                world.book().violations.insert(format!("{}: {what}", set.scene.name), count);
            }
        }
        let timed_out = sum(Counter::TimedOut);
        if timed_out > 0 && !set.scene.has_foreign_users() {
            world.book().violations.insert(format!("{}: calls hung", set.scene.name), timed_out);
        }
    }
}

/// One row.
fn row(label: impl Display, value: impl Display) {
    println!("{label:<58} {value:>12}");
}

/// Prints everything; whether nothing was wrong.
pub(crate) fn print(world: &World<'_>, sets: &[Set], roles_used: u64, seconds: f64) -> bool {
    let all: Vec<(bool, Role)> = sets.iter().flat_map(|set| roles(world, set)).collect();
    let over = |foreign: bool, counter| {
        all.iter().filter(move |(is, _)| *is == foreign).map(move |(_, role)| role.get(counter))
    };
    let sum = |foreign, counter| over(foreign, counter).sum::<u64>();
    let longest = |counter| over(false, counter).max().unwrap_or(0);
    let book = world.book();

    let scenes: Vec<&str> = sets.iter().map(|set| set.scene.name).collect();
    println!(
        "storm with seed {}, {seconds:.1} s, {roles_used} roles, scenes {}",
        world.options.seed,
        scenes.join(", ")
    );
    for ((actor, kill), count) in &book.kills {
        row(victim(*actor, *kill), count);
    }
    let count = |wanted: fn(Kill) -> bool| {
        book.kills.iter().filter(|((_, kill), _)| wanted(*kill)).map(|(_, n)| n).sum::<u64>()
    };
    row("kills", world.kills());
    row(
        "kills of programs built on 0.3",
        book.kills.iter().filter(|((actor, _), _)| actor.foreign).map(|(_, n)| n).sum::<u64>(),
    );
    row("kills while the lock was certainly held", count(holds));
    row("kills inside loans of several topics", book.nested);
    row("kills inside LMDB transactions", book.in_transactions);
    row("locks taken over from the dead (seen by the bare programs)", sum(false, Counter::Recovered));
    println!();
    row("messages delivered to steady readers", over_readers(sets, Counter::Messages));
    row("messages missed, all of them reported", over_readers(sets, Counter::Missed));
    row("corrupt messages delivered", sum(false, Counter::Corrupt));
    row("uncommitted messages delivered", sum(false, Counter::Uncommitted) + sum(false, Counter::Contradicted));
    row("messages out of order or not accounted for", sum(false, Counter::Disorder));
    row("longest publish, ms", longest(Counter::LongestPublish) / 1000);
    row("publishes above 1 s", sum(false, Counter::SlowPublishes));
    row("loans that would have waited for each other, refused", sum(false, Counter::Refused));
    row("LMDB transactions", sum(false, Counter::Transactions));
    row("longest wake-up, ms", longest(Counter::LongestWake) / 1000);
    row("wake-ups above 1 s", sum(false, Counter::SlowWakes));
    row("longest until everybody had all of a dead writer, ms", book.longest_recovery.as_millis());
    row("longest start of a program, ms", book.longest_start.as_millis());
    row("files removed", book.removals);
    row("times that somebody noticed, and went on", sum(false, Counter::Removed));
    row("longest until a removed topic was published on, ms", book.longest_return.as_millis());
    row("locks not to be had", sum(false, Counter::LockErrors));
    row("reads given up by read-only readers, and tried again", sum(false, Counter::Contended));
    row("topics verified", book.verified);
    println!();
    row("calls with the right reply", sum(false, Counter::Answered));
    row("calls that failed: server gone", sum(false, Counter::ServerGone));
    row("calls that failed: request overwritten", sum(false, Counter::RequestLost));
    row("calls that failed: reply overwritten", sum(false, Counter::ReplyLost));
    row("calls that failed: wrong error", sum(false, Counter::WrongErrors));
    row("calls with a wrong reply", sum(false, Counter::WrongReplies));
    let timed_out = |foreign| {
        let sets = sets.iter().filter(|set| set.scene.has_foreign_users() == foreign);
        let ours = sets.flat_map(|set| roles(world, set)).filter(|(foreign, _)| !foreign);
        ours.map(|(_, role)| role.get(Counter::TimedOut)).sum::<u64>()
    };
    row("calls without an end in time", timed_out(false));
    row("patches", sum(false, Counter::Patches));
    row("patches lost", sum(false, Counter::LostPatches));
    if world.options.python.is_some() {
        println!();
        row("0.3: messages delivered", sum(true, Counter::Messages));
        row("0.3: corrupt messages delivered", sum(true, Counter::Corrupt));
        row("0.3: uncommitted messages delivered", sum(true, Counter::Uncommitted));
        row("0.3: calls with the right reply", sum(true, Counter::Answered));
        row("0.3: our calls that timed out because a server died", timed_out(true));
        row("0.3: programs that crashed or hung", book.foreign_failures);
        row("damage by 0.3 writers, passed over by our readers", sum(false, Counter::Damaged));
        row("damage by 0.3 writers, found by verify", book.foreign_problems);
    }
    println!();
    for (what, count) in &book.violations {
        println!("VIOLATION ({count}) {what}");
    }
    row("violations", book.violations.len());
    book.violations.is_empty()
}

/// What our steady readers have counted.
fn over_readers(sets: &[Set], counter: Counter) -> u64 {
    sets.iter().flat_map(Set::readers).map(|(_, role)| role.get(counter)).sum()
}

fn holds(kill: Kill) -> bool {
    use crate::halt::Halt;
    matches!(kill, Kill::Holding | Kill::At(Halt::InPayload | Halt::BeforeCommit | Halt::BeforeUnlock))
}

fn victim(actor: Actor, kill: Kill) -> String {
    let how = match kill {
        Kill::Random => "at a random instant".to_owned(),
        Kill::BehindPublish => "right behind a publish".to_owned(),
        Kill::Asleep => "asleep".to_owned(),
        Kill::Holding => "stopped while it held the lock".to_owned(),
        Kill::At(halt) => format!("halted {}", crate::orders::name(halt).replace('-', " ")),
    };
    format!("  {actor}, {how}")
}

//! Starts the processes, kills writers, watches for standstill, adds up.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use a0_core::Transport;
use a0_linux::{FileOptions, RobustLock, TopicFile};
use clap::ValueEnum;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use crate::Options;
use crate::child::Job;
use crate::stats::{Counter, Phase, Role, Stats};
use crate::tamper::Tamper;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Longest life of a writer that is to be killed.
const LONGEST_LIFE: Duration = Duration::from_millis(20);

/// Nobody may stand still for longer.
const STANDSTILL: Duration = Duration::from_secs(1);

/// Between two looks at everybody's progress.
const SAMPLE: Duration = Duration::from_millis(20);

/// The role of the writer that is never killed; the readers come behind it, and the killed writers behind those.
const SURVIVOR: u64 = 0;

pub(crate) fn run(options: &Options) -> Result<bool> {
    let dir = tempfile::Builder::new().prefix("a0-torture.").tempdir_in("/dev/shm")?;
    let dir = dir.path();
    let stats = Stats::open(&dir.join("stats"))?;
    let (_file, mem) = TopicFile::open(&dir.join("topic"), &FileOptions::default().size(options.arena))?;
    let topic = Transport::open(mem, RobustLock)?;
    let started = Instant::now();
    let ends = started + Duration::from_secs(options.seconds);

    let readers: Vec<Job> = Job::READERS.iter().copied().cycle().take(options.readers as usize).collect();
    // Readers first: they begin with the very first message, so that they have to account for all.
    let mut reading = Vec::new();
    for (job, role) in readers.iter().zip(1..) {
        reading.push(spawn(options, dir, *job, role, options.seed)?);
    }
    let mut survivor = spawn(options, dir, Job::Write, SURVIVOR, options.seed)?;

    let (kills, crashes) = (AtomicU64::new(0), AtomicU64::new(0));
    let first_killed = 1 + options.readers;
    let standstill = thread::scope(|scope| {
        for role in first_killed..first_killed + options.writers {
            let (kills, crashes) = (&kills, &crashes);
            scope.spawn(move || {
                let mut random = Xoshiro256PlusPlus::seed_from_u64(options.seed ^ role << 32);
                while Instant::now() < ends {
                    let Ok(mut writer) = spawn(options, dir, Job::Write, role, random.next_u64()) else {
                        crashes.fetch_add(1, Ordering::Relaxed);
                        return;
                    };
                    thread::sleep(LONGEST_LIFE.mul_f64((random.next_u64() % 1000) as f64 / 1000.0));
                    let crashed = !matches!(writer.try_wait(), Ok(None));
                    (if crashed { crashes } else { kills }).fetch_add(1, Ordering::Relaxed);
                    end(&mut writer);
                }
            });
        }
        watch(&stats, 1 + options.readers, ends)
    });

    stats.set_phase(Phase::WritersStop);
    let mut crashed = crashes.into_inner() + u64::from(!leaves(&mut survivor));
    stats.set_phase(Phase::ReadersStop);
    crashed += reading.iter_mut().map(|reader| u64::from(!leaves(reader))).sum::<u64>();

    // What a dead writer left behind is cleared away here, if nobody came after it.
    let last = topic.lock(Some(STANDSTILL)).map(|locked| locked.committed().seq_high);
    let last = last.unwrap_or_else(|_| topic.state().map_or(0, |state| state.seq_high));
    let all: Vec<Role<'_>> = (0..first_killed + options.writers).map(|role| stats.role(role)).collect();
    let sum = |counter| all.iter().map(|role| role.get(counter)).sum::<u64>();
    for (job, role) in readers.iter().zip(&all[1..]) {
        println!(
            "{job:?}: received {} missed {} corrupt {}",
            role.get(Counter::Messages),
            role.get(Counter::Missed),
            role.get(Counter::Corrupt)
        );
    }
    let unaccounted: u64 = all[1..first_killed as usize]
        .iter()
        .map(|role| last.abs_diff(role.get(Counter::Messages) + role.get(Counter::Missed)))
        .sum();
    let longest = all[0].get(Counter::LongestMicros);
    let too_long = u64::from(Duration::from_micros(longest) > STANDSTILL);
    println!("published {last}, longest publish of the survivor {longest} µs, {:.1?}", started.elapsed());
    println!("contended {}", sum(Counter::Contended));
    println!("kills {}", kills.into_inner());
    println!("recovered {}", sum(Counter::Recovered));
    let bad = [
        ("corrupt", sum(Counter::Corrupt)),
        ("disorder", sum(Counter::Disorder)),
        ("damaged", sum(Counter::Damaged)),
        ("unaccounted", unaccounted),
        ("lock errors", sum(Counter::LockErrors)),
        ("standstill", standstill + too_long),
        ("crashed", crashed),
    ];
    for (what, count) in bad {
        println!("{what} {count}");
    }
    Ok(bad.iter().all(|(_, count)| *count == 0))
}

/// Starts a process and waits until it is at work.
fn spawn(options: &Options, dir: &Path, job: Job, role: u64, seed: u64) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--seconds", &options.seconds.to_string(), "--role", &role.to_string()]);
    command.args(["--seed", &seed.to_string()]).arg("--dir").arg(dir);
    command.arg("--job").arg(name(job));
    let concerned = if job == Job::Write { Tamper::is_for_writers } else { Tamper::is_for_readers };
    if let Some(tamper) = options.tamper.filter(|tamper| concerned(*tamper)) {
        command.arg("--tamper").arg(name(tamper));
    }
    let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
    let mut ready = [0];
    match child.stdout.take().map(|mut stdout| stdout.read_exact(&mut ready)) {
        Some(Ok(())) => Ok(child),
        _ => {
            end(&mut child);
            Err(format!("{job:?} did not start").into())
        }
    }
}

/// A value as it is written on the command line.
fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn end(child: &mut Child) {
    // Fails only for a process that has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Looks at the progress of the steady processes until the end; how often somebody stood still.
fn watch(stats: &Stats, steady: u64, ends: Instant) -> u64 {
    let mut last: Vec<(u64, Duration)> = vec![(0, Duration::ZERO); steady as usize];
    let mut standstill = 0;
    while Instant::now() < ends {
        let before = Instant::now();
        thread::sleep(SAMPLE);
        // A machine that does not even let this process run in time says nothing about the others.
        let passed = before.elapsed().min(2 * SAMPLE);
        for (role, (messages, still)) in last.iter_mut().enumerate() {
            let now = stats.role(role as u64).get(Counter::Messages);
            *still = if now == *messages { *still + passed } else { Duration::ZERO };
            *messages = now;
            if *still > STANDSTILL {
                standstill += 1;
                *still = Duration::ZERO;
            }
        }
    }
    standstill
}

/// Whether the process ends by itself, soon and well.
fn leaves(child: &mut Child) -> bool {
    let started = Instant::now();
    while started.elapsed() < 5 * STANDSTILL {
        if let Ok(Some(status)) = child.try_wait() {
            return status.success();
        }
        thread::sleep(SAMPLE);
    }
    end(child);
    false
}

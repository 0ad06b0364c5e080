//! The parent's view: the processes that it starts, and the book that it keeps.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use a0_core::{RawMem, Transport};
use a0_linux::{FileError, FileOptions, Mapping, RobustLock, TopicFile};
use a0_std::{Error, File};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::cast::{Actor, Scene};
use crate::halt::Halt;
use crate::options::Options;
use crate::orders::{Orders, Outcome};
use crate::place;
use crate::stage::existing;
use crate::stats::{Counter, Role, Stats};
use crate::tamper::{is_for_readers, is_for_writers};

/// Behind so many kills a large topic is verified, a smaller one behind every kill.
const VERIFY_LARGE: u64 = 8;
const LARGE: u64 = 4 << 20;

/// How somebody was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kill {
    /// At a random instant.
    Random,
    /// Right behind a publish.
    BehindPublish,
    /// Asleep.
    Asleep,
    /// Stopped while it held the lock, then killed.
    Holding,
    /// At this instruction.
    At(Halt),
}

/// What has happened.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) kills: BTreeMap<(Actor, Kill), u64>,
    /// What is wrong, and how often.
    pub(crate) violations: BTreeMap<String, u64>,
    pub(crate) verified: u64,
    /// Problems on topics with 0.3 writers.
    pub(crate) foreign_problems: u64,
    /// 0.3 programs that ended by themselves, or did not end when told to.
    pub(crate) foreign_failures: u64,
    /// Kills of somebody with more than one loan, and of somebody in an LMDB transaction.
    pub(crate) nested: u64,
    pub(crate) in_transactions: u64,
    /// Files removed.
    pub(crate) removals: u64,
    /// The longest time until a removed topic was published on again.
    pub(crate) longest_return: Duration,
    /// The longest time until one of our programs was at work.
    pub(crate) longest_start: Duration,
    /// The longest time until everybody had the last message of a dead writer, or the next one.
    pub(crate) longest_recovery: Duration,
}

/// Everything that the parent's threads share.
pub(crate) struct World<'a> {
    pub(crate) options: &'a Options,
    pub(crate) dir: &'a Path,
    pub(crate) stats: Stats,
    pub(crate) started: Instant,
    over: AtomicBool,
    kills: AtomicU64,
    book: Mutex<Book>,
}

/// A process; killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
}

/// A scene with its topics open, and the roles in it.
pub(crate) struct Set {
    pub(crate) scene: Scene,
    pub(crate) files: Vec<File>,
    /// The same, to be locked.
    pub(crate) topics: Vec<Transport<RawMem<Mapping>, RobustLock>>,
    pub(crate) steady: Vec<(Actor, Role, Mutex<Process>)>,
    /// The first role of the crews: one for our programs and one for 0.3 programs each.
    pub(crate) first_crew: u64,
}

/// Who is started how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) actor: Actor,
    pub(crate) role: u64,
    pub(crate) seed: u64,
    pub(crate) steady: bool,
    pub(crate) halt: Option<Halt>,
}

impl<'a> World<'a> {
    pub(crate) fn new(options: &'a Options, dir: &'a Path) -> Outcome<World<'a>> {
        Ok(World {
            options,
            dir,
            stats: Stats::open(&dir.join("stats"))?,
            started: Instant::now(),
            over: AtomicBool::new(false),
            kills: AtomicU64::new(0),
            book: Mutex::default(),
        })
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn violation(&self, what: String) {
        *self.book().violations.entry(what).or_default() += 1;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn kills(&self) -> u64 {
        self.kills.load(Ordering::Relaxed)
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.options.patience)
    }

    /// Kills a process, and verifies its topic.
    pub(crate) fn kill(&self, set: &Set, Part { actor, role, .. }: Part, kill: Kill, mut victim: Process) {
        if let Ok(Some(status)) = victim.child.try_wait() {
            return self.failed(actor, &format!("{}: {actor} ended by itself: {status}", set.scene.name));
        }
        drop(victim);
        let held = |counter| self.stats.role(role).get(counter);
        self.book().nested += u64::from(held(Counter::Loans) > 1);
        self.book().in_transactions += held(Counter::InTransaction);
        *self.book().kills.entry((actor, kill)).or_default() += 1;
        let kills = self.kills.fetch_add(1, Ordering::Relaxed);
        if set.scene.arena < LARGE || kills.is_multiple_of(VERIFY_LARGE) {
            self.verify(set);
        }
    }

    /// A process did not do what it should.
    pub(crate) fn failed(&self, actor: Actor, what: &str) {
        if actor.foreign {
            self.book().foreign_failures += 1;
        } else {
            self.violation(what.to_owned());
        }
    }

    /// The file of a scene's first topic; `None` where it is removed.
    pub(crate) fn file(&self, set: &Set) -> Option<File> {
        if !set.scene.removed {
            return Some(set.files[0].clone());
        }
        match File::open(set.files[0].path(), &existing()) {
            Ok(file) => Some(file),
            Err(Error::File(FileError::NotFound { .. })) => None,
            Err(error) => {
                self.violation(format!("{}: {error}", set.scene.name));
                None
            }
        }
    }

    /// What `a0 verify` looks at.
    pub(crate) fn verify(&self, set: &Set) {
        let files = if set.scene.removed { self.file(set).into_iter().collect() } else { set.files.clone() };
        for file in files {
            let mut first = None;
            let verified = file.verify(|problem| {
                first.get_or_insert_with(|| problem.to_string());
            });
            let problems = verified.map_or(1, |verified| verified.problems);
            self.book().verified += 1;
            if set.scene.has_foreign_writers() {
                self.book().foreign_problems += problems;
            } else if problems > 0 {
                let kind = if first.is_some_and(|first| first.contains("pages differ")) {
                    "its pages differ"
                } else {
                    "it is damaged"
                };
                self.violation(format!("{}: verify finds that {kind}", set.scene.name));
            }
        }
    }

    /// Opens a scene's topics and starts its steady processes, readers first: they account for every message.
    pub(crate) fn open(&self, scene: Scene, next_role: &mut u64) -> Outcome<Set> {
        let options = FileOptions::default().size(scene.arena);
        let open = |protocol: &_| File::open(place::file(self.dir, scene.name, *protocol), &options);
        let files = scene.protocols.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let topic = |file: &File| -> Result<_, Error> {
            let (_, mem) = TopicFile::open(file.path(), &options)?;
            Transport::open(mem, RobustLock).map_err(|cause| Error::Topic { path: file.path().to_owned(), cause })
        };
        let topics = files.iter().map(topic).collect::<Result<_, _>>()?;
        let mut set = Set { scene, files, topics, steady: vec![], first_crew: 0 };
        let mut actors = set.scene.steady.clone();
        actors.sort_by_key(|actor| !actor.job.reads());
        for actor in actors {
            let role = *next_role;
            *next_role += 1;
            let part = Part { actor, role, seed: self.options.seed << 8 ^ role, steady: true, halt: None };
            let process = self.start(&set.scene, part)?;
            set.steady.push((actor, self.stats.role(role), Mutex::new(process)));
        }
        set.first_crew = *next_role;
        *next_role += 2 * set.scene.crews.len() as u64 + u64::from(set.scene.crews.is_empty());
        Ok(set)
    }

    /// Starts a process and waits until it is at work.
    pub(crate) fn start(&self, scene: &Scene, part: Part) -> Outcome<Process> {
        let Part { actor, role, seed, steady, halt } = part;
        let patience = Timespec { tv_sec: self.options.patience.cast_signed(), tv_nsec: 0 };
        let foreign_servers = scene.has_foreign_servers();
        let without = self.options.without.filter(|guard| {
            actor.job.is_bare() && if actor.job.reads() { is_for_readers(*guard) } else { is_for_writers(*guard) }
        });
        let orders = Orders {
            job: actor.job,
            topic: scene.name.to_owned(),
            dir: self.dir.to_owned(),
            role,
            seed,
            largest: scene.largest,
            pause: if steady { scene.pause } else { 0 },
            // Nobody notices the death of a 0.3 server.
            patience: if foreign_servers { 1 } else { self.options.patience },
            life: self.started.elapsed().as_secs() + self.options.seconds.unwrap_or(24 * 3600) + 60,
            steady,
            without,
            halt,
            anew: scene.removed.then_some(scene.arena),
        };
        let mut command = match &self.options.python {
            Some(python) if actor.foreign => {
                let mut command = Command::new(python);
                command.arg("-B").arg(peer());
                command
            }
            _ => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("play");
                command
            }
        };
        command.args(orders.arguments()).env("A0_ROOT", self.dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = Instant::now();
        let mut process = Process { child: command.spawn()? };
        let mut ready = [0];
        let does_not_start = format!("{}: {actor} does not start", scene.name);
        let stdout = process.child.stdout.as_mut().ok_or("no output")?;
        if !actor.foreign && poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&patience)).unwrap_or(1) == 0 {
            return Err(format!("{does_not_start} in time").into());
        }
        stdout.read_exact(&mut ready).map_err(|_| does_not_start)?;
        if !actor.foreign {
            let mut book = self.book();
            book.longest_start = book.longest_start.max(started.elapsed());
        }
        Ok(process)
    }
}

/// The program that plays for 0.3.
fn peer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/peer_storm.py")
}

impl Set {
    /// Our steady readers.
    pub(crate) fn readers(&self) -> impl Iterator<Item = (Actor, &Role)> {
        let ours = self.steady.iter().filter(|(actor, ..)| actor.job.reads() && !actor.foreign);
        ours.map(|(actor, role, _)| (*actor, role))
    }
}

impl Process {
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // Fails only for a process that has ended already.
            let _ = kill_process(pid, signal);
        }
    }

    /// What the kernel says that it does: `S` sleeps, `T` is stopped.
    pub(crate) fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// Waits until it is stopped; whether it is.
    pub(crate) fn stops(&self, patience: Duration) -> bool {
        let started = Instant::now();
        while self.state() != Some('T') {
            if started.elapsed() > patience {
                return false;
            }
            sleep(Duration::from_micros(50));
        }
        true
    }

    /// Whether one of its threads has this id.
    pub(crate) fn has_thread(&self, id: u32) -> bool {
        id == self.child.id() || (id != 0 && Path::new(&format!("/proc/{}/task/{id}", self.child.id())).exists())
    }

    /// Whether it ends by itself, soon and well.
    pub(crate) fn leaves(&mut self, patience: Duration) -> bool {
        drop(self.child.stdin.take());
        let started = Instant::now();
        while started.elapsed() < patience {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.success();
            }
            sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

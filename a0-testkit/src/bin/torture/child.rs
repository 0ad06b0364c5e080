//! The processes under torture.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use a0_core::{Buffer, Cursor, Error, Lock, LockError, Received, Select, Transport};
use a0_linux::{AccessLock, FileOptions, Mode, TopicFile};
use clap::ValueEnum;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use crate::payload;
use crate::stats::{Counter, Phase, Role, Stats};
use crate::tamper::{Shared, Tamper, Tampered, TestLock};

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Job {
    /// Publishes as fast as it can.
    Write,
    /// Reads without ever sleeping, now and then jumping to the newest message.
    Poll,
    /// Sleeps whenever there is nothing new.
    Block,
    /// Reads a mapping that cannot be written.
    ReadOnly,
    /// Reads in place, under the lock.
    Locked,
}

impl Job {
    /// The reader jobs, in the order in which they are given out.
    pub(crate) const READERS: [Job; 4] = [Job::Poll, Job::Block, Job::ReadOnly, Job::Locked];
}

/// One child's orders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders<'a> {
    pub(crate) job: Job,
    pub(crate) role: u64,
    pub(crate) seed: u64,
    pub(crate) tamper: Option<Tamper>,
    pub(crate) dir: &'a Path,
    /// Longest life, should the parent disappear.
    pub(crate) life: Duration,
}

pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

pub(crate) fn run(orders: &Orders<'_>) -> Outcome {
    let stats = Stats::open(&orders.dir.join("stats"))?;
    let counters = stats.role(orders.role);
    let read_only = orders.job == Job::ReadOnly;
    let access = if read_only { Mode::ReadOnly } else { Mode::Shared };
    let real = if read_only { AccessLock::ReadOnly } else { AccessLock::Shared };
    let (_file, mem) = TopicFile::open(&orders.dir.join("topic"), &FileOptions::default().access(access))?;
    let lock = TestLock { real, tamper: orders.tamper, counters };
    let ends = Instant::now() + orders.life;
    let run = Run { orders, stats: &stats, counters, ends };
    match orders.tamper {
        None => run.start(&Transport::open_read_only(mem, lock)?),
        Some(how) => run.start(&Transport::open_read_only(Tampered::new(mem, how), lock)?),
    }
}

struct Run<'a> {
    orders: &'a Orders<'a>,
    stats: &'a Stats,
    counters: Role<'a>,
    ends: Instant,
}

impl Run<'_> {
    fn start<M: Shared, L: Lock<M>>(&self, topic: &Transport<M, L>) -> Outcome {
        match self.orders.job {
            Job::Write => self.write(topic),
            Job::Locked => self.read_locked(topic, Cursor::oldest(topic)?),
            Job::Poll | Job::Block | Job::ReadOnly => self.read(topic, Cursor::oldest(topic)?),
        }
    }

    /// Tells the parent that this process is at work. Readers have their place in the topic by then.
    fn ready(&self) -> Outcome {
        std::io::stdout().write_all(b"!")?;
        Ok(std::io::stdout().flush()?)
    }

    fn is_over(&self, phase: Phase) -> bool {
        self.stats.phase() >= phase || Instant::now() > self.ends
    }

    fn write<M: Shared, L: Lock<M>>(&self, topic: &Transport<M, L>) -> Outcome {
        self.ready()?;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.orders.seed);
        let mut below = |limit: u64| random.next_u64() % limit;
        let mut buffer = Vec::new();
        let largest = topic.arena_size() / 3;
        while !self.is_over(Phase::WritersStop) {
            let started = Instant::now();
            let mut locked = match topic.lock(Some(Duration::from_secs(2))) {
                Ok(locked) => locked,
                Err(Error::Lock(_)) => {
                    self.counters.add(Counter::LockErrors, 1);
                    continue;
                }
                Err(other) => return Err(other.into()),
            };
            let frames = if below(8) == 0 { 3 } else { 1 };
            for _ in 0..frames {
                let limit = match below(64) {
                    0 => largest,
                    1..=8 => 4096,
                    _ => 300,
                };
                let size = payload::SMALLEST as u64 + below(limit.min(largest));
                let mut slot = locked.alloc(size)?;
                buffer.resize(size as usize, 0);
                payload::fill(slot.seq(), &mut buffer);
                slot.write(0, &buffer);
            }
            // Now and then everything is dropped, as by a writer that changes its mind.
            if below(32) != 0 {
                locked.commit();
                self.counters.add(Counter::Messages, frames);
            }
            drop(locked);
            self.counters.raise(Counter::LongestMicros, started.elapsed().as_micros() as u64);
        }
        Ok(())
    }

    fn read<M: Shared, L: Lock<M>>(&self, topic: &Transport<M, L>, mut cursor: Cursor) -> Outcome {
        self.ready()?;
        let mut last = cursor.seq();
        let mut buffer = Scratch::default();
        let mut reads = 0u64;
        loop {
            reads += 1;
            // Asked before the read: nothing new behind the end of all writing is the end.
            let is_over = self.is_over(Phase::ReadersStop);
            let jumps = self.orders.job == Job::Poll && reads.is_multiple_of(1009);
            let select = if jumps { Select::Newest } else { Select::Next };
            match topic.read(&mut cursor, select, &mut buffer) {
                Ok(Some(received)) => self.check(received, &mut last, &buffer.bytes),
                Ok(None) if is_over => return Ok(()),
                Ok(None) if self.orders.job == Job::Block => {
                    topic.sleep(Duration::from_millis(100), || topic.may_have_news(&cursor))?;
                }
                Ok(None) => std::hint::spin_loop(),
                Err(error) => self.note(error)?,
            }
        }
    }

    fn read_locked<M: Shared, L: Lock<M>>(&self, topic: &Transport<M, L>, mut cursor: Cursor) -> Outcome {
        self.ready()?;
        let mut last = cursor.seq();
        let mut bytes = Vec::new();
        loop {
            let is_over = self.is_over(Phase::ReadersStop);
            if !topic.has_news(&cursor)? {
                if is_over {
                    return Ok(());
                }
                topic.sleep(Duration::from_millis(100), || topic.may_have_news(&cursor))?;
            }
            let locked = match topic.lock(Some(Duration::from_secs(2))) {
                Ok(locked) => locked,
                Err(error) => {
                    self.note(error)?;
                    continue;
                }
            };
            match locked.advance(&mut cursor, Select::Next) {
                Ok(Some(received)) => {
                    bytes.resize(received.len, 0);
                    a0_core::Mem::read(locked.mem(), received.offset, &mut bytes);
                    drop(locked);
                    self.check(received, &mut last, &bytes);
                }
                Ok(None) => {}
                Err(error) => self.note(error)?,
            }
        }
    }

    fn check(&self, received: Received, last: &mut u64, bytes: &[u8]) {
        let counters = self.counters;
        if !bytes.get(..received.len).is_some_and(|payload| payload::is_whole(received.seq, payload)) {
            counters.add(Counter::Corrupt, 1);
        }
        if received.seq.checked_sub(*last + 1) != Some(received.missed) {
            counters.add(Counter::Disorder, 1);
        }
        *last = received.seq;
        counters.add(Counter::Missed, received.missed);
        counters.add(Counter::Messages, 1);
    }

    fn note(&self, error: Error) -> Outcome {
        let counter = match error {
            Error::Corrupt(_) => Counter::Damaged,
            Error::Contended => Counter::Contended,
            Error::Lock(LockError::TimedOut { .. } | LockError::StaleOwner { .. }) => Counter::LockErrors,
            other => return Err(other.into()),
        };
        self.counters.add(counter, 1);
        Ok(())
    }
}

#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
}

impl Buffer for Scratch {
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
        self.bytes.get_mut(..len)
    }
}

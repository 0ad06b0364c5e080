//! Writers and readers that stand on the core, where guards can be removed and where a writer can halt.

use std::io::{BufRead, stdin};
use std::thread::sleep;
use std::time::Duration;

use a0_core::{Buffer, Clock, Cursor, Encoder, Error, Lock, LockError, Select, Transport};
use a0_linux::{AccessLock, FileOptions, Mode, SystemClock, TopicFile};
use a0_std::{PacketView, keys, random_id};
use a0_testkit::Guard;

use crate::halt;
use crate::judge::Judge;
use crate::orders::{Job, Outcome};
use crate::payload::{Author, COUNT, VOID, WRITER};
use crate::stage::Stage;
use crate::stats::{Counter, Phase};
use crate::tamper::{Shared, Tampered, TestLock};

/// A writer that is to halt does so after fewer messages than that.
const BEFORE_HALT: u64 = 6;

/// Longest sleep of a reader.
const NAP: Duration = Duration::from_millis(100);

/// Longest sleep of a reader whose sleep nothing limits.
const ENDLESS: Duration = Duration::from_secs(3600);

pub(crate) fn run(stage: &Stage) -> Outcome {
    let orders = &stage.orders;
    let read_only = orders.job == Job::ReadOnly;
    let access = if read_only { Mode::ReadOnly } else { Mode::Shared };
    let real = if read_only { AccessLock::ReadOnly } else { AccessLock::Shared };
    let (_file, mem) = TopicFile::open(&stage.path(), &FileOptions::default().access(access).create(false))?;
    let lock = TestLock { real, missing: orders.without, counters: stage.role.clone() };
    if orders.without.is_none() && orders.halt.is_none() {
        start(stage, &Transport::open_read_only(mem, lock)?)
    } else {
        start(stage, &Transport::open_read_only(Tampered::new(mem, orders.without), lock)?)
    }
}

fn start<M: Shared, L: Lock<M>>(stage: &Stage, topic: &Transport<M, L>) -> Outcome {
    match stage.orders.job {
        Job::Write => write(stage, topic),
        Job::Prompted => write_when_told(stage, topic),
        Job::Locked => read_locked(stage, topic, Cursor::oldest(topic)?),
        _ => read(stage, topic, Cursor::oldest(topic)?),
    }
}

fn write<M: Shared, L: Lock<M>>(stage: &Stage, topic: &Transport<M, L>) -> Outcome {
    let mut author = Author::new(stage.orders.seed, stage.orders.largest);
    let halt = stage.orders.halt.map(|halt| (halt, author.below(BEFORE_HALT)));
    stage.ready()?;
    let mut written = 0;
    while !stage.is_over(Phase::WritersStop) {
        // Now and then everything is dropped, as by a writer that changes its mind.
        let dropped = halt.is_none() && author.below(32) == 0;
        // Several at once might evict, and so commit, those among them that are to be dropped.
        let frames = if !dropped && author.below(8) == 0 { 3 } else { 1 };
        let last = halt.filter(|(_, after)| written == *after).map(|(halt, _)| halt);
        if let Some(halt) = last {
            halt::arm(halt);
        }
        let void = dropped || last.is_some_and(|halt| !halt.is_committed());
        publish(stage, topic, &mut author, if halt.is_some() { 1 } else { frames }, void, dropped)?;
        written += 1;
        if stage.pause() > 0 && author.below(4) == 0 {
            sleep(Duration::from_micros(author.below(stage.pause())));
        }
    }
    Ok(())
}

fn write_when_told<M: Shared, L: Lock<M>>(stage: &Stage, topic: &Transport<M, L>) -> Outcome {
    let mut author = Author::new(stage.orders.seed, stage.orders.largest);
    stage.ready()?;
    for line in stdin().lock().lines() {
        line?;
        publish(stage, topic, &mut author, 1, false, false)?;
    }
    Ok(())
}

fn publish<M: Shared, L: Lock<M>>(
    stage: &Stage,
    topic: &Transport<M, L>,
    author: &mut Author,
    frames: u64,
    void: bool,
    dropped: bool,
) -> Outcome {
    stage.role.timed(|| {
        let mut locked = match topic.lock(Some(stage.patience())) {
            Ok(locked) => locked,
            Err(Error::Lock(_)) => {
                stage.role.add(Counter::LockErrors, 1);
                return Ok(());
            }
            Err(other) => return Err(other.into()),
        };
        let mut bytes = Vec::new();
        for _ in 0..frames {
            author.next();
            let (id, time) = (random_id(), SystemClock.mono().to_text());
            let headers = [(keys::TIME_MONO, &*time), (WRITER, &author.writer), (COUNT, &author.number), (VOID, "")];
            let blocks = [&headers[..if void { 4 } else { 3 }]];
            let encoder = Encoder::new(&id, &blocks, &author.payload)?;
            bytes.resize(encoder.encoded_len(), 0);
            encoder.encode_into(&mut bytes)?;
            if frames == 1 && author.count_is_even() {
                let mut loan = locked.loan(bytes.len() as u64)?;
                loan.write(0, &bytes);
                if !dropped {
                    loan.commit();
                    stage.role.add(Counter::Messages, 1);
                }
                return Ok(());
            }
            locked.alloc(bytes.len() as u64)?.write(0, &bytes);
        }
        if !dropped {
            locked.commit();
            stage.role.add(Counter::Messages, frames);
        }
        Ok(())
    })
}

fn read<M: Shared, L: Lock<M>>(stage: &Stage, topic: &Transport<M, L>, mut cursor: Cursor) -> Outcome {
    let mut judge = stage.judge()?;
    stage.ready()?;
    let nap = if stage.orders.without == Some(Guard::BoundedSleep) { ENDLESS } else { NAP };
    let mut buffer = Scratch::default();
    let mut reads = 0u64;
    loop {
        reads += 1;
        // Asked before the read: nothing new behind the end of all writing is the end.
        let is_over = stage.is_over(Phase::ReadersStop);
        let jumps = stage.orders.job == Job::Poll && reads.is_multiple_of(1009);
        let select = if jumps { Select::Newest } else { Select::Next };
        match topic.read(&mut cursor, select, &mut buffer) {
            Ok(Some(received)) => {
                let packet = PacketView::parse(&buffer.bytes[..received.len]);
                judge.received(received.seq, received.missed, packet.as_ref().ok());
            }
            Ok(None) if is_over => return Ok(()),
            Ok(None) if stage.orders.job == Job::Block => {
                judge.waits();
                match topic.sleep(nap, || topic.may_have_news(&cursor)) {
                    Err(error @ Error::Lock(LockError::TimedOut { .. })) => judge.core_failed(error)?,
                    result => result?,
                }
            }
            // The others are to get something done, too, unless there is nothing else to see.
            Ok(None) if stage.pause() > 0 => sleep(Duration::from_micros(50)),
            Ok(None) => std::hint::spin_loop(),
            Err(error) => judge.core_failed(error)?,
        }
    }
}

fn read_locked<M: Shared, L: Lock<M>>(stage: &Stage, topic: &Transport<M, L>, mut cursor: Cursor) -> Outcome {
    let mut judge = stage.judge()?;
    stage.ready()?;
    let mut bytes = Vec::new();
    loop {
        let is_over = stage.is_over(Phase::ReadersStop);
        if !topic.has_news(&cursor)? {
            if is_over {
                return Ok(());
            }
            judge.waits();
            topic.sleep(NAP, || topic.may_have_news(&cursor))?;
        }
        if let Err(error) = read_in_place(stage, topic, &mut cursor, &mut judge, &mut bytes) {
            judge.core_failed(error)?;
        }
    }
}

fn read_in_place<M: Shared, L: Lock<M>>(
    stage: &Stage,
    topic: &Transport<M, L>,
    cursor: &mut Cursor,
    judge: &mut Judge,
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    let locked = topic.lock(Some(stage.patience()))?;
    let Some(received) = locked.advance(cursor, Select::Next)? else { return Ok(()) };
    bytes.resize(received.len, 0);
    a0_core::Mem::read(locked.mem(), received.offset, bytes);
    drop(locked);
    judge.received(received.seq, received.missed, PacketView::parse(bytes).as_ref().ok());
    Ok(())
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

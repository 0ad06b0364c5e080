//! One operation, and a crash after each of its stores.

use std::sync::atomic::Ordering::Relaxed;

use a0_core::layout::{header, page};
use a0_core::{Cursor, Error, Mem, ReadOnly, Transport, Unshared};
use a0_testkit::{CrashLock, Guard, Message, StoreLog, Tamper, Violation, read_all, walk};

pub(crate) type Tampered<'l> = Transport<Tamper<&'l StoreLog>, Unshared>;

/// One operation, and what a topic may hold if a process dies in it.
pub(crate) struct Case {
    /// The memory before the operation.
    pub(crate) before: Vec<u8>,
    /// Bytes that the memory claims to have.
    pub(crate) size: u64,
    /// The operation.
    pub(crate) act: Box<dyn Fn(&Tampered<'_>)>,
    /// What may be found: first what was there before, last what is there in the end. A later crash never finds an
    /// earlier content than an earlier crash.
    pub(crate) stages: Vec<Vec<Message>>,
    pub(crate) guard: Option<Guard>,
    /// How the lock is taken after the crash.
    pub(crate) lock: fn() -> CrashLock,
}

/// A topic of this size, in which `fill` has happened.
pub(crate) fn topic(size: usize, fill: impl FnOnce(&Transport<&StoreLog, Unshared>)) -> Vec<u8> {
    let log = StoreLog::new(&vec![0; size]);
    fill(&Transport::open(&log, Unshared).expect("fresh memory"));
    log.bytes()
}

/// Forty bytes each, from sequence number `first` on.
pub(crate) fn messages(first: u64, bytes: &[u8]) -> Vec<Message> {
    bytes.iter().enumerate().map(|(i, byte)| (first + i as u64, vec![*byte; 40])).collect()
}

pub(crate) fn push_each<M: Mem>(topic: &Transport<M, Unshared>, bytes: &[u8]) {
    for byte in bytes {
        topic.lock(None).and_then(|mut locked| locked.push(&[*byte; 40])).expect("it fits");
    }
}

pub(crate) fn push<M: Mem>(topic: &Transport<M, Unshared>, data: &[u8]) {
    topic.lock(None).and_then(|mut locked| locked.push(data)).expect("it fits");
}

impl Case {
    pub(crate) fn new(before: Vec<u8>, act: impl Fn(&Tampered<'_>) + 'static, stages: Vec<Vec<Message>>) -> Case {
        let size = before.len() as u64;
        Case { before, size, act: Box::new(act), stages, guard: None, lock: CrashLock::after_death }
    }

    pub(crate) fn without(self, guard: Guard) -> Case {
        Case { guard: Some(guard), ..self }
    }

    /// Runs the operation and dies after each of its stores, in the order in which the program has them.
    pub(crate) fn check(&self) -> Result<(), Violation> {
        let log = self.run()?;
        self.check_images(&log.images())
    }

    /// As [`Case::check`], with the stores in another order that the memory model allows.
    pub(crate) fn check_reordered(&self, seed: u64) -> Result<(), Violation> {
        let log = self.run()?;
        self.check_images(&log.images_reordered(seed)).map_err(|violation| format!("in order {seed}, {violation}"))
    }

    /// Runs the operation over a log of its stores.
    fn run(&self) -> Result<StoreLog, Violation> {
        let mut before = self.before.clone();
        // Somebody sleeps, in both ways.
        before[header::SLEEPERS.offset() as usize] = 3;
        let log = StoreLog::claiming(&before, self.size);
        if self.size == before.len() as u64 && Transport::open_read_only(&log, ReadOnly).is_ok() {
            let topic = Transport::open(Tamper::disarmed(&log, self.guard), Unshared).map_err(|e| e.to_string())?;
            log.mark();
            topic.mem().arm();
            (self.act)(&topic);
        } else {
            // Opening is the operation.
            Transport::open(Tamper::new(&log, self.guard), Unshared).map_err(|e| e.to_string())?;
        }
        assert!(log.stores() > 0, "nothing happens");
        if !pages_match(&log) {
            return Err("the working page is not the committed one in the end".into());
        }
        Ok(log)
    }

    fn check_images(&self, images: &[Vec<u8>]) -> Result<(), Violation> {
        let mut cursors = self.cursors()?;
        let mut stage = 0;
        for (i, image) in images.iter().enumerate() {
            let at = |violation| format!("after {i} of {} stores: {violation}", images.len() - 1);
            stage = self.check_image(image, stage, &mut cursors).map_err(at)?;
        }
        if stage != self.stages.len() - 1 {
            return Err(format!("all stores done, and still at stage {stage}"));
        }
        Ok(())
    }

    /// Readers at every place that there is before the operation.
    fn cursors(&self) -> Result<Vec<Cursor>, Violation> {
        let log = StoreLog::claiming(&self.before, self.size);
        let Ok(topic) = Transport::open_read_only(&log, ReadOnly) else { return Ok(Vec::new()) };
        let state = topic.state().map_err(|e| e.to_string())?;
        let mut cursor = Cursor::before_oldest(&state);
        let mut cursors = vec![cursor, Cursor::before_newest(&state), Cursor::behind_newest(&state)];
        let mut buffer = [0; 512];
        while let Ok(Some(_)) = topic.read(&mut cursor, a0_core::Select::Next, &mut &mut buffer[..]) {
            cursors.push(cursor);
        }
        Ok(cursors)
    }

    /// Looks at the memory after a crash, first as a reader, then as the next to lock. Gives the stage it is in.
    fn check_image(&self, image: &[u8], stage: usize, cursors: &mut Vec<Cursor>) -> Result<usize, Violation> {
        let log = StoreLog::claiming(image, self.size);
        let mut found = stage;
        match Transport::open_read_only(&log, ReadOnly) {
            Ok(topic) => {
                let mut cursor = Cursor::oldest(&topic).map_err(|e| e.to_string())?;
                let content = read_all(&topic, &mut cursor)?;
                found = self.stage_of(&content, stage)?;
                readers_agree(&topic, cursors, &content)?;
                if !cursors.contains(&cursor) {
                    cursors.push(cursor);
                }
            }
            Err(Error::Uninitialized) => {}
            Err(other) => return Err(format!("cannot be opened for reading: {other}")),
        }

        let topic = Transport::open(&log, (self.lock)()).map_err(|e| format!("cannot be opened: {e}"))?;
        let locked = topic.lock(None).map_err(|e| e.to_string())?;
        let content = walk(&locked)?;
        found = found.max(self.stage_of(&content, found)?);
        let last = locked.committed().seq_high;
        drop(locked);
        if !pages_match(&log) {
            return Err("recovery leaves something else on the working page".into());
        }
        if log.load_u32(header::SLEEPERS, Relaxed) & 3 != 0 {
            return Err("recovery does not wake the sleepers".into());
        }
        readers_agree(&topic, cursors, &content)?;

        // Life goes on, once around the ring.
        let mut kept = content;
        for round in 1..=4 {
            let data = vec![b'0' + round as u8; 24 * round as usize];
            let seq = topic.lock(None).and_then(|mut l| l.push(&data)).map_err(|e| e.to_string())?;
            if seq != last + round {
                return Err(format!("message {seq} after {last} and {round} more"));
            }
            kept.push((seq, data));
            let now = walk(&topic.lock(None).map_err(|e| e.to_string())?)?;
            if !kept.ends_with(&now) {
                return Err(format!("{now:?} after {kept:?}"));
            }
            readers_agree(&topic, cursors, &now)?;
        }
        Ok(found)
    }

    fn stage_of(&self, content: &[Message], from: usize) -> Result<usize, Violation> {
        let at = self.stages.iter().skip(from).position(|stage| stage == content);
        at.map(|at| from + at).ok_or_else(|| format!("neither old nor new from stage {from} on: {content:?}"))
    }
}

/// Every reader must get exactly what is there behind its place; [`read_all`] checks the count of what is missing.
fn readers_agree<M: Mem, L: a0_core::Lock<M>>(
    topic: &Transport<M, L>,
    cursors: &[Cursor],
    content: &[Message],
) -> Result<(), Violation> {
    for cursor in cursors {
        let got = read_all(topic, &mut cursor.clone())?;
        let expected: Vec<_> = content.iter().filter(|(seq, _)| *seq > cursor.seq()).cloned().collect();
        if got != expected {
            return Err(format!("a reader at {cursor:?} gets {got:?} of {content:?}"));
        }
    }
    Ok(())
}

fn pages_match(mem: &impl Mem) -> bool {
    [page::seq_low, page::seq_high, page::off_head, page::off_tail, page::high_water_mark]
        .iter()
        .all(|word| mem.load_u64(word(0), Relaxed) == mem.load_u64(word(1), Relaxed))
}

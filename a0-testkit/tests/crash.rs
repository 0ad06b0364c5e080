//! A process may be killed between any two stores: every prefix of the stores of every operation.
//!
//! A crash is never simulated by a panic: unwinding would run the destructor that releases the lock.

use std::sync::atomic::Ordering::Relaxed;

use a0_core::layout::{header, page};
use a0_core::{Cursor, Error, Mem, ReadOnly, Transport, Unshared};
use a0_testkit::{CrashLock, Guard, Message, StoreLog, Tamper, Violation, read_all, walk};

const V6_BEFORE: &[u8] = include_bytes!("../../a0-core/tests/golden/v6_before.bin");

type Tampered<'l> = Transport<Tamper<&'l StoreLog>, Unshared>;

/// One operation, and what a topic may hold if a process dies in it.
struct Case {
    /// The memory before the operation.
    before: Vec<u8>,
    /// Bytes that the memory claims to have.
    size: u64,
    /// The operation.
    act: fn(&Tampered<'_>),
    /// What may be found: first what was there before, last what is there in the end. A later crash never finds an
    /// earlier content than an earlier crash.
    stages: Vec<Vec<Message>>,
    guard: Option<Guard>,
    /// How the lock is taken after the crash.
    lock: fn() -> CrashLock,
}

/// A topic of this size, in which `fill` has happened.
fn topic(size: usize, fill: impl FnOnce(&Transport<&StoreLog, Unshared>)) -> Vec<u8> {
    let log = StoreLog::new(&vec![0; size]);
    fill(&Transport::open(&log, Unshared).expect("fresh memory"));
    log.bytes()
}

/// Forty bytes each, from sequence number `first` on.
fn messages(first: u64, bytes: &[u8]) -> Vec<Message> {
    bytes.iter().enumerate().map(|(i, byte)| (first + i as u64, vec![*byte; 40])).collect()
}

fn push_each<M: Mem>(topic: &Transport<M, Unshared>, bytes: &[u8]) {
    for byte in bytes {
        topic.lock(None).and_then(|mut locked| locked.push(&[*byte; 40])).expect("it fits");
    }
}

fn push<M: Mem>(topic: &Transport<M, Unshared>, data: &[u8]) {
    topic.lock(None).and_then(|mut locked| locked.push(data)).expect("it fits");
}

impl Case {
    fn new(before: Vec<u8>, act: fn(&Tampered<'_>), stages: Vec<Vec<Message>>) -> Case {
        let size = before.len() as u64;
        Case { before, size, act, stages, guard: None, lock: CrashLock::after_death }
    }

    fn without(self, guard: Guard) -> Case {
        Case { guard: Some(guard), ..self }
    }

    /// Runs the operation and dies after each of its stores.
    fn check(&self) -> Result<(), Violation> {
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
        let mut cursors = self.cursors()?;
        let mut stage = 0;
        let images = log.images();
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
                cursors.push(cursor);
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

/// `D` needs the place of `A`.
fn evicting_one() -> Case {
    let before = topic(400, |topic| push_each(topic, b"ABC"));
    let stages = vec![messages(1, b"ABC"), messages(2, b"BC"), messages(2, b"BCD")];
    Case::new(before, |topic| push_each(topic, b"D"), stages)
}

fn publishing() -> Case {
    let before = topic(400, |topic| push_each(topic, b"A"));
    Case::new(before, |topic| push_each(topic, b"B"), vec![messages(1, b"A"), messages(1, b"AB")])
}

fn initialising() -> Case {
    Case::new(vec![0; 512], |_| (), vec![vec![]])
}

fn upgrading(index: u8) -> Case {
    let mut before = V6_BEFORE.to_vec();
    if index == 0 {
        // The state on the other page.
        before.copy_within(88..120, 56);
        before[88..124].fill(0);
    }
    Case::new(before, |_| (), vec![vec![(1, b"aaaa".to_vec()), (2, b"bbbb".to_vec())]])
}

#[track_caller]
fn passes(case: Case) {
    case.check().unwrap_or_else(|violation| panic!("{violation}"));
}

#[track_caller]
fn is_caught(case: Case) {
    let guard = case.guard;
    let violation = case.check().expect_err("a guard is missing, and nothing was noticed");
    println!("{guard:?}: {violation}");
}

#[test]
fn publish() {
    passes(publishing());
    let empty = topic(400, |_| ());
    passes(Case::new(empty, |topic| push_each(topic, b"A"), vec![vec![], messages(1, b"A")]));
}

#[test]
fn publish_evicting_one() {
    passes(evicting_one());
}

#[test]
fn publish_evicting_several() {
    let before = topic(512, |topic| push_each(topic, b"ABCDEFG"));
    let old = messages(4, b"DEFG");
    let new = vec![(7, vec![b'G'; 40]), (8, vec![b'H'; 88])];
    let stages = vec![old, messages(7, b"G"), new];
    passes(Case::new(before, |topic| push(topic, &[b'H'; 88]), stages));
}

#[test]
fn publish_evicting_all() {
    let before = topic(400, |topic| push_each(topic, b"ABC"));
    let stages = vec![messages(1, b"ABC"), vec![], vec![(4, vec![b'D'; 200])]];
    passes(Case::new(before, |topic| push(topic, &[b'D'; 200]), stages));
}

#[test]
fn publish_at_the_start_onto_free_space() {
    let before = topic(400, |topic| {
        push_each(topic, b"ABC");
        // Evicts `A` and is then dropped.
        topic.lock(None).and_then(|mut locked| locked.alloc(40).map(drop)).expect("it fits");
    });
    let stages = vec![messages(2, b"BC"), messages(2, b"BCD")];
    passes(Case::new(before, |topic| push_each(topic, b"D"), stages));
}

#[test]
fn several_frames_in_one_commit() {
    fn three(topic: &Tampered<'_>) {
        let mut locked = topic.lock(None).expect("free");
        for byte in *b"XYZ" {
            locked.alloc(40).expect("it fits").write(0, &[byte; 40]);
        }
        locked.commit();
    }
    let before = topic(800, |topic| push_each(topic, b"A"));
    passes(Case::new(before, three, vec![messages(1, b"A"), messages(1, b"AXYZ")]));

    // `Y` evicts `A` and publishes `X` by that; `Z` evicts `B`.
    let before = topic(400, |topic| push_each(topic, b"AB"));
    let stages = vec![messages(1, b"AB"), messages(2, b"BX"), messages(3, b"XY"), messages(3, b"XYZ")];
    passes(Case::new(before, three, stages));
}

#[test]
fn uncommitted_frames() {
    fn dropped(topic: &Tampered<'_>) {
        let mut locked = topic.lock(None).expect("free");
        locked.alloc(40).expect("it fits").write(0, &[b'X'; 40]);
        locked.alloc(24).expect("it fits").write(0, &[b'Y'; 24]);
    }
    let before = topic(800, |topic| push_each(topic, b"AB"));
    passes(Case::new(before, dropped, vec![messages(1, b"AB")]));
}

#[test]
fn clear() {
    let before = topic(400, |topic| push_each(topic, b"ABCD"));
    let clear: fn(&Tampered<'_>) = |topic| topic.lock(None).and_then(|mut l| l.clear()).expect("numbers left");
    passes(Case::new(before, clear, vec![messages(2, b"BCD"), vec![]]));
}

#[test]
fn resize() {
    let before = topic(800, |topic| push_each(topic, b"ABC"));
    let shrink: fn(&Tampered<'_>) = |topic| topic.lock(None).and_then(|mut l| l.resize(400)).expect("enough");
    passes(Case::new(before, shrink, vec![messages(1, b"ABC")]));
}

#[test]
fn initialisation() {
    passes(initialising());
}

#[test]
fn upgrade_from_0_2() {
    passes(upgrading(1));
    passes(upgrading(0));
}

/// The size's low half is 0, and it lands where 0.2 has its page index.
#[test]
fn upgrade_of_4_gib() {
    for index in [0, 1] {
        let mut case = upgrading(index);
        case.before.resize(2048, 0);
        passes(Case { size: 1 << 32, ..case });
    }
}

#[test]
fn eviction_commit_is_needed() {
    is_caught(evicting_one().without(Guard::EvictionCommit));
}

#[test]
fn page_before_flip_is_needed() {
    is_caught(publishing().without(Guard::PageBeforeFlip));
    is_caught(evicting_one().without(Guard::PageBeforeFlip));
}

#[test]
fn working_page_refresh_is_needed() {
    is_caught(publishing().without(Guard::WorkingPageRefresh));
}

#[test]
fn marks_must_come_last() {
    is_caught(initialising().without(Guard::MarkLast));
    is_caught(upgrading(1).without(Guard::MarkLast));
    is_caught(upgrading(0).without(Guard::MarkLast));
}

/// A lock that keeps the owner's death to itself.
#[test]
fn news_of_the_death_is_needed() {
    is_caught(Case { lock: CrashLock::default, ..publishing() });
    is_caught(Case { lock: CrashLock::default, ..evicting_one() });
}

/// Repairing a damaged list gives up frames that readers still believe in, so it is an eviction: it must be committed
/// before one of their bytes changes.
#[test]
fn repair_is_committed_before_lost_frames_change() {
    let mut before = topic(560, |topic| push_each(topic, b"ABCDE"));
    // Frames 1 to 3 no longer lead to 4 and 5 at 384 and 464; the next frame goes to 144.
    before[384 + 24..][..8].fill(0);
    before[144 + 16..][..8].fill(0);
    let log = StoreLog::new(&before);
    push(&Transport::open(&log, Unshared).expect("sound header"), &[b'F'; 60]);
    for image in log.images() {
        let state =
            Transport::open_read_only(&StoreLog::new(&image), ReadOnly).and_then(|t| t.state()).expect("readable");
        assert!(image[144..384] == before[144..384] || state.seq_low >= 4, "{state:?}");
    }
}

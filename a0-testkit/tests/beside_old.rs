//! Readers beside writers whose core overwrites live frames, in whatever order, and dies wherever it likes.
//!
//! Every load of a reader may find the writer some stores further. Everything is in one thread and comes from a seed.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use a0_core::layout::{Field, header};
use a0_core::{Acquired, Cursor, Error, Lock, LockError, Mem, Received, Select, SliceMem, Transport};
use a0_testkit::{Guard, OldStore, OldWriter};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// A topic with a writer in the middle of its work.
struct World<'a> {
    mem: SliceMem<'a>,
    /// What the writer is yet to do, unless it dies before.
    ahead: RefCell<VecDeque<OldStore>>,
    dies: Cell<bool>,
    random: RefCell<Xoshiro256PlusPlus>,
    lacks: Option<Guard>,
}

impl World<'_> {
    /// The writer gets on a little, or not at all, or far.
    fn go_on(&self) {
        let mut random = self.random.borrow_mut();
        let steps = match random.next_u32() % 16 {
            0..12 => 0,
            12..15 => random.next_u32() % 4,
            _ => random.next_u32() % 64,
        };
        self.step(steps as usize);
    }

    fn step(&self, steps: usize) {
        let mut ahead = self.ahead.borrow_mut();
        let steps = steps.min(ahead.len());
        for store in ahead.drain(..steps) {
            self.mem.write(store.offset, &store.bytes);
        }
    }

    /// The writer comes to its end, one way or the other; whether it died.
    fn finish(&self) -> bool {
        self.step(usize::MAX);
        self.dies.take()
    }

    fn content(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.mem.size() as usize];
        self.mem.read(0, &mut bytes);
        bytes
    }
}

#[derive(Clone)]
struct Shared<'a>(Rc<World<'a>>);

impl Mem for Shared<'_> {
    a0_core::forward_mem! {
        self => self.0.mem;
        size, store_u8, store_u32, store_u64, cas_u32, fetch_add_u32, fetch_or_u32, write
    }

    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
        self.0.go_on();
        self.0.mem.load_u8(field, order)
    }
    fn load_u32(&self, field: Field<u32>, order: Ordering) -> u32 {
        self.0.go_on();
        if field == header::FOREIGN && self.0.lacks == Some(Guard::ForeignMark) {
            return 0;
        }
        self.0.mem.load_u32(field, order)
    }
    fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64 {
        self.0.go_on();
        match (self.0.lacks, field.offset()) {
            (Some(Guard::ForeignMark), at) if at == header::MUTEX_PREV.offset() => 0,
            (Some(Guard::NewestLap), 144) if order == Ordering::Relaxed => 1,
            _ => self.0.mem.load_u64(field, order),
        }
    }
    fn load_words(&self, first: Field<u64>) -> [u64; 5] {
        std::array::from_fn(|i| {
            self.0.go_on();
            self.0.mem.load_u64(Field::at(first.offset() + 8 * i as u64), Ordering::Relaxed)
        })
    }
    fn fence(&self, _: Ordering) {}
    fn read(&self, offset: u64, into: &mut [u8]) {
        for (i, part) in into.chunks_mut(8).enumerate() {
            self.0.go_on();
            self.0.mem.read(offset + 8 * i as u64, part);
        }
    }
}

/// Whoever wants the lock waits until the writer has released it, or died.
#[derive(Clone)]
struct Queue<'a>(Rc<World<'a>>);

impl Lock<Shared<'_>> for Queue<'_> {
    fn lock(&self, _: &Shared<'_>, _: Option<Duration>) -> Result<Acquired, LockError> {
        Ok(if self.0.finish() { Acquired::OwnerDied } else { Acquired::Clean })
    }
    fn try_lock(&self, mem: &Shared<'_>) -> Result<Option<Acquired>, LockError> {
        self.lock(mem, None).map(Some)
    }
    fn unlock(&self, _: &Shared<'_>) {}
    fn wait(&self, _: &Shared<'_>, _: Field<u32>, _: u32, _: Duration) -> Result<(), LockError> {
        Ok(())
    }
    fn wake(&self, _: &Shared<'_>, _: Field<u32>) {}
    fn wait_requeue(&self, _: &Shared<'_>, _: u32, _: Duration) -> Result<Option<Acquired>, LockError> {
        Ok(None)
    }
    fn requeue(&self, _: &Shared<'_>) {}
}

type Topic<'a> = Transport<Shared<'a>, Queue<'a>>;

/// What became of the messages of one run.
#[derive(Debug, Default)]
struct Tally {
    right: u64,
    missed: u64,
    torn: u64,
    damage: u64,
}

struct Reader {
    cursor: Cursor,
    batch: bool,
    /// The last message it got.
    last: u64,
}

impl Reader {
    /// Reads what there is, a few messages at most, and judges each. `sent` says what each number stands for.
    fn read(&mut self, topic: &Topic<'_>, most: usize, sent: &HashMap<u64, Vec<u8>>, tally: &mut Tally) -> bool {
        let (mut data, mut received) = ([0; 4096], [Received::default(); 4]);
        for _ in 0..most {
            let result = if self.batch {
                topic.read_batch(&mut self.cursor, &mut data, &mut received)
            } else {
                let got = topic.read(&mut self.cursor, Select::Next, &mut &mut data[..]);
                got.map(|got| {
                    received[0] = got.unwrap_or_default();
                    usize::from(got.is_some())
                })
            };
            let count = match result {
                Ok(0) => return true,
                Ok(count) => count,
                Err(Error::Corrupt(_)) => {
                    tally.damage += 1;
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let mut at = 0;
            for got in &received[..count] {
                assert_eq!(got.missed, got.seq - self.last - 1, "losses are exact");
                self.last = got.seq;
                tally.missed += got.missed;
                let right = sent.get(&got.seq).is_some_and(|sent| *sent == data[at..at + got.len]);
                *if right { &mut tally.right } else { &mut tally.torn } += 1;
                at += got.len;
            }
        }
        false
    }
}

/// A long life of a small topic: old writers that die now and then, ours between them, and readers at many places.
fn live(seed: u64, rounds: u32, lacks: Option<Guard>) -> Tally {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let size = 400 + random.next_u32() as usize % 1200;
    let mut bytes = vec![0; size];
    let world = Rc::new(World {
        mem: SliceMem::new(&mut bytes).unwrap(),
        ahead: RefCell::default(),
        dies: Cell::default(),
        random: RefCell::new(Xoshiro256PlusPlus::seed_from_u64(seed + 1)),
        lacks,
    });
    let topic = Transport::open(Shared(Rc::clone(&world)), Queue(Rc::clone(&world))).unwrap();
    let mut sent = HashMap::new();
    let mut tally = Tally::default();
    let mut readers: Vec<_> =
        (0..4).map(|i| Reader { cursor: Cursor::oldest(&topic).unwrap(), batch: i % 2 == 1, last: 0 }).collect();
    for round in 0..rounds {
        let seq = topic.state().unwrap().seq_high + 1;
        let len = random.next_u32() as usize % (size - 250);
        let len = if random.next_u32() % 3 > 0 { len % 100 } else { len };
        let data: Vec<_> = (0..len).map(|i| (round as usize * 31 + i / 8) as u8).collect();
        let old =
            if random.next_u32() % 5 == 0 { None } else { OldWriter::publish(&world.content(), &data, &mut random) };
        if let Some(mut stores) = old {
            if random.next_u32() % 4 == 0 {
                stores.truncate(random.next_u32() as usize % stores.len());
                world.dies.set(true);
            }
            // Committed or not is seen in the end.
            sent.insert(seq, data);
            *world.ahead.borrow_mut() = stores.into();
        } else {
            sent.insert(seq, data.clone());
            topic.lock(None).unwrap().push(&data).unwrap();
        }
        for reader in &mut readers {
            // One that keeps up, one that does not, some between.
            let most = 1 + random.next_u32() as usize % 6;
            if random.next_u32() % 4 > 0 {
                reader.read(&topic, most, &sent, &mut tally);
            }
        }
        if world.finish() && random.next_u32() % 2 == 0 {
            // The next one of the old kind takes the lock and does not come to anything.
            for store in OldWriter::take_over(&world.content()) {
                world.mem.write(store.offset, &store.bytes);
            }
        }
    }
    for reader in &mut readers {
        assert!(reader.read(&topic, 200, &sent, &mut tally), "a reader does not come to an end: {:?}", reader.cursor);
        let state = topic.state().unwrap();
        assert!(reader.cursor.seq() >= state.seq_high, "{:?} {state:?}", reader.cursor);
    }
    tally
}

fn lives(lacks: Option<Guard>) -> Tally {
    let mut all = Tally::default();
    for seed in 0..100 {
        let Tally { right, missed, torn, damage } = live(seed, 200, lacks);
        all.right += right;
        all.missed += missed;
        all.torn += torn;
        all.damage += damage;
        if lacks.is_none() {
            assert_eq!(torn, 0, "seed {seed}");
        }
    }
    println!("{lacks:?}: {all:?}");
    all
}

#[test]
fn nothing_torn_is_delivered() {
    let all = lives(None);
    assert!(all.right > 10_000, "{all:?}");
}

#[test]
fn the_mark_of_0_3_programs_is_needed() {
    assert!(lives(Some(Guard::ForeignMark)).torn > 10);
}

#[test]
fn the_look_at_the_start_of_the_arena_is_needed() {
    assert!(lives(Some(Guard::NewestLap)).torn > 10);
}

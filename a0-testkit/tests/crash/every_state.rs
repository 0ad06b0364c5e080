//! Every operation in every small state.
//!
//! The states are all that a few operations can lead to in an arena with room for about four frames. They are told apart by
//! where the frames lie, not by their sequence numbers.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use a0_core::{Lock, Mem, Transport, Unshared};
use a0_testkit::{Guard, Message, Model, StoreLog, Violation, history};

use crate::case::Case;

/// Usable bytes of the arenas: the header and four frames with 24 bytes, or a little less.
const ARENAS: [usize; 2] = [400, 392];

/// Data bytes of frames: none, three sizes that combine in many ways, and nearly everything.
const SIZES: [u64; 4] = [0, 24, 72, 200];

/// What one process does under one lock.
#[derive(Clone, Debug)]
enum Operation {
    /// Frames of these sizes, and a commit.
    Publish(Vec<u64>),
    /// A frame of this size, and no commit.
    Abandon(u64),
    Clear,
}

fn operations() -> Vec<Operation> {
    let mut all = vec![Operation::Clear];
    for size in SIZES {
        all.push(Operation::Publish(vec![size]));
        all.push(Operation::Abandon(size));
    }
    all.push(Operation::Publish(vec![24, 72]));
    all.push(Operation::Publish(vec![72, 24]));
    all
}

fn data(seq: u64, size: u64) -> Vec<u8> {
    (0..size).map(|i| (seq * 16 + i) as u8).collect()
}

impl Operation {
    fn run<M: Mem, L: Lock<M>>(&self, topic: &Transport<M, L>) {
        let mut locked = topic.lock(None).expect("free");
        match self {
            Operation::Publish(sizes) => {
                for &size in sizes {
                    let bytes = data(locked.state().seq_high + 1, size);
                    locked.alloc(size).expect("it fits").write(0, &bytes);
                }
                locked.commit();
            }
            Operation::Abandon(size) => drop(locked.alloc(*size).expect("it fits")),
            Operation::Clear => locked.clear().expect("numbers left"),
        }
    }

    /// What the model has afterwards, and everything that readers may find on the way there.
    fn stages(&self, model: &mut Model) -> Vec<Vec<Message>> {
        let mut stages = vec![history::messages(model.committed())];
        let mut stage = |model: &Model| {
            let content = history::messages(model.committed());
            if stages.last() != Some(&content) {
                stages.push(content);
            }
        };
        let sizes = match self {
            Operation::Publish(sizes) => sizes.clone(),
            Operation::Abandon(size) => vec![*size],
            Operation::Clear => vec![],
        };
        for size in sizes {
            let seq = model.frames().back().map_or(model.committed_seq(), |frame| frame.seq) + 1;
            model.alloc(&data(seq, size)).expect("it fits");
            stage(model);
        }
        match self {
            Operation::Publish(_) => model.commit(),
            Operation::Abandon(_) => model.unlock(),
            Operation::Clear => model.clear(),
        }
        stage(model);
        stages
    }
}

/// A state that was reached.
#[derive(Clone)]
struct Reached {
    bytes: Rc<Vec<u8>>,
    model: Model,
}

impl Reached {
    fn fresh(arena: usize) -> Reached {
        let log = StoreLog::new(&vec![0; arena]);
        Transport::open(&log, Unshared).expect("fresh memory");
        Reached { bytes: Rc::new(log.bytes()), model: Model::new(arena as u64) }
    }

    fn after(&self, operation: &Operation) -> Reached {
        let log = StoreLog::new(&self.bytes);
        operation.run(&Transport::open(&log, Unshared).expect("a sound topic"));
        let mut model = self.model.clone();
        operation.stages(&mut model);
        Reached { bytes: Rc::new(log.bytes()), model }
    }

    /// Where the frames lie, how large they are, and how much was used; whether anything was ever there.
    fn shape(&self) -> (Vec<(u64, usize)>, u64, bool) {
        let frames = self.model.committed().iter().map(|frame| (frame.off, frame.data.len())).collect();
        (frames, self.model.used(), self.model.committed_seq() == 0)
    }
}

/// One representative of every shape that can be reached.
fn every_state(arena: usize) -> Vec<Reached> {
    let mut seen = BTreeSet::new();
    let mut states = vec![];
    let mut next = VecDeque::from([Reached::fresh(arena)]);
    while let Some(state) = next.pop_front() {
        if seen.insert(state.shape()) {
            next.extend(operations().iter().map(|operation| state.after(operation)));
            states.push(state);
        }
    }
    states
}

fn case(state: &Reached, operation: &Operation) -> Case {
    let stages = operation.stages(&mut state.model.clone());
    let act = operation.clone();
    Case::new(state.bytes.to_vec(), move |topic| act.run(topic), stages)
}

fn check_all(
    arenas: &[usize],
    guard: Option<Guard>,
    check: impl Fn(&Case) -> Result<(), Violation>,
) -> Result<usize, Violation> {
    let mut count = 0;
    for &arena in arenas {
        for state in every_state(arena) {
            for operation in operations() {
                let case = Case { guard, ..case(&state, &operation) };
                check(&case).map_err(|violation| format!("{operation:?} after {:?}: {violation}", state.shape()))?;
                count += 1;
            }
        }
    }
    Ok(count)
}

#[test]
fn every_operation_in_every_small_state() {
    let count = check_all(&ARENAS, None, Case::check).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(count > 500, "only {count} cases");
    println!("{count} cases");
}

/// One of the orders that a compiler might choose for the stores, another one for each case.
fn reordered() -> impl Fn(&Case) -> Result<(), Violation> {
    let seed = std::cell::Cell::new(0);
    move |case| {
        seed.set(seed.get() + 1);
        case.check_reordered(seed.get())
    }
}

#[test]
fn every_operation_with_reordered_stores() {
    check_all(&ARENAS[..1], None, reordered()).unwrap_or_else(|violation| panic!("{violation}"));
}

#[test]
fn orderings_are_needed() {
    for guard in [Guard::FlipRelease, Guard::ReleaseFences] {
        let violation = check_all(&ARENAS[..1], Some(guard), reordered()).expect_err("nothing was noticed");
        println!("{guard:?}: {violation}");
    }
}

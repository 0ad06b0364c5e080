//! The protocol with one guard removed: the negative controls.

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use a0_core::layout::{Field, WORKSPACE, header, page};
use a0_core::{Acquired, Lock, LockError, Mem, RawMem};
use a0_linux::{AccessLock, Mapping};
use a0_testkit::Guard;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::halt::{self, Halt};
use crate::stats::{Counter, Role};

/// Guards that can be taken away here.
pub(crate) const REMOVABLE: [Guard; 7] = [
    Guard::EvictionCommit,
    Guard::PayloadBeforeCommit,
    Guard::Lock,
    Guard::RobustList,
    Guard::WorkingPageRefresh,
    Guard::Validation,
    Guard::BoundedSleep,
];

/// Reads the name of one of them.
pub(crate) fn removable() -> impl TypedValueParser<Value = Guard> {
    let names = PossibleValuesParser::new(REMOVABLE.iter().filter_map(ValueEnum::to_possible_value));
    names.try_map(|name| Guard::from_str(&name, false))
}

/// Whether readers lack it, too. Without evictions they do not look at frame headers again, which would nearly always give
/// an overwritten frame away.
pub(crate) fn is_for_readers(guard: Guard) -> bool {
    matches!(guard, Guard::EvictionCommit | Guard::Validation | Guard::BoundedSleep)
}

pub(crate) fn is_for_writers(guard: Guard) -> bool {
    !matches!(guard, Guard::Validation | Guard::BoundedSleep)
}

/// Both state pages.
const PAGES: std::ops::Range<u64> = page::seq_low(0).offset()..header::COMMITTED_PAGE.offset();

/// Words that are loaded again behind a copy.
const HEADER_WORDS: u32 = 5;

/// Shared memory whose stores or loads are partly swallowed, and where a writer may halt.
#[derive(Debug)]
pub(crate) struct Tampered {
    mem: RawMem<Mapping>,
    missing: Option<Guard>,
    /// Whether a frame was written since the last commit.
    wrote_frame: Cell<bool>,
    /// Whether a payload was copied since the last look at the state.
    copied: Cell<bool>,
    /// Words of the frame's header still to be looked at again behind the copy.
    rechecks: Cell<u32>,
    /// Words of frame headers as they were before the copy.
    before_copy: RefCell<Vec<(u64, u64)>>,
    /// Payloads held back until their frame is committed.
    held_back: RefCell<Vec<(u64, Vec<u8>)>>,
    /// Words of the working page held back until it is committed.
    held_page: RefCell<Vec<(Field<u64>, u64)>>,
}

impl Tampered {
    pub(crate) fn new(mem: RawMem<Mapping>, missing: Option<Guard>) -> Tampered {
        Tampered {
            mem,
            missing,
            wrote_frame: Cell::new(false),
            copied: Cell::new(false),
            rechecks: Cell::new(0),
            before_copy: RefCell::default(),
            held_back: RefCell::default(),
            held_page: RefCell::default(),
        }
    }
}

impl Mem for Tampered {
    a0_core::forward_mem! {
        self => self.mem;
        size, load_u8, load_u32, store_u32, cas_u32, fetch_add_u32, fetch_or_u32, fence
    }

    fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64 {
        let value = self.mem.load_u64(field, order);
        if !self.missing.is_some_and(is_for_readers) {
            return value;
        }
        if field == page::seq_low(0) || field == page::seq_low(1) {
            let is_validation = self.copied.take();
            return if is_validation && self.missing == Some(Guard::Validation) { 0 } else { value };
        }
        if field.offset() < WORKSPACE {
            return value;
        }
        let mut before_copy = self.before_copy.borrow_mut();
        let Some(rechecks) = self.rechecks.get().checked_sub(1) else {
            before_copy.push((field.offset(), value));
            return value;
        };
        let before = before_copy.iter().rev().find(|(offset, _)| *offset == field.offset()).map(|(_, before)| *before);
        self.rechecks.set(rechecks);
        if rechecks == 0 {
            before_copy.clear();
        }
        before.unwrap_or(value)
    }
    fn store_u8(&self, field: Field<u8>, value: u8, order: Ordering) {
        let is_eviction = field == header::COMMITTED_PAGE && !self.wrote_frame.take();
        if self.missing == Some(Guard::EvictionCommit) && is_eviction {
            return;
        }
        for (field, value) in self.held_page.take() {
            self.mem.store_u64(field, value, Ordering::Relaxed);
        }
        if field == header::COMMITTED_PAGE && !is_eviction {
            halt::here(Halt::BeforeCommit);
        }
        self.mem.store_u8(field, value, order);
        for (offset, bytes) in self.held_back.take() {
            self.mem.write(offset, &bytes);
        }
    }
    fn store_u64(&self, field: Field<u64>, value: u64, order: Ordering) {
        if field.offset() >= WORKSPACE {
            self.wrote_frame.set(true);
        } else if self.missing == Some(Guard::WorkingPageRefresh) && PAGES.contains(&field.offset()) {
            self.held_page.borrow_mut().push((field, value));
            return;
        }
        self.mem.store_u64(field, value, order);
    }
    fn read(&self, offset: u64, into: &mut [u8]) {
        self.copied.set(true);
        self.rechecks.set(HEADER_WORDS);
        self.mem.read(offset, into);
    }
    fn write(&self, offset: u64, bytes: &[u8]) {
        if self.missing == Some(Guard::PayloadBeforeCommit) {
            self.held_back.borrow_mut().push((offset, bytes.to_owned()));
        } else {
            let (first, rest) = bytes.split_at(bytes.len() / 2);
            self.mem.write(offset, first);
            halt::here(Halt::InPayload);
            self.mem.write(offset + first.len() as u64, rest);
        }
    }
}

/// Memory with real shared memory in it.
pub(crate) trait Shared: Mem {
    fn shared(&self) -> &RawMem<Mapping>;

    /// Called before the lock is released.
    fn unlocking(&self) {}
}

impl Shared for RawMem<Mapping> {
    fn shared(&self) -> &RawMem<Mapping> {
        self
    }
}

impl Shared for Tampered {
    fn shared(&self) -> &RawMem<Mapping> {
        &self.mem
    }

    fn unlocking(&self) {
        self.held_page.take();
    }
}

/// The real lock, unless the guard that is missing belongs to it. Counts the owners found dead, and may halt.
#[derive(Debug)]
pub(crate) struct TestLock {
    pub(crate) real: AccessLock,
    pub(crate) missing: Option<Guard>,
    pub(crate) counters: Role,
}

impl TestLock {
    fn counted(&self, how: Acquired) -> Acquired {
        if how == Acquired::OwnerDied {
            self.counters.add(Counter::Recovered, 1);
        }
        how
    }
}

/// A spin lock that the kernel knows nothing of.
fn spin(mem: &RawMem<Mapping>, timeout: Option<Duration>) -> Result<Acquired, LockError> {
    let started = Instant::now();
    while let Err(owner) = mem.cas_u32(header::LOCK_WORD, 0, a0_linux::thread_id(), Ordering::Acquire) {
        if timeout.is_some_and(|timeout| started.elapsed() > timeout) {
            return Err(LockError::TimedOut { owner });
        }
        std::thread::yield_now();
    }
    Ok(Acquired::Clean)
}

impl<M: Shared> Lock<M> for TestLock {
    fn lock(&self, mem: &M, timeout: Option<Duration>) -> Result<Acquired, LockError> {
        match self.missing {
            Some(Guard::Lock) => Ok(Acquired::Clean),
            Some(Guard::RobustList) => spin(mem.shared(), timeout),
            _ => self.real.lock(mem.shared(), timeout).map(|how| self.counted(how)),
        }
    }
    fn try_lock(&self, mem: &M) -> Result<Option<Acquired>, LockError> {
        self.real.try_lock(mem.shared())
    }
    fn unlock(&self, mem: &M) {
        mem.unlocking();
        halt::here(Halt::BeforeUnlock);
        match self.missing {
            Some(Guard::Lock) => {}
            Some(Guard::RobustList) => mem.shared().store_u32(header::LOCK_WORD, 0, Ordering::Release),
            _ => self.real.unlock(mem.shared()),
        }
        halt::here(Halt::BeforeWake);
    }
    fn can_sleep(&self) -> bool {
        Lock::<RawMem<Mapping>>::can_sleep(&self.real)
    }
    fn wait(&self, mem: &M, word: Field<u32>, expected: u32, timeout: Duration) -> Result<(), LockError> {
        self.real.wait(mem.shared(), word, expected, timeout)
    }
    fn wake(&self, mem: &M, word: Field<u32>) {
        self.real.wake(mem.shared(), word);
    }
    fn wait_requeue(&self, mem: &M, events: u32, timeout: Duration) -> Result<Option<Acquired>, LockError> {
        Ok(self.real.wait_requeue(mem.shared(), events, timeout)?.map(|how| self.counted(how)))
    }
    fn requeue(&self, mem: &M) {
        self.real.requeue(mem.shared());
    }
}

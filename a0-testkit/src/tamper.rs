//! Takes one guard out of the protocol, to see whether a test notices.

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

use a0_core::Mem;
use a0_core::layout::{Field, MAGIC, VERSION, header};

use crate::guard::Guard;

/// Memory with one guard of the protocol taken away, as long as it is armed.
///
/// The core knows nothing of this: guards are recognised by the loads and stores they consist of. Each thread needs a
/// value of its own, since what a load means depends on the loads before.
#[derive(Debug)]
pub struct Tamper<M> {
    inner: M,
    guard: Option<Guard>,
    armed: Cell<bool>,
    flips: Cell<u32>,
    /// Whether an event was counted since the last release fence.
    counted: Cell<bool>,
    /// Stores to pages that are held back.
    held: RefCell<Vec<(u64, u64)>>,
    reading: RefCell<Reading>,
}

/// Where a thread is in [`a0_core::Transport::state`] or behind a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Reading the page for the first time.
    First,
    /// Has loaded the index again.
    Rechecked,
    /// Reading the page for the second time.
    Second,
    /// Checking what it has copied.
    Validating,
}

#[derive(Debug)]
struct Reading {
    phase: Phase,
    behind_fence: bool,
    index: u8,
    /// Words of the page that were loaded since the index, and nothing else.
    words: u32,
    first: [u64; 5],
}

/// The word of a state page that is at this offset.
fn page_word(offset: u64) -> Option<usize> {
    (48..128).contains(&offset).then(|| (offset as usize - 48) % 40 / 8)
}

impl<M: Mem> Tamper<M> {
    /// Takes the guard away from now on; `None` changes nothing, for the run that must pass.
    pub fn new(inner: M, guard: Option<Guard>) -> Self {
        let reading = Reading { phase: Phase::First, behind_fence: false, index: 0, words: 0, first: [0; 5] };
        Tamper {
            inner,
            guard,
            armed: Cell::new(true),
            flips: Cell::new(0),
            counted: Cell::new(false),
            held: RefCell::default(),
            reading: RefCell::new(reading),
        }
    }

    /// Changes nothing before [`Tamper::arm`] is called.
    pub fn disarmed(inner: M, guard: Option<Guard>) -> Self {
        let tamper = Tamper::new(inner, guard);
        tamper.armed.set(false);
        tamper
    }

    /// Takes the guard away from now on.
    pub fn arm(&self) {
        self.flips.set(0);
        self.armed.set(true);
    }

    /// The memory below.
    pub fn inner(&self) -> &M {
        &self.inner
    }

    fn lacks(&self, guard: Guard) -> bool {
        self.armed.get() && self.guard == Some(guard)
    }

    fn store_held(&self) {
        for (offset, value) in self.held.take() {
            self.inner.store_u64(Field::at(offset), value, Ordering::Relaxed);
        }
    }

    fn before_store(&self) {
        self.elsewhere();
        if self.lacks(Guard::MarkLast) {
            self.armed.set(false);
            let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
            let [major, minor, patch] = VERSION;
            let version = word(&[MAGIC[8], major, minor, patch, 1, 0, 0, 0]);
            self.inner.store_u64(header::VERSION_WORD, version, Ordering::Release);
            self.inner.store_u64(header::MAGIC_WORD, word(&MAGIC[..8]), Ordering::Release);
        }
    }

    /// Something else than a page or the index is accessed.
    fn elsewhere(&self) {
        let mut reading = self.reading.borrow_mut();
        reading.words = 0;
        reading.behind_fence = false;
    }

    fn load_index(&self, order: Ordering) -> u8 {
        let mut reading = self.reading.borrow_mut();
        reading.phase = match (reading.behind_fence, reading.words, reading.phase) {
            (true, 5, Phase::First) => Phase::Rechecked,
            (true, _, _) => Phase::Validating,
            _ => Phase::First,
        };
        (reading.words, reading.behind_fence) = (0, false);
        if reading.phase != Phase::Rechecked || !self.lacks(Guard::IndexRecheck) {
            let order = if self.lacks(Guard::FlipAcquire) { Ordering::Relaxed } else { order };
            reading.index = self.inner.load_u8(header::COMMITTED_PAGE, order);
        }
        reading.index
    }

    fn load_page_word(&self, word: usize, field: Field<u64>, order: Ordering) -> u64 {
        let mut reading = self.reading.borrow_mut();
        reading.words += 1;
        reading.behind_fence = false;
        if reading.phase == Phase::Validating && self.lacks(Guard::Validation) {
            return 0;
        }
        if reading.phase == Phase::Second && self.lacks(Guard::SecondReading) {
            return reading.first[word];
        }
        let value = self.inner.load_u64(field, order);
        if reading.phase == Phase::First {
            reading.first[word] = value;
        }
        value
    }
}

impl<M: Mem> Mem for Tamper<M> {
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
        if field == header::COMMITTED_PAGE {
            return self.load_index(order);
        }
        self.elsewhere();
        self.inner.load_u8(field, order)
    }
    fn load_u32(&self, field: Field<u32>, order: Ordering) -> u32 {
        self.elsewhere();
        self.inner.load_u32(field, order)
    }
    fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64 {
        if let Some(word) = page_word(field.offset()) {
            return self.load_page_word(word, field, order);
        }
        self.elsewhere();
        if field == header::MUTEX_PREV && self.lacks(Guard::PageBeforeFlip) {
            // Behind the refresh of the working page, which is not what this guard is about.
            self.store_held();
        }
        self.inner.load_u64(field, order)
    }
    fn store_u8(&self, field: Field<u8>, value: u8, order: Ordering) {
        self.before_store();
        if field != header::COMMITTED_PAGE {
            return self.inner.store_u8(field, value, order);
        }
        let flips = self.flips.get();
        self.flips.set(flips + 1);
        let order = if self.lacks(Guard::FlipRelease) { Ordering::Relaxed } else { order };
        if self.lacks(Guard::PageBeforeFlip) {
            self.inner.store_u8(field, value, order);
            self.store_held();
        } else if flips > 0 || !self.lacks(Guard::EvictionCommit) {
            self.store_held();
            self.inner.store_u8(field, value, order);
        }
    }
    fn store_u32(&self, field: Field<u32>, value: u32, order: Ordering) {
        self.before_store();
        self.counted.set(self.counted.get() || field == header::EVENTS);
        if field != header::FOREIGN || !self.lacks(Guard::ForeignMark) {
            self.inner.store_u32(field, value, order);
        }
    }
    fn store_u64(&self, field: Field<u64>, value: u64, order: Ordering) {
        self.before_store();
        let on_page = page_word(field.offset()).is_some();
        if on_page && (self.lacks(Guard::PageBeforeFlip) || self.lacks(Guard::WorkingPageRefresh)) {
            // Held back until the index flips, which never comes for a refresh.
            self.held.borrow_mut().push((field.offset(), value));
        } else if !on_page || self.flips.get() > 0 || !self.lacks(Guard::EvictionCommit) {
            self.inner.store_u64(field, value, order);
        }
    }
    fn cas_u32(&self, field: Field<u32>, current: u32, new: u32, order: Ordering) -> Result<u32, u32> {
        self.before_store();
        let wakes = field == header::SLEEPERS && new & 3 == 0;
        let new = if wakes && self.lacks(Guard::WakeEpoch) { current & !3 } else { new };
        self.inner.cas_u32(field, current, new, order)
    }
    fn fetch_add_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.before_store();
        let value = if field == header::EVENTS && self.lacks(Guard::WakeEvent) { 0 } else { value };
        self.inner.fetch_add_u32(field, value, order)
    }
    fn fetch_or_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.before_store();
        self.inner.fetch_or_u32(field, value, order)
    }
    fn fence(&self, order: Ordering) {
        let lacking = match order {
            Ordering::Acquire => {
                let mut reading = self.reading.borrow_mut();
                if reading.phase == Phase::Rechecked && reading.words == 0 {
                    reading.phase = Phase::Second;
                }
                reading.behind_fence = true;
                Guard::AcquireFences
            }
            Ordering::Release if self.counted.take() => Guard::ReleaseFences,
            Ordering::Release if self.lacks(Guard::ReleaseFences) => Guard::ReleaseFences,
            Ordering::Release => Guard::LockFence,
            _ => Guard::SeqCstFences,
        };
        if !self.lacks(lacking) {
            self.inner.fence(order);
        }
    }
    fn fence_after_rmw(&self) {
        if !self.lacks(Guard::SeqCstFences) {
            self.inner.fence_after_rmw();
        }
    }
    fn read(&self, offset: u64, into: &mut [u8]) {
        self.elsewhere();
        self.inner.read(offset, into);
    }
    fn write(&self, offset: u64, bytes: &[u8]) {
        self.before_store();
        self.inner.write(offset, bytes);
    }
}

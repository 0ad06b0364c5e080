//! Memory that remembers the order of its stores.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use a0_core::Mem;
use a0_core::layout::Field;

/// Memory that logs every store since the last [`StoreLog::mark`].
///
/// A process that is killed has executed some prefix of its stores, in program order, and nothing else: that is what
/// [`StoreLog::images`] gives. (A computer that loses power is another matter, but then shared memory is gone too.)
#[derive(Debug)]
pub struct StoreLog {
    size: u64,
    inner: RefCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The memory at the mark.
    before: Vec<u8>,
    now: Vec<u8>,
    stores: Vec<Store>,
    /// Stores from this one on stay behind those before it.
    fence: usize,
}

#[derive(Debug)]
struct Store {
    at: usize,
    bytes: Vec<u8>,
    /// Stays behind all stores before it.
    release: bool,
    /// Stays behind the stores before this one.
    fence: usize,
}

impl Store {
    /// Whether this one must come behind the `i`th, which the program does earlier.
    fn follows(&self, i: usize, earlier: &Store) -> bool {
        let overlap = self.at < earlier.at + earlier.bytes.len() && earlier.at < self.at + self.bytes.len();
        self.release || i < self.fence || overlap
    }
}

/// A copy into the arena can be cut off between any two of these.
const COPY_UNIT: usize = 8;

/// Bytes that processors exchange at a time.
const CACHE_LINE: usize = 64;

impl StoreLog {
    /// Starts from this content.
    pub fn new(bytes: &[u8]) -> Self {
        StoreLog::claiming(bytes, bytes.len() as u64)
    }

    /// Says that there are `size` bytes, of which only these must ever be used.
    pub fn claiming(bytes: &[u8], size: u64) -> Self {
        let inner = Inner { before: bytes.to_vec(), now: bytes.to_vec(), stores: Vec::new(), fence: 0 };
        StoreLog { size, inner: RefCell::new(inner) }
    }

    /// Forgets the stores so far: the log goes on from the memory as it is.
    pub fn mark(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.before = inner.now.clone();
        inner.stores.clear();
        inner.fence = 0;
    }

    /// Stores since the mark.
    pub fn stores(&self) -> usize {
        self.inner.borrow().stores.len()
    }

    /// Cache lines stored to since the mark, by their number from the start of the memory.
    pub fn lines(&self) -> BTreeSet<usize> {
        let inner = self.inner.borrow();
        let lines = inner.stores.iter().flat_map(|Store { at, bytes, .. }| [*at, at + bytes.len() - 1]);
        lines.map(|byte| byte / CACHE_LINE).collect()
    }

    /// The memory as it is.
    pub fn bytes(&self) -> Vec<u8> {
        self.inner.borrow().now.clone()
    }

    /// The memory after each prefix of the stores since the mark, from none of them to all.
    pub fn images(&self) -> Vec<Vec<u8>> {
        let inner = self.inner.borrow();
        let mut image = inner.before.clone();
        let mut images = vec![image.clone()];
        for store in &inner.stores {
            image[store.at..][..store.bytes.len()].copy_from_slice(&store.bytes);
            images.push(image.clone());
        }
        images
    }

    /// As [`StoreLog::images`], in another order of the stores: one that the orderings asked for allow, picked at random.
    ///
    /// That is what a compiler may make of the program, and more than a processor does.
    pub fn images_reordered(&self, seed: u64) -> Vec<Vec<u8>> {
        let inner = self.inner.borrow();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut left: Vec<(usize, &Store)> = inner.stores.iter().enumerate().collect();
        let mut image = inner.before.clone();
        let mut images = vec![image.clone()];
        while !left.is_empty() {
            let free = |at: &usize| {
                let store = left[*at].1;
                !left[..*at].iter().any(|(i, earlier)| store.follows(*i, earlier))
            };
            let choice: Vec<usize> = (0..left.len()).filter(free).collect();
            let (_, store) = left.remove(choice[random.next_u64() as usize % choice.len()]);
            image[store.at..][..store.bytes.len()].copy_from_slice(&store.bytes);
            images.push(image.clone());
        }
        images
    }

    fn get<const N: usize>(&self, offset: u64) -> [u8; N] {
        let inner = self.inner.borrow();
        inner.now[offset as usize..][..N].try_into().expect("N bytes")
    }

    fn set(&self, offset: u64, bytes: &[u8], order: Ordering) {
        let mut inner = self.inner.borrow_mut();
        inner.now[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        let fence = inner.fence;
        let release = order != Ordering::Relaxed;
        inner.stores.push(Store { at: offset as usize, bytes: bytes.to_vec(), release, fence });
    }

    /// Nothing later comes before anything earlier.
    fn barrier(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.fence = inner.stores.len();
    }

    fn update(&self, field: Field<u32>, change: impl FnOnce(u32) -> u32) -> u32 {
        let old = u32::from_le_bytes(self.get(field.offset()));
        self.set(field.offset(), &change(old).to_le_bytes(), Ordering::AcqRel);
        self.barrier();
        old
    }
}

impl Mem for StoreLog {
    fn size(&self) -> u64 {
        self.size
    }
    fn load_u8(&self, field: Field<u8>, _: Ordering) -> u8 {
        u8::from_le_bytes(self.get(field.offset()))
    }
    fn load_u32(&self, field: Field<u32>, _: Ordering) -> u32 {
        u32::from_le_bytes(self.get(field.offset()))
    }
    fn load_u64(&self, field: Field<u64>, _: Ordering) -> u64 {
        u64::from_le_bytes(self.get(field.offset()))
    }
    fn store_u8(&self, field: Field<u8>, value: u8, order: Ordering) {
        self.set(field.offset(), &[value], order);
    }
    fn store_u32(&self, field: Field<u32>, value: u32, order: Ordering) {
        self.set(field.offset(), &value.to_le_bytes(), order);
    }
    fn store_u64(&self, field: Field<u64>, value: u64, order: Ordering) {
        self.set(field.offset(), &value.to_le_bytes(), order);
    }
    fn cas_u32(&self, field: Field<u32>, current: u32, new: u32, _: Ordering) -> Result<u32, u32> {
        let old = u32::from_le_bytes(self.get(field.offset()));
        if old != current {
            return Err(old);
        }
        self.set(field.offset(), &new.to_le_bytes(), Ordering::AcqRel);
        self.barrier();
        Ok(old)
    }
    fn fetch_add_u32(&self, field: Field<u32>, value: u32, _: Ordering) -> u32 {
        self.update(field, |old| old.wrapping_add(value))
    }
    fn fetch_or_u32(&self, field: Field<u32>, value: u32, _: Ordering) -> u32 {
        self.update(field, |old| old | value)
    }
    fn fence(&self, order: Ordering) {
        // An acquire fence keeps stores behind loads, and says nothing of other stores.
        if order != Ordering::Acquire {
            self.barrier();
        }
    }
    fn read(&self, offset: u64, into: &mut [u8]) {
        into.copy_from_slice(&self.inner.borrow().now[offset as usize..][..into.len()]);
    }
    fn write(&self, offset: u64, bytes: &[u8]) {
        for (i, part) in bytes.chunks(COPY_UNIT).enumerate() {
            self.set(offset + (i * COPY_UNIT) as u64, part, Ordering::Relaxed);
        }
    }
}

//! Memory that remembers the order of its stores.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

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
    stores: Vec<(usize, Vec<u8>)>,
}

/// A copy into the arena can be cut off between any two of these.
const COPY_UNIT: usize = 8;

impl StoreLog {
    /// Starts from this content.
    pub fn new(bytes: &[u8]) -> Self {
        StoreLog::claiming(bytes, bytes.len() as u64)
    }

    /// Says that there are `size` bytes, of which only these must ever be used.
    pub fn claiming(bytes: &[u8], size: u64) -> Self {
        let inner = Inner { before: bytes.to_vec(), now: bytes.to_vec(), stores: Vec::new() };
        StoreLog { size, inner: RefCell::new(inner) }
    }

    /// Forgets the stores so far: the log goes on from the memory as it is.
    pub fn mark(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.before = inner.now.clone();
        inner.stores.clear();
    }

    /// Stores since the mark.
    pub fn stores(&self) -> usize {
        self.inner.borrow().stores.len()
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
        for (at, bytes) in &inner.stores {
            image[*at..][..bytes.len()].copy_from_slice(bytes);
            images.push(image.clone());
        }
        images
    }

    fn get<const N: usize>(&self, offset: u64) -> [u8; N] {
        let inner = self.inner.borrow();
        inner.now[offset as usize..][..N].try_into().expect("N bytes")
    }

    fn set(&self, offset: u64, bytes: &[u8]) {
        let mut inner = self.inner.borrow_mut();
        inner.now[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        inner.stores.push((offset as usize, bytes.to_vec()));
    }

    fn update(&self, field: Field<u32>, change: impl FnOnce(u32) -> u32) -> u32 {
        let old = u32::from_le_bytes(self.get(field.offset()));
        self.set(field.offset(), &change(old).to_le_bytes());
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
    fn store_u8(&self, field: Field<u8>, value: u8, _: Ordering) {
        self.set(field.offset(), &[value]);
    }
    fn store_u32(&self, field: Field<u32>, value: u32, _: Ordering) {
        self.set(field.offset(), &value.to_le_bytes());
    }
    fn store_u64(&self, field: Field<u64>, value: u64, _: Ordering) {
        self.set(field.offset(), &value.to_le_bytes());
    }
    fn cas_u32(&self, field: Field<u32>, current: u32, new: u32, _: Ordering) -> Result<u32, u32> {
        let old = u32::from_le_bytes(self.get(field.offset()));
        if old != current {
            return Err(old);
        }
        self.set(field.offset(), &new.to_le_bytes());
        Ok(old)
    }
    fn fetch_add_u32(&self, field: Field<u32>, value: u32, _: Ordering) -> u32 {
        self.update(field, |old| old.wrapping_add(value))
    }
    fn fetch_or_u32(&self, field: Field<u32>, value: u32, _: Ordering) -> u32 {
        self.update(field, |old| old | value)
    }
    fn fetch_and_u32(&self, field: Field<u32>, value: u32, _: Ordering) -> u32 {
        self.update(field, |old| old & value)
    }
    fn fence(&self, _: Ordering) {}
    fn read(&self, offset: u64, into: &mut [u8]) {
        into.copy_from_slice(&self.inner.borrow().now[offset as usize..][..into.len()]);
    }
    fn write(&self, offset: u64, bytes: &[u8]) {
        for (i, part) in bytes.chunks(COPY_UNIT).enumerate() {
            self.set(offset + (i * COPY_UNIT) as u64, part);
        }
    }
}

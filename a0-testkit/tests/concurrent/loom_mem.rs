//! Memory made of loom's atomics.

use std::sync::atomic::Ordering;

use a0_core::Mem;
use a0_core::layout::{Field, header};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, fence};

/// Memory in which loom tries every value that a load may give.
///
/// Loads of the frame area and of the state pages are what makes the number of executions explode, so a test names the
/// words it is about. The rest always gives the newest value: a thread sees less disorder there than it could, never
/// more.
///
/// Loom decides where to interrupt a thread by the last access to the same atomic, whoever made it. A load of a thread's
/// own then hides an earlier one of another thread from the store that follows, and whole families of schedules are
/// never tried. So each access here first touches a `Turn`.
///
/// Loom treats sequentially consistent accesses as acquire-release ones; sequentially consistent fences, which the core
/// uses instead, it knows.
#[derive(Clone, Debug)]
pub struct LoomMem {
    inner: Arc<Inner>,
}

/// Something that every two accesses conflict in, with no effect on what anybody may see: an exchange that always
/// fails, of a value that nobody stores.
#[derive(Debug)]
struct Turn(AtomicBool);

impl Turn {
    fn new() -> Self {
        Turn(AtomicBool::new(false))
    }

    fn take(&self) {
        let taken = self.0.compare_exchange(true, true, Ordering::Relaxed, Ordering::Relaxed);
        assert_eq!(taken, Err(false), "nobody stores here");
    }
}

#[derive(Debug)]
struct Inner {
    /// Every eighth byte from 0 on, except where the narrower fields are.
    words: Vec<Word>,
    /// Lock word, foreign mark, events, sleepers: offsets 32 to 44.
    halves: [(Turn, AtomicU32); 4],
    committed_page: (Turn, AtomicU8),
}

#[derive(Debug)]
enum Word {
    Modelled(Turn, AtomicU64),
    /// Loaded by an exchange that always fails, which gives the newest value, and the order that comes with it.
    Newest(AtomicU64),
}

/// Nobody stores this.
const NEVER: u64 = 0xDEAD_BEEF_0BAD_CAFE;

const HALVES: u64 = 32;

impl LoomMem {
    /// Starts from this content; its length must be a multiple of 8. `modelled` says which 64-bit words, by offset,
    /// loom shall look after.
    ///
    /// Call it inside a loom model.
    pub fn new(bytes: &[u8], modelled: impl Fn(u64) -> bool) -> Self {
        let (chunks, rest) = bytes.as_chunks::<8>();
        assert!(rest.is_empty(), "a multiple of 8");
        let word = |(i, chunk): (usize, &[u8; 8])| {
            let value = u64::from_le_bytes(*chunk);
            if modelled(8 * i as u64) {
                Word::Modelled(Turn::new(), AtomicU64::new(value))
            } else {
                Word::Newest(AtomicU64::new(value))
            }
        };
        let half = |i: usize| {
            let at = HALVES as usize + 4 * i;
            let value = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
            (Turn::new(), AtomicU32::new(value))
        };
        let inner = Inner {
            words: chunks.iter().enumerate().map(word).collect(),
            halves: std::array::from_fn(half),
            committed_page: (Turn::new(), AtomicU8::new(bytes[header::COMMITTED_PAGE.offset() as usize])),
        };
        LoomMem { inner: Arc::new(inner) }
    }

    fn load(&self, offset: u64, order: Ordering) -> u64 {
        assert_eq!(offset % 8, 0, "offset {offset}");
        match &self.inner.words[offset as usize / 8] {
            Word::Modelled(turn, word) => {
                turn.take();
                word.load(order)
            }
            Word::Newest(word) => word.compare_exchange(NEVER, NEVER, order, order).expect_err("nobody stores this"),
        }
    }

    fn store(&self, offset: u64, value: u64, order: Ordering) {
        assert_eq!(offset % 8, 0, "offset {offset}");
        match &self.inner.words[offset as usize / 8] {
            Word::Modelled(turn, word) => {
                turn.take();
                word.store(value, order);
            }
            Word::Newest(word) => word.store(value, order),
        }
    }

    fn half(&self, field: Field<u32>) -> &AtomicU32 {
        let at = field.offset().checked_sub(HALVES).filter(|at| at % 4 == 0).expect("one of the 32-bit fields");
        let (turn, half) = &self.inner.halves[at as usize / 4];
        turn.take();
        half
    }

    fn index(&self, field: Field<u8>) -> &AtomicU8 {
        assert_eq!(field, header::COMMITTED_PAGE);
        let (turn, index) = &self.inner.committed_page;
        turn.take();
        index
    }
}

impl Mem for LoomMem {
    fn size(&self) -> u64 {
        8 * self.inner.words.len() as u64
    }
    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
        self.index(field).load(order)
    }
    fn load_u32(&self, field: Field<u32>, order: Ordering) -> u32 {
        self.half(field).load(order)
    }
    fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64 {
        self.load(field.offset(), order)
    }
    fn store_u8(&self, field: Field<u8>, value: u8, order: Ordering) {
        self.index(field).store(value, order);
    }
    fn store_u32(&self, field: Field<u32>, value: u32, order: Ordering) {
        self.half(field).store(value, order);
    }
    fn store_u64(&self, field: Field<u64>, value: u64, order: Ordering) {
        self.store(field.offset(), value, order);
    }
    fn cas_u32(&self, field: Field<u32>, current: u32, new: u32, order: Ordering) -> Result<u32, u32> {
        self.half(field).compare_exchange(current, new, order, Ordering::Relaxed)
    }
    fn fetch_add_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.half(field).fetch_add(value, order)
    }
    fn fetch_or_u32(&self, field: Field<u32>, value: u32, order: Ordering) -> u32 {
        self.half(field).fetch_or(value, order)
    }
    fn fence(&self, order: Ordering) {
        fence(order);
    }
    fn read(&self, offset: u64, into: &mut [u8]) {
        for (i, part) in into.chunks_mut(8).enumerate() {
            let word = self.load(offset + 8 * i as u64, Ordering::Relaxed).to_le_bytes();
            part.copy_from_slice(&word[..part.len()]);
        }
    }
    fn write(&self, offset: u64, bytes: &[u8]) {
        for (i, part) in bytes.chunks(8).enumerate() {
            let at = offset + 8 * i as u64;
            let mut word = [0; 8];
            if part.len() < 8 {
                word = self.load(at, Ordering::Relaxed).to_le_bytes();
            }
            word[..part.len()].copy_from_slice(part);
            self.store(at, u64::from_le_bytes(word), Ordering::Relaxed);
        }
    }
}

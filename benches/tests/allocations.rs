//! In steady state nothing is allocated per message, neither by publishers nor by subscribers.
#![allow(unsafe_code, reason = "a global allocator is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use a0_std::{File, FileOptions, Init, Reader, ReaderSync, Writer};

/// The system's allocator, which counts.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: hands every call on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WARM_UP: u64 = 1000;
const MESSAGES: u64 = 10_000;

// Without a harness, as the counter is of the whole process.
fn main() {
    let dir = a0_benches::topics::directory().unwrap();
    let file = File::open(dir.path().join("topic.a0"), &FileOptions::default().size(1 << 16)).unwrap();
    let writer = Writer::new(&file).with_standard_headers();
    let mut sync = ReaderSync::new(&file, Init::Oldest).unwrap();
    static CALLED: AtomicU64 = AtomicU64::new(0);
    let threaded = Reader::new(&file, Init::Oldest, |message| {
        assert_eq!(message.payload().len(), 64);
        CALLED.store(message.seq(), Ordering::Release);
    })
    .unwrap();

    let mut exchange = |count: u64| {
        for _ in 0..count {
            let published = writer.write_with(&[("unit", "mm")], [7; 64]).unwrap();
            let message = sync.read_blocking(Duration::from_secs(10)).unwrap();
            assert_eq!((message.seq(), message.header("unit")), (published.seq, Some("mm")));
            let started = Instant::now();
            while CALLED.load(Ordering::Acquire) < published.seq {
                assert!(started.elapsed() < Duration::from_secs(10), "the subscriber's thread is stuck");
                std::thread::yield_now();
            }
        }
    };
    exchange(WARM_UP);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    exchange(MESSAGES);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert_eq!(allocations, 0, "allocations for {MESSAGES} messages");
    drop(threaded);

    // A control: the counter counts.
    drop(std::hint::black_box(vec![0u8; 16]));
    assert!(ALLOCATIONS.load(Ordering::Relaxed) > before);
    println!("{MESSAGES} messages cost no allocation");
}

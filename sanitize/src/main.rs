//! Bugs on purpose, one for each kind that a sanitizer must report: if one of them goes unnoticed, nobody was looking.
//!
//! They go through `a0-core`, so that they also show that the library itself is instrumented, not only the tests.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;

use a0_core::layout::header;
use a0_core::{Access, Mem, RawMem};

const SIZE: usize = 4096;

fn memory(bytes: &mut [u64]) -> RawMem<()> {
    let start = NonNull::from(bytes).cast();
    // SAFETY: there is none: the callers break the promise that the bytes stay where they are, and that there are so many.
    unsafe { RawMem::new((), start, SIZE, Access::ReadWrite) }.expect("large enough")
}

fn main() {
    let mut bytes = vec![0_u64; SIZE / 8];
    match std::env::args().nth(1).as_deref() {
        Some("use-after-free") => {
            let mem = memory(&mut bytes);
            drop(bytes);
            println!("{}", mem.load_u64(header::MAGIC_WORD, Relaxed));
        }
        // A copy of a payload, which is inline assembly: only what looks at every instruction can see it.
        Some("copy-past-the-end") => {
            bytes.truncate(SIZE / 8 - 2);
            bytes.shrink_to_fit();
            let mut copy = [0; 64];
            memory(&mut bytes).read(SIZE as u64 - 64, &mut copy);
            println!("{copy:?}");
        }
        Some("leak") => {
            std::hint::black_box(Box::leak(bytes.into_boxed_slice()));
        }
        _ => panic!("usage: a0-sanitize use-after-free|copy-past-the-end|leak"),
    }
}

//! Copies between private memory and bytes that others may change while they are copied.
//!
//! An ordinary copy of racing bytes is undefined behaviour to the compiler, whatever is validated afterwards.
//! On x86-64 the shared side is therefore touched only inside inline assembly, about which the compiler assumes
//! nothing; it is also 1.4 to 2.5 times as fast as a loop of relaxed atomic words. Elsewhere it is that loop.
#![allow(unsafe_code)]

/// From here on the microcoded string copy beats the vector loop.
#[cfg(target_arch = "x86_64")]
const STRING_COPY_FROM: usize = 2048;

/// Copies out of shared memory.
///
/// # Safety
/// `from` must be readable and `to` writable for `len` bytes, and the two must not overlap.
#[inline(always)]
pub(super) unsafe fn shared_to_private(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's contract is that of `copy`.
    unsafe {
        copy(from, to, len)
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller's contract; the shared side is `from`.
    unsafe {
        words::load(from, to, len)
    }
}

/// Copies into shared memory.
///
/// # Safety
/// `from` must be readable and `to` writable for `len` bytes, and the two must not overlap.
#[inline(always)]
pub(super) unsafe fn private_to_shared(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's contract is that of `copy`.
    unsafe {
        copy(from, to, len)
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller's contract; the shared side is `to`.
    unsafe {
        words::store(from, to, len)
    }
}

/// # Safety
/// `from` must be readable and `to` writable for `len` bytes, and the two must not overlap.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    use core::arch::asm;
    if len >= STRING_COPY_FROM {
        // SAFETY: reads `len` bytes at `from` and writes them at `to`, both valid by contract; the direction flag is
        // clear on entry to any asm block.
        unsafe {
            asm!("rep movsb", inout("rcx") len => _, inout("rsi") from => _, inout("rdi") to => _,
                options(nostack, preserves_flags));
        }
    } else if len >= 16 {
        // Blocks of 64, then of 16, then one block that ends exactly at the end and may overlap the one before.
        // SAFETY: every access lies in [0, len) of the two ranges: the loops stop where a whole block no longer fits,
        // and the last block starts at len - 16 >= 0.
        unsafe {
            asm!(
                "cmp {left}, 64",
                "jb 3f",
                "2:",
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]",
                "movups {d}, [{from} + 48]",
                "movups [{to}], {a}",
                "movups [{to} + 16], {b}",
                "movups [{to} + 32], {c}",
                "movups [{to} + 48], {d}",
                "add {from}, 64",
                "add {to}, 64",
                "sub {left}, 64",
                "cmp {left}, 64",
                "jae 2b",
                "3:",
                "cmp {left}, 16",
                "jb 5f",
                "4:",
                "movups {a}, [{from}]",
                "movups [{to}], {a}",
                "add {from}, 16",
                "add {to}, 16",
                "sub {left}, 16",
                "cmp {left}, 16",
                "jae 4b",
                "5:",
                "test {left}, {left}",
                "jz 6f",
                "movups {a}, [{from} + {left} - 16]",
                "movups [{to} + {left} - 16], {a}",
                "6:",
                from = inout(reg) from => _,
                to = inout(reg) to => _,
                left = inout(reg) len => _,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack),
            );
        }
    } else if len >= 8 {
        // SAFETY: two eight-byte accesses that together cover [0, len), since 8 <= len < 16.
        unsafe {
            asm!(
                "mov {a}, [{from}]",
                "mov {b}, [{from} + {len} - 8]",
                "mov [{to}], {a}",
                "mov [{to} + {len} - 8], {b}",
                from = in(reg) from, to = in(reg) to, len = in(reg) len, a = out(reg) _, b = out(reg) _,
                options(nostack, preserves_flags),
            );
        }
    } else {
        // SAFETY: copies byte by byte, exactly `len` times.
        unsafe {
            asm!(
                "test {len}, {len}",
                "jz 3f",
                "2:",
                "mov {a}, byte ptr [{from} + {len} - 1]",
                "mov byte ptr [{to} + {len} - 1], {a}",
                "dec {len}",
                "jnz 2b",
                "3:",
                from = in(reg) from, to = in(reg) to, len = inout(reg) len => _, a = out(reg_byte) _,
                options(nostack),
            );
        }
    }
}

/// Relaxed atomic accesses: eight bytes at a time where the shared side is aligned, single bytes at its ends.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod words {
    use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

    /// Splits `len` bytes at `shared` into an unaligned start, whole words, and a rest.
    fn split(shared: *const u8, len: usize) -> (usize, usize) {
        let start = shared.align_offset(align_of::<AtomicU64>()).min(len);
        (start, (len - start) / 8)
    }

    /// # Safety
    /// As [`super::shared_to_private`]; `from` is the shared side.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "used elsewhere; tested here"))]
    pub(super) unsafe fn load(from: *const u8, to: *mut u8, len: usize) {
        let (start, words) = split(from, len);
        let byte = |i: usize| {
            let (from, to) = (from.wrapping_add(i), to.wrapping_add(i));
            // SAFETY: inside the source, which outlives the call.
            let value = unsafe { AtomicU8::from_ptr(from.cast_mut()) }.load(Relaxed);
            // SAFETY: inside the destination.
            unsafe { to.write(value) };
        };
        (0..start).for_each(byte);
        for w in 0..words {
            let i = start + 8 * w;
            let (from, to) = (from.wrapping_add(i), to.wrapping_add(i));
            // SAFETY: aligned by `split` and inside the source.
            let value = unsafe { AtomicU64::from_ptr(from.cast_mut().cast()) }.load(Relaxed);
            // SAFETY: inside the destination.
            unsafe { to.cast::<u64>().write_unaligned(value) };
        }
        (start + 8 * words..len).for_each(byte);
    }

    /// # Safety
    /// As [`super::private_to_shared`]; `to` is the shared side.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "used elsewhere; tested here"))]
    pub(super) unsafe fn store(from: *const u8, to: *mut u8, len: usize) {
        let (start, words) = split(to, len);
        let byte = |i: usize| {
            let (from, to) = (from.wrapping_add(i), to.wrapping_add(i));
            // SAFETY: inside the source.
            let value = unsafe { from.read() };
            // SAFETY: inside the destination, which outlives the call.
            unsafe { AtomicU8::from_ptr(to) }.store(value, Relaxed);
        };
        (0..start).for_each(byte);
        for w in 0..words {
            let i = start + 8 * w;
            let (from, to) = (from.wrapping_add(i), to.wrapping_add(i));
            // SAFETY: inside the source.
            let value = unsafe { from.cast::<u64>().read_unaligned() };
            // SAFETY: aligned by `split` and inside the destination.
            unsafe { AtomicU64::from_ptr(to.cast()) }.store(value, Relaxed);
        }
        (start + 8 * words..len).for_each(byte);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    #[test]
    fn every_length_and_alignment_copies_exactly() {
        let source: Vec<u8> = (0..5000usize).map(|i| (i * 31 + i / 256) as u8).collect();
        let lengths = (0..200).chain([255, 256, 1000, 2047, 2048, 2049, 4096]);
        for len in lengths {
            for shift in 0..9 {
                for copy in
                    [super::shared_to_private, super::private_to_shared, super::words::load, super::words::store]
                {
                    let mut target = std::vec![0xEE_u8; len + 32];
                    // SAFETY: both ranges lie inside their vectors.
                    unsafe { copy(source[shift..].as_ptr(), target[8 + shift / 2..].as_mut_ptr(), len) };
                    let at = 8 + shift / 2;
                    assert_eq!(target[at..at + len], source[shift..shift + len], "len {len} shift {shift}");
                    assert!(target[..at].iter().chain(&target[at + len..]).all(|b| *b == 0xEE));
                }
            }
        }
    }
}

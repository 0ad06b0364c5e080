//! What tells a topic from other memory.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::error::Corruption;
use crate::layout::{MAGIC, VERSION, WORKSPACE, header, page};
use crate::mem::Mem;

/// Whether [`Transport::open`](crate::Transport::open) would find a sound 0.3 header in this memory, or initialise one: for those who keep words
/// of their own in it, and must not write into somebody else's file.
pub fn is_topic<M: Mem + ?Sized>(mem: &M) -> bool {
    mem.size() >= WORKSPACE && (is_uninitialized(mem) || check_header(mem).is_ok())
}

/// Whether this is memory that nobody has initialised, or not to the end.
pub(crate) fn is_uninitialized<M: Mem + ?Sized>(mem: &M) -> bool {
    let start = mem.load_u64(header::MAGIC_WORD, Relaxed);
    // Guard MarkLast. Acquire: the rest of the header was stored before.
    let initialized = mem.load_u64(header::VERSION_WORD, Acquire).to_le_bytes()[4] != 0;
    !initialized && (start == 0 || start == magic_word())
}

/// Writes the header, in an order in which a crash at any point leaves the file uninitialised.
pub(crate) fn initialize<M: Mem + ?Sized>(mem: &M) {
    for index in [0, 1] {
        mem.store_u64(page::high_water_mark(index), WORKSPACE, Relaxed);
    }
    mem.store_u64(header::ARENA_SIZE, mem.size(), Relaxed);
    // Guard MarkLast.
    mem.store_u64(header::MAGIC_WORD, magic_word(), Relaxed);
    mem.store_u64(header::VERSION_WORD, version_word(), Release);
}

/// Whether the fixed part of the header is that of a 0.3 topic, and fits the memory.
pub(crate) fn check_header<M: Mem + ?Sized>(mem: &M) -> Result<(), Corruption> {
    let word = mem.load_u64(header::MAGIC_WORD, Relaxed).to_le_bytes();
    let [ninth, major, minor, _, initialized, ..] = mem.load_u64(header::VERSION_WORD, Relaxed).to_le_bytes();
    if word != MAGIC[..8] || ninth != MAGIC[8] || initialized == 0 {
        return Err(Corruption::Magic);
    }
    if [major, minor] != VERSION[..2] {
        return Err(Corruption::Version { major, minor });
    }
    let index = mem.load_u8(header::COMMITTED_PAGE, Acquire);
    if index > 1 {
        return Err(Corruption::PageIndex { index });
    }
    let (arena, size) = (mem.load_u64(header::ARENA_SIZE, Relaxed), mem.size());
    if arena < WORKSPACE || arena > size {
        return Err(Corruption::ArenaSize { arena, size });
    }
    Ok(())
}

/// The first eight bytes of a 0.3 file.
pub(crate) fn magic_word() -> u64 {
    let [word @ .., _] = MAGIC;
    u64::from_le_bytes(word)
}

/// Bytes 8 to 15 of an initialised 0.3 file: `O`, the version, `initialized`, three zeros.
pub(crate) fn version_word() -> u64 {
    u64::from_le_bytes([MAGIC[8], VERSION[0], VERSION[1], VERSION[2], 1, 0, 0, 0])
}

//! In-place conversion of a 0.2 topic.
//!
//! A 0.2 file starts with the bytes `01 01`. Its committed page index is the `u32` at 120; page 0 is at 56, page 1 at 88,
//! each four words: `seq_low`, `seq_high`, `off_head`, `off_tail`. Frames and packets are those of 0.3.

use core::sync::atomic::Ordering::{Relaxed, Release};

use crate::layout::{Field, header, page};
use crate::mem::Mem;
use crate::state::State;
use crate::topic_header::{magic_word, version_word};

const MARK: u64 = 0x0101;
const OLD_PAGE_0: u64 = 56;
const OLD_PAGE_1: u64 = 88;
/// The old index is the low half of this word, which is page 1's `high_water_mark` in 0.3.
const OLD_INDEX: Field<u64> = page::high_water_mark(1);

/// Whether this is a 0.2 topic.
pub(crate) fn is_version_0_2<M: Mem + ?Sized>(mem: &M) -> bool {
    mem.load_u64(header::MAGIC_WORD, Relaxed) & 0xFFFF == MARK
}

/// Converts the header; the caller holds the lock.
///
/// The process may die between any two stores: until the magic is there the file is still a 0.2 topic with the same
/// content, and from then on it is a 0.3 topic. To that end the old page 0, which the new pages would overwrite in part, is first moved to where old
/// page 1 was. That place is also where the 0.3 page 1 has its first four words, so nothing moves again.
pub(crate) fn upgrade<M: Mem + ?Sized>(mem: &M) {
    let size = mem.size();
    let old_index = mem.load_u64(OLD_INDEX, Relaxed) as u32;
    let from = if old_index == 0 { OLD_PAGE_0 } else { OLD_PAGE_1 };
    let word = |i: u64| mem.load_u64(Field::at(from + 8 * i), Relaxed);
    let state =
        State { seq_low: word(0), seq_high: word(1), off_head: word(2), off_tail: word(3), high_water_mark: size };
    let store = |field, value| {
        mem.store_u64(field, value, Relaxed);
        mem.fence(Release);
    };
    store(page::seq_low(1), state.seq_low);
    store(page::seq_high(1), state.seq_high);
    store(page::off_head(1), state.off_head);
    store(page::off_tail(1), state.off_tail);
    // From here on the old index is not 0 and names the page just written. Only its low half counts, which is 0 in
    // a size that is a multiple of 4 GiB.
    store(OLD_INDEX, if size as u32 == 0 { 1 } else { size });
    store(page::seq_low(0), state.seq_low);
    store(page::seq_high(0), state.seq_high);
    store(page::off_head(0), state.off_head);
    store(page::off_tail(0), state.off_tail);
    store(page::high_water_mark(0), size);
    store(header::ARENA_SIZE, size);
    store(header::MUTEX_NEXT, 0);
    store(header::MUTEX_PREV, 0);
    for word in [header::FOREIGN, header::EVENTS, header::SLEEPERS, header::PID_NAMESPACE] {
        mem.store_u32(word, 0, Relaxed);
    }
    mem.store_u8(header::COMMITTED_PAGE, 0, Relaxed);
    // The rest of the low half of the old arena size; its high half is the namespace's word now.
    mem.write(header::COMMITTED_PAGE.offset() + 1, &[0; 3]);
    // Guard MarkLast.
    store(header::VERSION_WORD, version_word());
    store(header::MAGIC_WORD, magic_word());
    // Page 1 is the working page now, which nobody reads before it is written.
    store(page::high_water_mark(1), size);
}

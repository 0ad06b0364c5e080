//! The headers that AlephZero programs expect in each packet, as far as they are a writer's.

use std::sync::atomic::{AtomicU64, Ordering};

use a0_core::Id;
use a0_core::packet::StandardHeaders;

use crate::id::random_id;

/// What the standard headers of one writer share.
#[derive(Debug)]
pub(super) struct Standard {
    pub(super) writer_id: Id,
    pub(super) headers: StandardHeaders,
    next_seq: AtomicU64,
}

impl Standard {
    pub(super) fn new() -> Standard {
        let writer_id = random_id();
        let headers = StandardHeaders::new(&writer_id);
        Standard { writer_id, headers, next_seq: AtomicU64::new(0) }
    }

    /// The number of the writer's next packet. Only for the lock's holder.
    #[inline(always)]
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(super) fn set_next_seq(&self, next: u64) {
        self.next_seq.store(next, Ordering::Relaxed);
    }
}

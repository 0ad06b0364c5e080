//! The reference: what a topic must hold after each operation.

use std::collections::VecDeque;

/// Where the first frame starts.
const START: u64 = 144;
/// Bytes in front of the data of each frame.
const HEADER: u64 = 40;

/// A frame as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Sequence number.
    pub seq: u64,
    /// Where it starts.
    pub off: u64,
    /// Its data.
    pub data: Vec<u8>,
}

impl Placed {
    fn end(&self) -> u64 {
        self.off + HEADER + self.data.len() as u64
    }
}

/// A topic without bytes: a queue of frames, with the rules of 0.3 for where each goes and which ones leave for it.
///
/// Written from the description of the format and not from the implementation, one frame and one rule at a time.
#[derive(Clone, Debug)]
pub struct Model {
    arena: u64,
    frames: VecDeque<Placed>,
    /// The newest number given out.
    last_seq: u64,
    used: u64,
    /// What readers see: the fields above at the last commit.
    committed: (VecDeque<Placed>, u64, u64),
}

impl Model {
    /// An empty topic with this many usable bytes.
    pub fn new(arena: u64) -> Self {
        Model { arena, frames: VecDeque::new(), last_seq: 0, used: START, committed: (VecDeque::new(), 0, START) }
    }

    /// What readers see.
    pub fn committed(&self) -> &VecDeque<Placed> {
        &self.committed.0
    }

    /// What the lock's holder sees.
    pub fn frames(&self) -> &VecDeque<Placed> {
        &self.frames
    }

    /// Newest number ever committed.
    pub fn committed_seq(&self) -> u64 {
        self.committed.1
    }

    /// End of the used bytes.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Usable bytes.
    pub fn arena(&self) -> u64 {
        self.arena
    }

    /// Where a frame with so much data goes; `None` if it can never fit.
    pub fn slot(&self, size: u64) -> Option<u64> {
        let need = HEADER + size;
        let mut off = START;
        if let Some(tail) = self.frames.back() {
            off = tail.end().div_ceil(16) * 16;
            if off + need >= self.arena {
                off = START;
            }
        }
        (off + need <= self.arena).then_some(off)
    }

    /// Whether the oldest frame must leave for one at `[off, off + need)`.
    fn head_must_leave(&self, off: u64, need: u64) -> bool {
        let (Some(head), Some(tail)) = (self.frames.front(), self.frames.back()) else { return false };
        let intersects = off < head.end() && head.off < off + need;
        intersects || (tail.off < head.off && off == START)
    }

    /// Whether a frame with so much data makes others leave; `None` if it can never fit.
    pub fn evicts(&self, size: u64) -> Option<bool> {
        let off = self.slot(size)?;
        Some(self.head_must_leave(off, HEADER + size))
    }

    /// Allocates a frame; gives its number, or `None` if it can never fit.
    pub fn alloc(&mut self, data: &[u8]) -> Option<u64> {
        let need = HEADER + data.len() as u64;
        let off = self.slot(data.len() as u64)?;
        while self.head_must_leave(off, need) {
            let gone = self.frames.pop_front().expect("there is a head");
            match self.frames.back() {
                None => self.used = START,
                Some(tail) if self.used == gone.end() => self.used = tail.end(),
                Some(_) => {}
            }
            // An eviction is a commit, of everything.
            self.commit();
        }
        self.last_seq += 1;
        self.frames.push_back(Placed { seq: self.last_seq, off, data: data.to_vec() });
        self.used = self.used.max(off + need);
        Some(self.last_seq)
    }

    /// Makes everything visible.
    pub fn commit(&mut self) {
        self.committed = (self.frames.clone(), self.last_seq, self.used);
    }

    /// Forgets what is not committed, as releasing the lock does.
    pub fn unlock(&mut self) {
        (self.frames, self.last_seq, self.used) = self.committed.clone();
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.used = START;
        self.commit();
    }

    /// Changes the usable bytes, unless that is below what is used.
    pub fn resize(&mut self, arena: u64) -> bool {
        let fits = arena >= self.used;
        if fits {
            self.arena = arena;
        }
        fits
    }
}

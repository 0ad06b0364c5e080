//! A writer with a core older than 0.3.15, store by store.

use a0_core::layout::{Field, header, page};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::RngCore;

/// Where the first frame starts.
const START: u64 = 144;
/// Bytes in front of the data of each frame.
const HEADER: u64 = 40;

/// One store.
#[derive(Clone, Debug)]
pub struct OldStore {
    /// Where.
    pub offset: u64,
    /// What: at most eight bytes.
    pub bytes: Vec<u8>,
}

/// What such a writer does to a topic from taking its lock to releasing it, in the order of its stores. It may die behind any
/// of them.
///
/// It knows one rule for evictions too few. It stores everything about its frame, in whatever order its compiler has made of
/// that, before the frame's data, and those in whatever order `memcpy` likes.
#[derive(Debug)]
pub struct OldWriter {
    bytes: Vec<u8>,
    stores: Vec<OldStore>,
}

impl OldWriter {
    /// Publishes this data in a topic with this content; `None` where the real one would follow what is no frame.
    pub fn publish(content: &[u8], data: &[u8], random: &mut Xoshiro256PlusPlus) -> Option<Vec<OldStore>> {
        let mut writer = OldWriter { bytes: content.to_vec(), stores: Vec::new() };
        writer.store_u64(header::MUTEX_PREV, 0x7000);
        writer.refresh();
        let (off, need) = (writer.slot(data.len() as u64)?, HEADER + data.len() as u64);
        while writer.must_evict(off, need)? {
            writer.evict()?;
            writer.commit();
        }
        writer.allocate(off, data.len() as u64, random)?;
        writer.fill(off + HEADER, data, random);
        writer.commit();
        Some(writer.stores)
    }

    /// What whoever takes the lock does first: the committed page becomes the working one.
    pub fn take_over(content: &[u8]) -> Vec<OldStore> {
        let mut writer = OldWriter { bytes: content.to_vec(), stores: Vec::new() };
        writer.refresh();
        writer.stores
    }

    fn load(&self, offset: u64) -> Option<u64> {
        let word = self.bytes.get(offset as usize..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }

    fn get(&self, field: Field<u64>) -> u64 {
        self.load(field.offset()).expect("the header is there")
    }

    fn store(&mut self, offset: u64, bytes: &[u8]) {
        self.bytes[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        self.stores.push(OldStore { offset, bytes: bytes.to_vec() });
    }

    fn store_u64(&mut self, field: Field<u64>, value: u64) {
        self.store(field.offset(), &value.to_le_bytes());
    }

    fn committed(&self) -> u8 {
        self.bytes[header::COMMITTED_PAGE.offset() as usize]
    }

    fn working(&self) -> u8 {
        1 - self.committed()
    }

    fn refresh(&mut self) {
        let (from, to) = (self.committed(), self.working());
        for word in [page::seq_low, page::seq_high, page::off_head, page::off_tail, page::high_water_mark] {
            self.store_u64(word(to), self.get(word(from)));
        }
    }

    fn commit(&mut self) {
        self.store(header::COMMITTED_PAGE.offset(), &[self.working()]);
        self.refresh();
    }

    fn end_of(&self, off: u64) -> Option<u64> {
        let end = self.load(off.checked_add(32)?)?.checked_add(off + HEADER)?;
        (off >= START && end <= self.bytes.len() as u64).then_some(end)
    }

    fn is_empty(&self) -> bool {
        let (low, high) = (self.get(page::seq_low(self.working())), self.get(page::seq_high(self.working())));
        high == 0 || low > high
    }

    fn slot(&self, size: u64) -> Option<u64> {
        if self.is_empty() {
            return Some(START);
        }
        let off = self.end_of(self.get(page::off_tail(self.working())))?.next_multiple_of(16);
        Some(if off + HEADER + size >= self.bytes.len() as u64 { START } else { off })
    }

    /// Only the oldest frame counts, and only if it is in the way itself.
    fn must_evict(&self, off: u64, need: u64) -> Option<bool> {
        if self.is_empty() {
            return Some(false);
        }
        let head = self.get(page::off_head(self.working()));
        Some(off < self.end_of(head)? && head < off + need)
    }

    fn evict(&mut self) -> Option<()> {
        let working = self.working();
        let (head, tail) = (self.get(page::off_head(working)), self.get(page::off_tail(working)));
        if head == tail {
            self.store_u64(page::off_head(working), 0);
            self.store_u64(page::off_tail(working), 0);
            self.store_u64(page::high_water_mark(working), START);
        } else {
            let end = self.end_of(head)?;
            self.store_u64(page::off_head(working), self.load(head + 16)?);
            if self.get(page::high_water_mark(working)) == end {
                let mark = self.end_of(tail)?;
                self.store_u64(page::high_water_mark(working), mark);
            }
        }
        self.store_u64(page::seq_low(working), self.get(page::seq_low(working)) + 1);
        Some(())
    }

    fn allocate(&mut self, off: u64, size: u64, random: &mut Xoshiro256PlusPlus) -> Option<()> {
        let working = self.working();
        for word in 0..5 {
            self.store(off + 8 * word, &[0; 8]);
        }
        let seq = self.get(page::seq_high(working)) + 1;
        let (head, tail) = (self.get(page::off_head(working)), self.get(page::off_tail(working)));
        let mark = self.get(page::high_water_mark(working)).max(off + HEADER + size);
        let mut words = vec![(page::seq_high(working).offset(), seq), (off, seq), (off + 8, off), (off + 32, size)];
        if self.get(page::seq_low(working)) == 0 {
            words.push((page::seq_low(working).offset(), seq));
        }
        if head == 0 {
            words.push((page::off_head(working).offset(), off));
        }
        if tail != 0 {
            self.end_of(tail)?;
            words.extend([(tail + 16, off), (off + 24, tail)]);
        }
        words.extend([(page::off_tail(working).offset(), off), (page::high_water_mark(working).offset(), mark)]);
        shuffle(&mut words, random);
        for (offset, value) in words {
            self.store(offset, &value.to_le_bytes());
        }
        Some(())
    }

    fn fill(&mut self, start: u64, data: &[u8], random: &mut Xoshiro256PlusPlus) {
        let mut parts: Vec<_> = data.chunks(8).enumerate().collect();
        let parts_at_end = parts.len().min(4);
        match random.next_u32() % 4 {
            0 => {}
            1 => parts.reverse(),
            2 => parts.rotate_right(parts_at_end),
            _ => shuffle(&mut parts, random),
        }
        for (i, part) in parts {
            self.store(start + 8 * i as u64, part);
        }
    }
}

fn shuffle<T>(items: &mut [T], random: &mut Xoshiro256PlusPlus) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.next_u64() as usize % (i + 1));
    }
}

//! Any bytes as a topic, with somebody else scribbling between the loads: errors, skips, never a panic or an endless loop.
#![no_main]

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

use a0_core::layout::Field;
use a0_core::{Cursor, Error, Lock, Mem, ReadOnly, Select, SliceMem, Transport, Unshared};
use libfuzzer_sys::fuzz_target;

/// More reads than any arena of this size has frames.
const MOST_STEPS: usize = 8192;

/// Memory in which a byte changes after every few accesses, as the input says.
struct Scribbled<'a> {
    inner: SliceMem<'a>,
    script: RefCell<std::slice::ChunksExact<'a, u8>>,
    accesses: Cell<u32>,
}

impl Scribbled<'_> {
    fn scribble(&self) {
        let n = self.accesses.get() + 1;
        self.accesses.set(n);
        if n % 3 == 0
            && let Some([low, high, value]) = self.script.borrow_mut().next()
        {
            let at = u64::from(u16::from_le_bytes([*low, *high])) % self.inner.size();
            self.inner.write(at, &[*value]);
        }
    }
}

impl Mem for Scribbled<'_> {
    a0_core::forward_mem! {
        self => self.inner;
        size, store_u8, store_u32, store_u64, cas_u32, fetch_add_u32, fetch_or_u32, fence, write
    }

    fn load_u8(&self, field: Field<u8>, order: Ordering) -> u8 {
        self.scribble();
        self.inner.load_u8(field, order)
    }
    fn load_u32(&self, field: Field<u32>, order: Ordering) -> u32 {
        self.scribble();
        self.inner.load_u32(field, order)
    }
    fn load_u64(&self, field: Field<u64>, order: Ordering) -> u64 {
        self.scribble();
        self.inner.load_u64(field, order)
    }
    /// In halves, so that what is copied can be torn.
    fn read(&self, offset: u64, into: &mut [u8]) {
        let (first, second) = into.split_at_mut(into.len() / 2);
        self.scribble();
        self.inner.read(offset, first);
        self.scribble();
        self.inner.read(offset + first.len() as u64, second);
    }
}

/// Reads everything from every start in every way, into buffers that are large enough and into ones that are not.
fn read<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) {
    let size = topic.mem().size();
    let Ok(state) = topic.state() else { return };
    for start in [Cursor::before_oldest(&state), Cursor::before_newest(&state), Cursor::behind_newest(&state)] {
        for select in [Select::Next, Select::Newest] {
            let mut cursor = start;
            let mut small = [0; 16];
            let mut large = vec![0; size as usize];
            for step in 0.. {
                assert!(step < MOST_STEPS, "no end of messages");
                topic.spin_for_news(&cursor, 20);
                let _ = topic.has_news(&cursor);
                let before = cursor;
                let mut got = topic.read(&mut cursor, select, &mut small.as_mut_slice());
                if let Err(Error::BufferTooSmall { .. }) = got {
                    assert_eq!(cursor.seq(), before.seq());
                    got = topic.read(&mut cursor, select, &mut large.as_mut_slice());
                    assert!(!matches!(got, Err(Error::BufferTooSmall { .. })), "larger than the memory");
                }
                match got {
                    Ok(Some(received)) => {
                        assert!(received.offset + received.len as u64 <= size);
                        assert!(received.seq > before.seq() && received.seq == cursor.seq());
                    }
                    Ok(None) => break,
                    Err(_) => assert!(cursor.seq() >= before.seq()),
                }
            }
        }
    }
}

/// The same in place, as the zero-copy readers do.
fn read_in_place<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) {
    let Ok(state) = topic.state() else { return };
    let Ok(locked) = topic.lock(None) else { return };
    for select in [Select::Next, Select::Newest] {
        let mut cursor = Cursor::before_oldest(&state);
        for step in 0.. {
            assert!(step < MOST_STEPS, "no end of messages");
            match locked.advance(&mut cursor, select) {
                Ok(Some(received)) => assert!(received.offset + received.len as u64 <= topic.mem().size()),
                Ok(None) => break,
                Err(_) => {}
            }
        }
    }
}

/// Walks the frames in both directions.
fn walk<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) {
    let Ok(Some(locked)) = topic.try_lock() else { return };
    let size = topic.mem().size();
    let mut buffer = vec![0; size as usize];
    for forwards in [true, false] {
        let mut at = if forwards { locked.head() } else { locked.tail() };
        for step in 0.. {
            assert!(step < MOST_STEPS, "no end of frames");
            let Ok(Some(frame)) = at else { break };
            locked.read(&frame, &mut buffer).expect("a frame fits into its memory");
            let _ = locked.at(frame.off);
            at = if forwards { locked.next(&frame) } else { locked.prev(&frame) };
        }
    }
}

/// Looks at everything, with a number of complaints that the memory's size bounds.
fn verify<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) {
    let mut complaints = 0;
    let _ = topic.verify(|_| complaints += 1);
    assert!(complaints < 2 * MOST_STEPS, "no end of problems");
}

/// Publishes into whatever there is, which makes the writer repair what is damaged.
fn write<M: Mem, L: Lock<M>>(topic: &Transport<M, L>) {
    let size = topic.mem().size();
    let Ok(mut locked) = topic.lock(None) else { return };
    for len in [0, 100, size / 2, size, u64::MAX - 40, u64::MAX] {
        if let Ok(mut slot) = locked.alloc(len) {
            slot.write(0, &vec![0xAA; len as usize]);
            locked.commit();
        }
    }
    for size in [0, size / 2, locked.used_space(), size + 1, size] {
        let _ = locked.resize(size);
    }
    drop(locked);
    topic.wake_all();
}

/// When nobody scribbles any more, what a writer can still publish can be read, and an emptied topic is sound again.
fn settle<M: Mem>(mem: M) {
    let Ok(topic) = Transport::open(mem, Unshared) else { return };
    let mut buffer = [0; 8];
    let pushed = topic.lock(None).and_then(|mut locked| locked.push(b"settled"));
    if let Ok(seq) = pushed {
        let mut cursor = Cursor::newest(&topic).expect("nobody writes");
        let received = topic.read(&mut cursor, Select::Next, &mut buffer.as_mut_slice());
        let received = received.expect("what was just published is sound").expect("it is there");
        assert_eq!((received.seq, &buffer[..received.len]), (seq, &b"settled"[..]));
    }
    if topic.lock(None).and_then(|mut locked| locked.clear()).is_ok() {
        let verified = topic.verify(|problem| panic!("in an empty topic: {problem}"));
        assert_eq!(verified.expect("nobody writes").frames, 0);
    }
}

fuzz_target!(|input: &[u8]| {
    // The first byte says how much of the input is the script, the second what comes first.
    let [split, first, rest @ ..] = input else { return };
    let (image, script) = rest.split_at(rest.len() - rest.len() * usize::from(*split) / 256);
    let mut image = image.to_vec();
    let Ok(inner) = SliceMem::new(&mut image) else { return };
    let mem = Scribbled { inner, script: RefCell::new(script.chunks_exact(3)), accesses: Cell::new(0) };
    let Ok(topic) = Transport::open(&mem, Unshared) else { return };
    for task in 0..6 {
        match (first % 6 + task) % 6 {
            0 => read(&topic),
            1 => {
                let Ok(topic) = Transport::open_read_only(&mem, ReadOnly) else { continue };
                read(&topic);
            }
            2 => read_in_place(&topic),
            3 => walk(&topic),
            4 => verify(&topic),
            _ => write(&topic),
        }
    }
    settle(mem.inner);
});

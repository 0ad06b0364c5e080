//! What a topic holds, as seen by a reader and by the lock's holder.

use a0_core::{Buffer, Cursor, Error, Lock, Locked, Mem, Select, Transport};

/// A sequence number and the data that goes with it.
pub type Message = (u64, Vec<u8>);

/// What a checker found, in words.
pub type Violation = String;

/// A buffer that takes messages of any size up to a limit that no test message reaches.
struct Room(Vec<u8>);

impl Buffer for Room {
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        self.0.resize(len, 0);
        Some(&mut self.0)
    }
}

/// Everything in front of the cursor, by [`Select::Next`] and without taking a lock on purpose.
///
/// # Errors
/// What a reader must never see in an undamaged topic: an error, a number that does not rise, a count of missed messages
/// that does not match the numbers, no end.
pub fn read_all<M: Mem, L: Lock<M>>(topic: &Transport<M, L>, cursor: &mut Cursor) -> Result<Vec<Message>, Violation> {
    let mut got = Vec::new();
    let mut room = Room(Vec::new());
    for _ in 0..10_000 {
        let before = cursor.seq();
        let Some(frame) = topic.read(cursor, Select::Next, &mut room).map_err(|e| format!("a read failed: {e}"))?
        else {
            return Ok(got);
        };
        if frame.seq <= before || frame.missed != frame.seq - before - 1 {
            return Err(format!("frame {} after {before}, and {} missed", frame.seq, frame.missed));
        }
        got.push((frame.seq, room.0[..frame.len].to_vec()));
    }
    Err("reading does not end".into())
}

/// Everything from the oldest message to the newest, under the lock, and back again.
///
/// # Errors
/// If the two ways differ, or the list is damaged.
pub fn walk<M: Mem, L: Lock<M>>(locked: &Locked<'_, M, L>) -> Result<Vec<Message>, Violation> {
    let damaged = |e: Error| format!("a walk failed: {e}");
    let mut forth = Vec::new();
    let mut at = locked.head().map_err(damaged)?;
    while let Some(frame) = at {
        if locked.at(frame.off) != Ok(frame) {
            return Err(format!("frame {} is not found at {}", frame.seq, frame.off));
        }
        forth.push(frame);
        at = locked.next(&frame).map_err(damaged)?;
    }
    let mut back = Vec::new();
    let mut at = locked.tail().map_err(damaged)?;
    while let Some(frame) = at {
        back.insert(0, frame);
        at = locked.prev(&frame).map_err(damaged)?;
    }
    if forth != back {
        return Err(format!("forth {forth:?}, back {back:?}"));
    }
    let state = locked.state();
    if state.frame_count() != forth.len() as u64 {
        return Err(format!("{} frames where the state says {state:?}", forth.len()));
    }
    let used = forth.iter().map(|frame| frame.end()).max().unwrap_or(0);
    if state.high_water_mark < used {
        return Err(format!("used up to {used}, but the state says {state:?}"));
    }
    let data = |frame: &a0_core::FrameHeader| {
        let mut data = vec![0; frame.data_size as usize];
        locked.read(frame, &mut data).map(|_| (frame.seq, data)).map_err(damaged)
    };
    forth.iter().map(data).collect()
}

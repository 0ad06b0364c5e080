//! Where encoded packets go.

use super::PacketError;

/// Receives the bytes of a packet, first to last.
///
/// A sink is handed exactly [`Encoder::encoded_len`](super::Encoder::encoded_len)
/// bytes, in pieces of any size. Room must have been made before: putting
/// bytes cannot fail.
pub trait PacketSink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Takes the next `len` bytes by lending exactly the memory for them, which
    /// the caller then fills. `None`, the default, leaves it to
    /// [`put`](PacketSink::put).
    ///
    /// Only a sink whose memory no one else sees yet may lend it.
    #[inline]
    fn lend(&mut self, len: usize) -> Option<&mut [u8]> {
        let _ = len;
        None
    }
}

/// Writes to a slice of ordinary memory.
#[derive(Debug)]
pub struct SliceSink<'a> {
    free: &'a mut [u8],
    written: usize,
    /// Bytes that found no room.
    missing: usize,
}

impl<'a> SliceSink<'a> {
    /// Writes from the start of `out` on.
    #[inline]
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { free: out, written: 0, missing: 0 }
    }

    /// The number of bytes written.
    ///
    /// # Errors
    ///
    /// [`PacketError::BufferTooSmall`] if not all of them fitted.
    #[inline]
    pub const fn finish(self) -> Result<usize, PacketError> {
        if self.missing > 0 {
            return Err(PacketError::BufferTooSmall { needed: self.written + self.missing });
        }
        Ok(self.written)
    }
}

impl PacketSink for SliceSink<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.lend(bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => self.missing += bytes.len(),
        }
    }

    #[inline]
    fn lend(&mut self, len: usize) -> Option<&mut [u8]> {
        // Once a piece has found no room, later ones must not either.
        if self.missing > 0 || len > self.free.len() {
            return None;
        }
        let (room, rest) = core::mem::take(&mut self.free).split_at_mut_checked(len)?;
        self.free = rest;
        self.written += len;
        Some(room)
    }
}

/// Collects small pieces in `N` bytes of its own and hands them on together.
///
/// In front of a sink for which every call costs, such as one that writes to
/// shared memory, it turns the many short strings of a header block into one
/// write. A piece larger than `N` is passed through without being copied.
///
/// What is still held when this is dropped is handed on then.
#[derive(Debug)]
pub struct Staged<'s, S: PacketSink, const N: usize> {
    sink: &'s mut S,
    stage: [u8; N],
    held: usize,
}

impl<'s, S: PacketSink, const N: usize> Staged<'s, S, N> {
    /// Collects pieces for `sink`.
    #[inline]
    pub const fn new(sink: &'s mut S) -> Self {
        Self { sink, stage: [0; N], held: 0 }
    }

    /// Hands on what is held.
    #[inline]
    pub fn finish(self) {
        drop(self);
    }

    #[inline]
    fn flush(&mut self) {
        if let Some(held @ [_, ..]) = self.stage.get(..self.held) {
            self.sink.put(held);
        }
        self.held = 0;
    }
}

impl<S: PacketSink, const N: usize> PacketSink for Staged<'_, S, N> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.lend(bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => {
                self.flush();
                self.sink.put(bytes);
            }
        }
    }

    #[inline]
    fn lend(&mut self, len: usize) -> Option<&mut [u8]> {
        if len > N - self.held {
            self.flush();
        }
        let room = self.stage.get_mut(self.held..)?.get_mut(..len)?;
        self.held += len;
        Some(room)
    }
}

impl<S: PacketSink, const N: usize> Drop for Staged<'_, S, N> {
    #[inline]
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    /// Records each piece.
    struct Pieces(Vec<Vec<u8>>);

    impl PacketSink for Pieces {
        fn put(&mut self, bytes: &[u8]) {
            self.0.push(bytes.into());
        }
    }

    fn staged(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut sink = Pieces(Vec::new());
        let mut stage = Staged::<_, 4>::new(&mut sink);
        for piece in pieces {
            stage.put(piece);
        }
        stage.finish();
        sink.0
    }

    #[test]
    fn stage_joins_small_pieces_and_passes_large_ones() {
        assert_eq!(staged(&[b"a", b"bc", b"", b"d"]), [b"abcd"]);
        assert_eq!(staged(&[b"abc", b"de"]), [b"abc".to_vec(), b"de".to_vec()]);
        assert_eq!(staged(&[b"a", b"large", b"b"]), [b"a".to_vec(), b"large".to_vec(), b"b".to_vec()]);
        assert_eq!(staged(&[b"", b"large"]), [b"large"]);
        assert!(staged(&[b""]).is_empty());
    }

    #[test]
    fn slice_says_how_much_room_was_needed() {
        let mut out = [0; 4];
        let mut sink = SliceSink::new(&mut out);
        for piece in [b"ab".as_slice(), b"large", b"c"] {
            sink.put(piece);
        }
        assert_eq!(sink.finish(), Err(PacketError::BufferTooSmall { needed: 8 }));
        assert_eq!(&out, b"ab\0\0");
    }
}

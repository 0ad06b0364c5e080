//! A message that is looked at where it lies.

use a0_core::{Mem, RawMem, Received};
use a0_linux::{AccessLock, Mapping};

use crate::packet::PacketView;

type Transport = a0_core::Transport<RawMem<Mapping>, AccessLock>;

/// Bytes of a message that are copied at first, at most: nearly always all that precedes the payload.
pub(super) const HEAD: usize = 1024;

/// Bytes that processors exchange at a time.
pub(super) const CACHE_LINE: usize = 64;

/// Bytes that [`View::for_each_chunk`] hands out at a time.
const CHUNK: usize = 4096;

/// Where the number of headers stands in a packet, and the offset of its payload if there are none.
const COUNT_AT: usize = 37;
const OFFSET_AT: usize = 45;
const WORD: usize = 8;
const ENTRY: usize = 16;

/// A message in the topic itself, looked at without the lock: see [`SubscriberSync::read_in_place`].
///
/// Its id and headers were copied and are sound. Its payload stays where it is, and a publisher may need the room at
/// any moment: so whatever is learnt of the payload counts only if the call that gave the view says in the end that the
/// message was still there. Until then it can be anything: use it to compute, not to decide what cannot be undone.
///
/// No reference to the payload is handed out, only copies of the parts asked for.
///
/// [`SubscriberSync::read_in_place`]: crate::SubscriberSync::read_in_place
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Without payload.
    pub(super) head: PacketView<'a>,
    pub(super) topic: &'a Transport,
    pub(super) received: Received,
}

impl<'a> View<'a> {
    /// The packet's id.
    pub fn id(&self) -> &'a str {
        self.head.id()
    }

    /// All headers, keys and values.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        self.head.headers()
    }

    /// Value of the first header with this key.
    pub fn header(&self, key: &str) -> Option<&'a str> {
        self.head.header(key)
    }

    /// Sequence number in the topic.
    pub fn seq(&self) -> u64 {
        self.received.seq
    }

    /// Messages right before this one that the reader did not get, as [`Message::missed`](crate::Message::missed).
    pub fn missed(&self) -> u64 {
        self.received.missed
    }

    /// Bytes of payload.
    pub fn len(&self) -> usize {
        self.received.len - self.head.as_bytes().len()
    }

    /// Whether there is no payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the payload from byte `at` on, as much as fits into the slice; `None` if there is less.
    #[must_use = "nothing was copied if it is `None`"]
    pub fn copy_to(&self, at: usize, into: &mut [u8]) -> Option<()> {
        self.len().checked_sub(into.len()).filter(|last| at <= *last)?;
        let payload = self.received.offset + self.head.as_bytes().len() as u64;
        self.topic.mem().read(payload + at as u64, into);
        Some(())
    }

    /// The `N` bytes of payload from byte `at` on: `u32::from_le_bytes(view.array(0)?)`. `None` if there are less.
    #[inline]
    pub fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.copy_to(at, &mut bytes)?;
        Some(bytes)
    }

    /// Hands out copies of the payload, front to back, 4096 bytes at a time; the last one may be shorter.
    pub fn for_each_chunk(&self, mut look: impl FnMut(&[u8])) {
        let mut bytes = [0; CHUNK];
        for at in (0..self.len()).step_by(CHUNK) {
            let chunk = &mut bytes[..CHUNK.min(self.len() - at)];
            if self.copy_to(at, chunk).is_some() {
                look(chunk);
            }
        }
    }

    /// A copy of the `T` in the payload from byte `at` on, at any address; `None` if there are too few bytes. Feature
    /// `zerocopy`.
    #[cfg(feature = "zerocopy")]
    pub fn read_as<T: zerocopy::FromBytes + zerocopy::IntoBytes>(&self, at: usize) -> Option<T> {
        let mut value = T::new_zeroed();
        self.copy_to(at, value.as_mut_bytes())?;
        Some(value)
    }

    /// Whether all that was learnt until now is sound. If not, it never will be, and there is no use in going on.
    pub fn is_intact(&self) -> bool {
        self.topic.is_intact(&self.received)
    }
}

/// How many bytes precede the payload, or, if too few are there to tell, how many tell it. More than there can be if the
/// answer makes no sense.
pub(super) fn head_len(bytes: &[u8]) -> usize {
    let word = |at: usize| {
        let bytes = bytes.get(at..)?.first_chunk::<WORD>()?;
        Some(usize::try_from(u64::from_le_bytes(*bytes)).unwrap_or(usize::MAX))
    };
    let Some(count) = word(COUNT_AT) else { return OFFSET_AT + WORD };
    let offset_at = count.saturating_mul(ENTRY).saturating_add(OFFSET_AT);
    let end = offset_at.saturating_add(WORD);
    match word(offset_at) {
        Some(offset) if offset < end => usize::MAX,
        Some(offset) => offset,
        None => end,
    }
}

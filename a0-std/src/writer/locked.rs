//! The way that every packet takes: lock, put what precedes the payload into a new frame, fill in the payload, commit.
//!
//! Whoever wants to looks at what is there in between, without anybody coming in between.

use std::cell::RefCell;
use std::time::Duration;

use a0_core::internal::Decimal;
use a0_core::packet::{LastTexts, Stamp};
use a0_core::{Clock, Cursor, Encoder, Id, State};
use a0_linux::{SystemClock, WallFromMono};

use crate::error::Result;
use crate::file::{File, SharedLoan, SharedLocked};
use crate::id::random_id;
use crate::keys;
use crate::reader::copy_buffer::CopyBuffer;
use crate::writer::{Published, Standard, Writer};

/// Headers up to this size are put together without allocating.
const STAGING_SIZE: usize = 512;

/// Messages in a topic between two looks of a writer without clock whether the file is still there.
const FILE_CHECK_MESSAGES: u64 = 1024;

thread_local! {
    static STAGED: RefCell<StagingBuffer> =
        const { RefCell::new(StagingBuffer { clock: WallFromMono::NEW, last: LastTexts::NONE, head: [0; STAGING_SIZE] }) };
}

/// Where headers are put together, so that they reach the topic in one copy. Kept, because clearing it takes time.
struct StagingBuffer {
    clock: WallFromMono,
    last: LastTexts,
    head: [u8; STAGING_SIZE],
}

/// A writer that holds the lock of its file. Dropping it releases the lock, and nothing was written.
#[derive(Debug)]
pub(crate) struct LockedWriter<'w> {
    writer: &'w Writer,
    file: &'w File,
    locked: SharedLocked<'w>,
}

/// A frame with everything but its payload.
#[derive(Debug)]
pub(crate) struct Begun<'w> {
    pub(crate) frame: SharedLoan<'w>,
    /// Bytes in front of the payload.
    pub(crate) head: u64,
    /// The number that the writer's next packet has after this one.
    next: Option<(&'w Standard, u64)>,
}

impl Writer {
    /// Takes the lock of a file, which is one of the writer's.
    #[inline(always)]
    pub(crate) fn lock<'w>(&'w self, file: &'w File) -> Result<LockedWriter<'w>> {
        self.lock_within(file, file.lock_timeout())
    }

    /// Takes the lock; waits for it no longer than that.
    #[inline(always)]
    pub(crate) fn lock_within<'w>(&'w self, file: &'w File, lock_timeout: Duration) -> Result<LockedWriter<'w>> {
        Ok(LockedWriter { writer: self, file, locked: file.lock_within(lock_timeout)? })
    }
}

impl<'w> LockedWriter<'w> {
    /// What the topic holds.
    pub(crate) fn state(&self) -> State {
        self.locked.state()
    }

    /// A copy of the newest packet as it is stored; `None` if there is none.
    pub(crate) fn newest(&self) -> Result<Option<Vec<u8>>> {
        let file = self.file;
        let Some(frame) = self.locked.tail().map_err(|source| file.error(source))? else { return Ok(None) };
        let mut bytes = CopyBuffer::default();
        self.locked.read(&frame, bytes.room_for(file, &frame)?).map_err(|source| file.error(source))?;
        Ok(Some(bytes.into_bytes()))
    }

    /// Writes, and releases the lock.
    pub(crate) fn write(self, headers: &[(&str, &str)], payload: &[u8]) -> Result<Published> {
        let id = random_id();
        let seq = self.begin(&id, headers, payload.len(), |begun| begun.finish(payload))?;
        Ok(Published { id, seq })
    }

    /// Makes room for a packet with `len` bytes of payload, and writes all that precedes the payload. Handed over to `then`
    /// and not returned, because that saves moving it.
    #[inline(always)]
    pub(crate) fn begin<R>(
        self,
        id: &Id,
        headers: &[(&str, &str)],
        len: usize,
        then: impl FnOnce(Begun<'w>) -> R,
    ) -> Result<R> {
        let LockedWriter { writer, file, locked } = self;
        let transport_seq = locked.state().seq_high;
        STAGED.with_borrow_mut(|StagingBuffer { clock, last, head }| {
            let (encoded, stamped) = match &writer.standard {
                None => {
                    // Without a clock at hand, now and then.
                    if transport_seq.is_multiple_of(FILE_CHECK_MESSAGES) {
                        file.check_is_there()?;
                    }
                    (Encoder::new(id, &[headers], &[]).and_then(|encoder| encoder.encode_into(head)), None)
                }
                Some(standard) => {
                    // Under the lock, so that times are in order within a topic, and load and store of the number one step.
                    let (time_mono, writer_seq) = (SystemClock.mono(), standard.next_seq());
                    let time_wall = clock.at(time_mono);
                    file.look_before_writing(time_mono)?;
                    let stamp = Stamp { transport_seq, time_mono, writer_seq, time_wall };
                    (standard.headers.encode_head(id, &stamp, headers, last, head), Some((standard, stamp)))
                }
            };
            let large;
            let head = match encoded {
                Ok(len) => &head[..len],
                Err(_) => {
                    large = large_head(stamped.as_ref(), id, headers)?;
                    &large[..]
                }
            };
            let size = (head.len() as u64).saturating_add(len as u64);
            let mut frame = locked.loan(size).map_err(|source| file.error(source))?;
            frame.write(0, head);
            let next = stamped.map(|(standard, stamp)| (standard, stamp.writer_seq.wrapping_add(1)));
            Ok(then(Begun { frame, head: head.len() as u64, next }))
        })
    }
}

impl Begun<'_> {
    /// Fills in a payload of the size asked for and commits; gives the sequence number.
    #[inline(always)]
    pub(crate) fn finish(mut self, payload: &[u8]) -> u64 {
        self.frame.write(self.head, payload);
        self.commit()
    }

    /// The place right behind the packet.
    pub(crate) fn end(&self) -> Cursor {
        Cursor::behind_newest(&self.frame.state())
    }

    /// Makes the packet visible and releases the lock; gives the sequence number.
    #[inline(always)]
    pub(crate) fn commit(self) -> u64 {
        if let Some((standard, next)) = self.next {
            standard.set_next_seq(next);
        }
        self.frame.commit()
    }
}

/// All that precedes the payload, if it is larger than usual, or else what is wrong with it.
#[cold]
fn large_head(stamped: Option<&(&Standard, Stamp)>, id: &Id, headers: &[(&str, &str)]) -> Result<Vec<u8>> {
    // On its own, so that a header that is refused is named by its place among those of the caller.
    let blocks = [headers];
    let bare = Encoder::new(id, &blocks, &[])?;
    let encode = |encoder: Encoder<'_>| -> Result<Vec<u8>> {
        let mut head = vec![0; encoder.encoded_len()];
        encoder.encode_into(&mut head)?;
        Ok(head)
    };
    let Some((standard, stamp)) = stamped else { return encode(bare) };
    let (transport_seq, writer_seq) = (Decimal::from(stamp.transport_seq), Decimal::from(stamp.writer_seq));
    let (time_mono, time_wall) = (stamp.time_mono.to_text(), stamp.time_wall.to_text());
    let standard = [
        (keys::TRANSPORT_SEQ, transport_seq.as_str()),
        (keys::TIME_MONO, time_mono.as_str()),
        (keys::WRITER_SEQ, writer_seq.as_str()),
        (keys::WRITER_ID, standard.writer_id.as_str()),
        (keys::TIME_WALL, time_wall.as_str()),
    ];
    encode(Encoder::new(id, &[&standard, headers], &[])?)
}

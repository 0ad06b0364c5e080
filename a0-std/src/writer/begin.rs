//! The first half of every publish: allocate a frame in a locked topic, and write all that precedes the payload. The second
//! half is [`OpenPacket`]: fill in the payload, commit.

use std::cell::RefCell;

use a0_core::internal::Decimal;
use a0_core::packet::{LastTexts, Stamp};
use a0_core::{Clock, Encoder, Id};
use a0_linux::{SystemClock, WallFromMono};

use crate::error::Result;
use crate::file::{File, SharedLocked};
use crate::keys;
use crate::writer::Writer;
use crate::writer::open_packet::OpenPacket;
use crate::writer::standard::Standard;

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

impl Writer {
    /// Makes room for a packet with `len` bytes of payload, and writes all that precedes the payload. Handed over to `then`
    /// and not returned, because that saves moving it.
    #[inline(always)]
    pub(crate) fn begin<'w, R>(
        &'w self,
        file: &'w File,
        locked: SharedLocked<'w>,
        id: &Id,
        headers: &[(&str, &str)],
        len: usize,
        then: impl FnOnce(OpenPacket<'w>) -> R,
    ) -> Result<R> {
        let transport_seq = locked.state().seq_high;
        STAGED.with_borrow_mut(|StagingBuffer { clock, last, head }| {
            let (encoded, stamped) = match &self.standard {
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
            Ok(then(OpenPacket { frame, head: head.len() as u64, next }))
        })
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

//! Payloads that are put together where readers will find them.

use std::io;

use a0_core::Id;

use crate::slices;
use crate::writer::open_packet::OpenPacket;
use crate::writer::published::Published;

/// Room for a payload in the topic itself: what is written here is not copied again.
///
/// [`Loan::with`] shows the payload's bytes, which at first hold whatever was there before. [`Loan::commit`] publishes them.
/// Nobody sees anything of a loan before that, and nobody ever does if it is dropped instead, or the program dies: all that
/// stays is that the oldest messages have left to make room. A message is the same to its readers whether it was
/// published or loaned; its times are those at which the loan began.
///
/// The topic is locked while the loan lives. Readers go on, but whoever else wants to publish there waits, and gives up
/// after its `lock_timeout` (10 s). The same thread cannot: it gets the error
/// [`LockError::Recursive`](a0_core::LockError::Recursive) at once. It can publish on up to seven other topics, and hold
/// loans of them. Two threads that each hold a loan and want the other's topic get that error, too, one of them. A loan
/// cannot be sent to another thread, since the lock belongs to the one that took it. In a child that was forked meanwhile the
/// loan is the parent's: dropping it there does nothing, and all else panics and changes nothing.
///
/// [`Loan::with`] and [`Loan::fill_from`] make a `&mut [u8]` of the bytes in the belief that every program with the right to
/// write to the topic keeps to the protocol, and so leaves them alone. Where that cannot be believed, use [`Loan::write_at`]
/// and [`io::Write`], which need no such belief.
///
/// ```
/// use std::io::Write;
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// let camera = a0_std::Publisher::new("camera")?;
///
/// let mut image = camera.loan_with(&[("format", "grey8")], 640 * 480)?;
/// image.with(|pixels| {
///     pixels.fill(0);
///     pixels[640 * 240..][..640].fill(255);
/// });
/// image.commit();
///
/// // As much as needed at most; then it is cut to what was written.
/// let mut text = camera.loan(100)?;
/// write!(text, "{} °C", 25)?;
/// text.truncate(text.written());
/// let published = text.commit();
/// assert_eq!(published.seq, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The bytes are there only inside the closure, since the lock ends with its thread, even if the loan is leaked:
///
/// ```compile_fail
/// # let camera = a0_std::Publisher::new("camera").unwrap();
/// let mut image = camera.loan(100).unwrap();
/// let pixels: &mut [u8] = image.with(|pixels| pixels);
/// ```
///
/// And a loan stays in its thread:
///
/// ```compile_fail,E0277
/// # let camera = a0_std::Publisher::new("camera").unwrap();
/// let image = camera.loan(100).unwrap();
/// std::thread::scope(|scope| drop(scope.spawn(|| image.commit())));
/// ```
#[derive(Debug)]
#[must_use = "a loan that is dropped publishes nothing"]
pub struct Loan<'w> {
    id: Id,
    packet: OpenPacket<'w>,
    /// Bytes written through [`io::Write`]. Invariant: at most as many as the payload has.
    written: usize,
}

impl<'w> Loan<'w> {
    pub(super) fn new(id: Id, packet: OpenPacket<'w>) -> Loan<'w> {
        Loan { id, packet, written: 0 }
    }

    /// The packet's id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Sequence number in the topic that the message has once it is committed.
    pub fn seq(&self) -> u64 {
        self.packet.frame.seq()
    }

    /// Bytes of payload, as asked for or as cut.
    pub fn len(&self) -> usize {
        // It is inside the topic, so it fits.
        (self.packet.frame.size() - self.packet.head) as usize
    }

    /// Whether there is no payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows the payload as it is so far, to be filled in place; gives what the closure gives.
    ///
    /// Whoever uses the topic inside the closure gets an error, as always while the loan lives.
    pub fn with<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        self.check_is_ours();
        let range = self.packet.head..self.packet.frame.size();
        slices::fill(&mut self.packet.frame, range, fill)
    }

    /// Copies bytes into the payload, from byte `at` on. Makes no reference to shared memory.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn write_at(&mut self, at: usize, bytes: &[u8]) {
        self.check_is_ours();
        let fits = self.len().checked_sub(bytes.len()).is_some_and(|last| at <= last);
        assert!(fits, "{} bytes at {at} do not fit into a loan of {}", bytes.len(), self.len());
        self.packet.frame.write(self.packet.head + at as u64, bytes);
    }

    /// Fills the payload from its start with what the iterator gives; gives how many bytes that was, at most
    /// [`Loan::len`].
    ///
    /// ```
    /// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
    /// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
    /// let sensor = a0_std::Publisher::new("sensor")?;
    /// let samples = [25.0_f32, 25.5];
    /// let mut loan = sensor.loan(4 * samples.len())?;
    /// assert_eq!(loan.fill_from(samples.iter().flat_map(|sample| sample.to_le_bytes())), 8);
    /// loan.commit();
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    pub fn fill_from(&mut self, bytes: impl IntoIterator<Item = u8>) -> usize {
        self.with(|payload| payload.iter_mut().zip(bytes).map(|(to, byte)| *to = byte).count())
    }

    /// Bytes written through [`io::Write`], which starts at the payload's start and ends at its end.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Keeps only the first `len` bytes of the payload; does nothing if there are no more anyway.
    ///
    /// For payloads whose size is known only in the end. The room that is given back is not lost, but what was evicted
    /// for it is.
    pub fn truncate(&mut self, len: usize) {
        self.check_is_ours();
        self.packet.frame.truncate(self.packet.head.saturating_add(len as u64));
        self.written = self.written.min(len);
    }

    /// Publishes the message and releases the topic. Cannot fail.
    ///
    /// # Panics
    /// In a child that was forked while the loan was held.
    pub fn commit(self) -> Published {
        self.check_is_ours();
        Published { id: self.id, seq: self.packet.commit() }
    }

    fn check_is_ours(&self) {
        assert!(
            self.packet.frame.is_held(),
            "the loan is that of the process that this one was forked from; it can only be dropped here"
        );
    }
}

/// Writes to the payload, front to back; at its end, nothing more is taken.
impl io::Write for Loan<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = &bytes[..bytes.len().min(self.len() - self.written)];
        self.write_at(self.written, taken);
        self.written += taken.len();
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

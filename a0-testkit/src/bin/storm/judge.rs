//! Checks everything that one reader gets.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use a0_core::layout::Field;
use a0_core::{LockError, Mem, RawMem};
use a0_linux::{FileError, FileOptions, Mapping, TopicFile};
use a0_std::{Error, Message, PacketView};

use crate::orders::Outcome;
use crate::payload::{self, Origin};
use crate::stats::{Counter, Role, now};

/// Messages of a topic that the ledger knows at a time.
const ENTRIES: u64 = 1 << 14;
/// Behind the place of a topic's header, in which opening a file finds a meaning.
const FIRST_ENTRY: u64 = 256;
const NUMBER_BITS: u32 = 24;

/// Which message the readers of a topic got under each of the latest sequence numbers. A message that was never
/// committed has the number of another one that was.
#[derive(Clone, Debug)]
struct Ledger {
    mem: Arc<RawMem<Mapping>>,
}

impl Ledger {
    fn open(path: &Path) -> Result<Ledger, FileError> {
        let options = FileOptions::default().size(FIRST_ENTRY + 8 * ENTRIES);
        Ok(Ledger { mem: Arc::new(TopicFile::open(path, &options)?.1) })
    }

    /// Whether nobody has received another message with this number.
    fn agrees(&self, seq: u64, origin: Origin) -> bool {
        let field = Field::at(FIRST_ENTRY + 8 * (seq % ENTRIES));
        let mixed = (origin.writer << 32 ^ origin.count).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let number = seq & ((1 << NUMBER_BITS) - 1);
        let entry = mixed >> NUMBER_BITS << NUMBER_BITS | number;
        let before = self.mem.load_u64(field, Relaxed);
        self.mem.store_u64(field, entry, Relaxed);
        before & ((1 << NUMBER_BITS) - 1) != number || before == entry || before == 0
    }
}

/// What one reader got so far.
#[derive(Debug)]
pub(crate) struct Judge {
    role: Role,
    ledger: Ledger,
    /// The last message; `None` for readers that start somewhere.
    last: Option<u64>,
    /// Whether the topic is removed at times: numbers begin anew then, and do not tell messages apart.
    anew: bool,
    /// Since when the reader waits, in nanoseconds since boot.
    waits_since: Option<u64>,
}

impl Judge {
    /// For a reader that begins behind the message `last`, of a topic that is removed at times or not.
    pub(crate) fn new(role: Role, ledger: &Path, last: Option<u64>, anew: bool) -> Result<Judge, FileError> {
        Ok(Judge { role, ledger: Ledger::open(ledger)?, last, anew, waits_since: None })
    }

    /// The reader has nothing to do from now on.
    pub(crate) fn waits(&mut self) {
        self.waits_since.get_or_insert_with(now);
    }

    pub(crate) fn message(&mut self, message: &Message<'_>) {
        self.received(message.seq(), message.missed(), Some(message.packet()));
    }

    /// A message; `None` if it is no packet.
    pub(crate) fn received(&mut self, seq: u64, missed: u64, packet: Option<&PacketView<'_>>) {
        if self.last.is_some_and(|last| seq.checked_sub(last + 1) != Some(missed)) {
            self.role.add(Counter::Disorder, 1);
        }
        self.last = Some(seq);
        match packet.and_then(|packet| Some((packet, payload::examine(packet)?))) {
            None => self.role.add(Counter::Corrupt, 1),
            Some((packet, origin)) => {
                if packet.header(payload::VOID).is_some() {
                    self.role.add(Counter::Uncommitted, 1);
                }
                if !self.anew && !self.ledger.agrees(seq, origin) {
                    self.role.add(Counter::Contradicted, 1);
                }
                if let (Some(since), Some(written)) = (self.waits_since, payload::time(packet)) {
                    let took = now().saturating_sub(since.max(written));
                    self.role.took(took, Counter::LongestWake, Counter::SlowWakes);
                }
            }
        }
        self.waits_since = None;
        self.role.add(Counter::Missed, missed);
        self.role.add(Counter::Messages, 1);
        self.role.set(Counter::LastSeq, seq);
    }

    /// A message that was overwritten while the reader looked at it, which says so: one more that is missed.
    fn overwritten(&mut self, seq: u64, missed: u64) {
        if self.last.is_some_and(|last| seq.checked_sub(last + 1) != Some(missed)) {
            self.role.add(Counter::Disorder, 1);
        }
        self.last = Some(seq);
        self.role.add(Counter::Missed, missed + 1);
        self.role.set(Counter::LastSeq, seq);
    }

    /// An error that a reader may go on after, and whether it must do so with a new file; gives back all others.
    pub(crate) fn failed(&mut self, error: Error) -> Outcome<bool> {
        match error {
            Error::BadMessage { seq, missed, .. } => self.received(seq, missed, None),
            Error::Overwritten { seq, missed, .. } => self.overwritten(seq, missed),
            Error::Timeout { .. } => {}
            Error::TopicRemoved { .. } if self.anew => {
                self.last = None;
                self.role.add(Counter::Removed, 1);
                return Ok(true);
            }
            Error::Topic { cause, .. } => self.core_failed(cause)?,
            other => return Err(other.into()),
        }
        Ok(false)
    }

    pub(crate) fn core_failed(&mut self, error: a0_core::Error) -> Outcome {
        let counter = match error {
            a0_core::Error::Corrupt(_) => Counter::Damaged,
            a0_core::Error::Contended => Counter::Contended,
            a0_core::Error::Lock(LockError::TimedOut { .. } | LockError::StaleOwner { .. }) => Counter::LockErrors,
            other => return Err(other.into()),
        };
        self.role.add(counter, 1);
        Ok(())
    }
}

//! What can be seen of a topic from outside its messages. None of it takes the lock, or writes.

use std::sync::atomic::Ordering::Relaxed;

use a0_core::layout::header;
use a0_core::{FrameHeader, Mem, Problem, Verified};

use crate::error::Result;
use crate::file::File;

/// What the header of a topic says at the moment; see [`File::header`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Thread id of whoever holds the topic's lock, or held it last when it died.
    pub lock_owner: Option<u32>,
    /// Whether the lock's last owner died with it, and nobody has taken it since.
    pub owner_died: bool,
    /// Whether readers sleep until something is published.
    pub has_sleepers: bool,
    /// Whether programs of AlephZero 0.3 were seen to write to the topic.
    pub foreign_writers: bool,
    /// The PID namespace of those who lock the topic, and so of `lock_owner`, as in `/proc/PID/ns/pid`.
    pub pid_namespace: Option<u32>,
    /// Counts what was published while somebody slept, as 0.3 does; wraps around.
    pub events: u32,
}

/// The lowest bits of the word for sleepers say whether there are any.
const ASLEEP: u32 = 3;

/// The parts of a lock word.
const OWNER: u32 = 0x3FFF_FFFF;
const OWNER_DIED: u32 = 0x4000_0000;

impl File {
    /// What its header says.
    pub fn header(&self) -> Header {
        let mem = self.transport().mem();
        let nonzero = |number| (number != 0).then_some(number);
        let lock = mem.load_u32(header::LOCK_WORD, Relaxed);
        Header {
            lock_owner: nonzero(lock & OWNER),
            owner_died: lock & OWNER_DIED != 0,
            has_sleepers: mem.load_u32(header::SLEEPERS, Relaxed) & ASLEEP != 0,
            // Seen at some time, which is marked, or just now.
            foreign_writers: mem.load_u32(header::FOREIGN, Relaxed) != 0
                || mem.load_u64(header::MUTEX_PREV, Relaxed) != 0,
            pid_namespace: nonzero(mem.load_u32(header::PID_NAMESPACE, Relaxed)),
            events: mem.load_u32(header::EVENTS, Relaxed),
        }
    }

    /// Bytes of its arena, header included: as the file says, which may be damaged.
    pub fn arena_size(&self) -> u64 {
        self.transport().arena_size()
    }

    /// Bytes of its newest message, headers included; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic) if it is damaged, or was just overwritten.
    pub fn newest_size(&self) -> Result<Option<u64>> {
        let state = self.state()?;
        if state.is_empty() {
            return Ok(None);
        }
        let arena = self.arena_size().min(self.size());
        let newest = FrameHeader::load(self.transport().mem(), state.seq_high, state.off_tail, arena);
        Ok(Some(newest.map_err(|damage| self.error(damage.into()))?.data_size))
    }

    /// Checks its header and every frame, and reports what is wrong, as `a0 verify` does. Others may go on writing.
    ///
    /// ```
    /// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
    /// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
    /// let news = a0_std::Publisher::new("news")?;
    /// news.publish("hello")?;
    /// let verified = news.file().verify(|problem| println!("{problem}"))?;
    /// assert_eq!((verified.frames, verified.problems), (1, 0));
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Topic`](crate::Error::Topic) if its state is beyond reading.
    pub fn verify(&self, report: impl FnMut(Problem)) -> Result<Verified> {
        self.transport().verify(report).map_err(|source| self.error(source))
    }
}

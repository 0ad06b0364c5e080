//! Waiting strategies.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::sched_getaffinity;

/// How a blocking call waits for what is not there yet: by looking again and again, which is fast and keeps a core busy,
/// or asleep, which costs nothing until somebody publishes, and then a wake-up by the publisher.
///
/// Timeouts, interrupters and dropped handles end a wait in every strategy. Readers of a topic may have different ones.
///
/// | | delay | publisher | reader's core |
/// |---|---|---|---|
/// | [`Wait::Spin`] | that of the memory | no system call | busy |
/// | [`Wait::SpinThenSleep`] | as above if it comes in time | no system call if it comes in time | busy for so long per call |
/// | [`Wait::Sleep`] | a wake-up by the kernel | one system call | free |
///
/// ```
/// use a0_std::{Init, ReaderOptions, SubscriberSync, Wait};
/// use std::time::Duration;
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
///
/// // An option by itself, or one of several.
/// let asleep = SubscriberSync::new("news", Wait::Sleep)?;
/// let wait = Wait::SpinThenSleep(Duration::from_micros(50));
/// let alert = SubscriberSync::new("news", ReaderOptions::default().init(Init::Oldest).wait(wait))?;
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// Looks until it comes and never sleeps: no system call per message on either side. For a thread that has a core of
    /// its own.
    ///
    /// In a process that may use one core only, it lets others run after 5 µs, and from then on between any two looks, which is
    /// a system call each.
    Spin,
    /// Looks for so long, then sleeps. In a process that may use one core only, it sleeps at once, since nobody could
    /// publish meanwhile.
    SpinThenSleep(Duration),
    /// Sleeps at once. For threads that share a core with whoever publishes, and for messages that are far between.
    Sleep,
}

impl Wait {
    /// Long enough for a peer that answers at once, as waking takes far longer.
    const DEFAULT_SPIN: Duration = Duration::from_micros(5);

    /// Long enough for a handful of messages, and short beside what it takes to wake somebody.
    const GATHER_TIME: Duration = Duration::from_micros(1);

    /// How long a call looks before it sleeps; [`Duration::ZERO`] if it does not look.
    pub(crate) fn spin(self) -> Duration {
        // Asked whatever the strategy: later the thread may be tied to one of several cores.
        let is_single_core = is_single_core();
        match self {
            Wait::Spin => Duration::MAX,
            Wait::SpinThenSleep(spin) if !is_single_core => spin,
            Wait::SpinThenSleep(_) | Wait::Sleep => Duration::ZERO,
        }
    }

    /// Does not look for a moment, nor sleep, so that messages that come in quick succession can be taken together: a
    /// publisher is slowed by each look, because it needs the lines that the reader looks at.
    pub(crate) fn let_some_come(self, at_most: Option<Duration>) {
        let span = Wait::GATHER_TIME.min(self.spin()).min(at_most.unwrap_or(Duration::MAX));
        let started = Instant::now();
        while started.elapsed() < span {
            spin_loop();
        }
    }

    /// Between two looks, behind the first of which so long has passed; gives whether others were let run.
    pub(crate) fn relax(looked: Duration) -> bool {
        // Letting others run is a system call. A thread that is alone on the one core that it is tied to looks like one of a
        // process that has but one, and its peer answers sooner than that.
        let yields = looked > Wait::DEFAULT_SPIN && is_single_core();
        if yields {
            thread::yield_now();
        }
        yields
    }
}

impl Default for Wait {
    /// 5 µs of looking, then sleep: catches a peer that answers at once, and costs an idle reader nothing.
    fn default() -> Self {
        Wait::SpinThenSleep(Wait::DEFAULT_SPIN)
    }
}

/// Whether this process could use one core only when it first asked.
///
/// By its affinity alone, one system call: a cgroup's quota does not keep the publisher off another core, and reading it
/// from files would take longer than all else that it takes to open a topic.
fn is_single_core() -> bool {
    // No lock, which another thread may hold while this one forks.
    static CORES: AtomicU8 = AtomicU8::new(NOT_ASKED);
    const NOT_ASKED: u8 = 0;
    const ONE: u8 = 1;
    const MORE: u8 = 2;
    #[cold]
    fn ask() -> u8 {
        let cores = if sched_getaffinity(None).is_ok_and(|cores| cores.count() == 1) { ONE } else { MORE };
        CORES.store(cores, Ordering::Relaxed);
        cores
    }
    match CORES.load(Ordering::Relaxed) {
        NOT_ASKED => ask() == ONE,
        cores => cores == ONE,
    }
}

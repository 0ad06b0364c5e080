//! What a process of the storm is told to do.

use std::path::PathBuf;

use a0_testkit::Guard;
use clap::{Args, ValueEnum};

use crate::halt::Halt;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Job {
    /// Publishes through the core, several messages at once, and changes its mind at times.
    Write,
    /// Publishes through the core, one message for each line on its standard input.
    Prompted,
    /// Reads through the core without ever sleeping, now and then jumping to the newest message.
    Poll,
    /// Reads through the core and sleeps whenever there is nothing new.
    Block,
    /// Reads a mapping that cannot be written.
    ReadOnly,
    /// Reads in place through the core, under the lock.
    Locked,
    /// Is a `Publisher`.
    Publish,
    /// Is a `SubscriberSync`.
    Sync,
    /// Is a `SubscriberSync` that looks at messages in place.
    InPlace,
    /// Is a `Subscriber`.
    Threaded,
    /// Is a `SubscriberZeroCopy`.
    ZeroCopy,
    /// Is a `SubscriberSyncZeroCopy`.
    SyncZeroCopy,
    /// Is an `RpcServer` and a `PrpcServer`.
    Serve,
    /// Is an `RpcClient` and a `PrpcClient`.
    Call,
    /// Patches a `Cfg`.
    Patch,
    /// Is several `Publisher`s, and loans one topic inside another one's loan.
    Nest,
    /// Writes to LMDB in the thread in which it publishes.
    Lmdb,
    /// May only read, and takes all locks that it can get.
    Neighbour,
}

impl Job {
    /// Whether it receives messages.
    pub(crate) fn reads(self) -> bool {
        use Job::*;
        matches!(self, Poll | Block | ReadOnly | Locked | Sync | InPlace | Threaded | ZeroCopy | SyncZeroCopy)
    }

    /// Whether it holds a topic's lock for long enough to be caught.
    pub(crate) fn holds_the_lock(self) -> bool {
        use Job::*;
        matches!(self, Write | Publish | Locked | ZeroCopy | SyncZeroCopy | Nest | Lmdb)
    }

    /// Whether it goes through the core, where guards can be removed.
    pub(crate) fn is_bare(self) -> bool {
        matches!(self, Job::Write | Job::Prompted | Job::Poll | Job::Block | Job::ReadOnly | Job::Locked)
    }
}

/// One child's orders.
#[derive(Args, Clone, Debug)]
pub(crate) struct Orders {
    #[arg(long)]
    pub(crate) job: Job,
    #[arg(long)]
    pub(crate) topic: String,
    /// Where the topics and the counters are.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    #[arg(long)]
    pub(crate) role: u64,
    #[arg(long)]
    pub(crate) seed: u64,
    /// Largest payload.
    #[arg(long)]
    pub(crate) largest: u64,
    /// Longest pause between two publishes, in microseconds.
    #[arg(long)]
    pub(crate) pause: u64,
    /// Seconds after which a lock or a call is given up.
    #[arg(long)]
    pub(crate) patience: u64,
    /// Longest life in seconds, should the parent disappear.
    #[arg(long)]
    pub(crate) life: u64,
    /// Is there from the first message to the last.
    #[arg(long)]
    pub(crate) steady: bool,
    #[arg(long)]
    pub(crate) without: Option<Guard>,
    #[arg(long)]
    pub(crate) halt: Option<Halt>,
    /// The topic's file is removed at times; then there is to be a new one of so many bytes.
    #[arg(long)]
    pub(crate) anew: Option<u64>,
}

impl Orders {
    /// The command line that gives these orders.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Orders { job, topic, dir, role, seed, largest, pause, patience, life, steady, without, halt, anew } = self;
        let mut arguments = vec!["--job".to_owned(), name(*job), "--topic".to_owned(), topic.clone()];
        arguments.extend(["--dir".to_owned(), dir.to_string_lossy().into_owned()]);
        let numbers = [
            ("role", role),
            ("seed", seed),
            ("largest", largest),
            ("pause", pause),
            ("patience", patience),
            ("life", life),
        ];
        arguments.extend(numbers.into_iter().flat_map(|(key, number)| [format!("--{key}"), number.to_string()]));
        arguments.extend(steady.then(|| "--steady".to_owned()));
        arguments.extend(without.iter().flat_map(|guard| ["--without".to_owned(), name(*guard)]));
        arguments.extend(anew.iter().flat_map(|size| ["--anew".to_owned(), size.to_string()]));
        arguments.extend(halt.iter().flat_map(|halt| ["--halt".to_owned(), name(*halt)]));
        arguments
    }
}

/// A value as it is written on the command line.
pub(crate) fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

//! Printing what comes on a topic until there was enough of it.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use a0_std::{Error, File, FileError, FileOptions, Init, Interrupter, Mode};
use clap::{Args, ValueEnum};

use crate::console::{Output, complain};
use crate::end::{End, Outcome};
use crate::quantity::seconds;
use crate::stop::Stop;

/// When to end.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Limits {
    /// End after this many messages
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// End after this time, however many messages have come
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

/// Where to start reading.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Start {
    /// With the oldest message still there
    Oldest,
    /// With the newest message there is
    MostRecent,
    /// With the first message that comes
    AwaitNew,
}

impl From<Start> for Init {
    fn from(start: Start) -> Init {
        match start {
            Start::Oldest => Init::Oldest,
            Start::MostRecent => Init::MostRecent,
            Start::AwaitNew => Init::AwaitNew,
        }
    }
}

/// What became of the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It was printed; its sequence number.
    Printed(u64),
    /// It was damaged, and said to be.
    PassedOver,
    /// There is none.
    Nothing,
    /// There will be none: whoever writes from now on finds another file.
    Removed,
}

/// A reader, and what it does with messages.
pub(crate) trait Follower {
    /// Prints the next message there is.
    fn read(&mut self, output: &mut Output) -> Outcome<Step>;

    /// Waits for the next message and prints it.
    fn wait(&mut self, timeout: Option<Duration>, output: &mut Output) -> Outcome<Step>;

    /// Begins with the oldest message of this file.
    fn reopen(&mut self, file: &File) -> Outcome;

    fn file(&self) -> &File;

    fn interrupter(&self) -> Interrupter;
}

/// Prints until there was enough.
pub(crate) fn follow(follower: &mut impl Follower, limits: Limits, mut output: Output, stop: &Stop) -> Outcome {
    let deadline = limits.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    stop.watch_output()?;
    let _hold = stop.hold();
    stop.interrupts(follower.interrupter());
    let mut left = limits.count.unwrap_or(u64::MAX);
    // Once the time is up, only what is there already.
    let mut last = None;
    while left > 0 && stop.reason().is_none() {
        if last.is_none() && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            last = Some(follower.file().state()?.seq_high);
        }
        let mut step = follower.read(&mut output)?;
        // What waits says that it was removed, too.
        if matches!(step, Step::Nothing | Step::Removed) && last.is_none() {
            output.flush()?;
            let wait = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            step = follower.wait(wait, &mut output)?;
            if step == Step::Removed {
                let path = follower.file().path().to_owned();
                complain(going_on(&path));
                follower.reopen(&open(&path)?)?;
                stop.interrupts(follower.interrupter());
            }
        }
        match (step, last) {
            (Step::Printed(seq), last) => {
                left -= 1;
                if last.is_some_and(|last| seq >= last) {
                    break;
                }
            }
            (Step::Nothing | Step::Removed, Some(_)) => break,
            (Step::PassedOver | Step::Nothing | Step::Removed, _) => {}
        }
    }
    output.flush()?;
    if left > 0 && last.is_some() { Err(End::TimedOut) } else { Ok(()) }
}

/// Says that a topic is another one from now on.
pub(crate) fn going_on(path: &Path) -> String {
    format!("{} was removed; going on with a new topic", path.display())
}

/// Prints what a read has found, if anything. A damaged message is reported and passed over.
pub(crate) fn step<M>(found: Result<Option<M>, Error>, print: impl FnOnce(&M) -> Outcome<Step>) -> Outcome<Step> {
    match found {
        Ok(Some(message)) => print(&message),
        Ok(None) | Err(Error::Timeout { .. } | Error::Interrupted { .. }) => Ok(Step::Nothing),
        Err(Error::TopicRemoved { .. }) => Ok(Step::Removed),
        Err(error @ (Error::BadMessage { .. } | Error::Topic { cause: a0_std::TopicError::Corrupt(_), .. })) => {
            complain(error);
            Ok(Step::PassedOver)
        }
        Err(other) => Err(other.into()),
    }
}

/// Opens a file to read it, creating it if it does not exist. One that may only be read is opened for that.
pub(crate) fn open(path: &Path) -> Outcome<File> {
    match File::open(path, &FileOptions::default()) {
        Err(
            denied @ Error::File(
                FileError::PermissionDenied { .. } | FileError::OtherPidNamespace { .. } | FileError::Exclusive { .. },
            ),
        ) => {
            match File::open(path, &FileOptions::default().access(Mode::ReadOnly)) {
                // It was creating it that is not permitted.
                Err(Error::File(FileError::NotFound { .. })) => Err(denied.into()),
                read_only => Ok(read_only?),
            }
        }
        shared => Ok(shared?),
    }
}

//! Who has the locks of topics, and who has deadmen.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use a0_core::layout::header;
use a0_linux::DeadmanFile;
use a0_std::{DeadmanLayout, FileOptions, Mode};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::finding::Report;
use crate::commands::deadman::process;
use crate::inspect::{LockWord, is_foreign_namespace, is_our_namespace};

/// No sound program has a lock that long.
const OBSERVATION_TIME: Duration = Duration::from_millis(100);

/// Looks at a lock meanwhile: all must see the same owner, and that nothing was published.
const OBSERVATIONS: u32 = 10;

/// A lock that somebody had.
#[derive(Debug)]
pub(super) struct ObservedLock {
    path: PathBuf,
    inode: u64,
    owner: u32,
    events: u32,
    namespace: u32,
}

impl ObservedLock {
    /// The lock of a topic, if it is held now. Read as a file is read, so that no page of it comes into being.
    pub(super) fn look(path: &Path, inode: u64) -> Option<ObservedLock> {
        const START: u64 = header::LOCK_WORD.offset();
        let mut bytes = [0; (header::PID_NAMESPACE.offset() - START) as usize + 4];
        File::open(path).and_then(|file| file.read_exact_at(&mut bytes, START)).ok()?;
        let [word, events, namespace] = [header::LOCK_WORD, header::EVENTS, header::PID_NAMESPACE].map(|field| {
            let at = (field.offset() - START) as usize;
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        });
        Some(ObservedLock { path: path.into(), inode, owner: LockWord(word).owner()?, events, namespace })
    }

    fn is_still_held(&self) -> bool {
        ObservedLock::look(&self.path, self.inode)
            .is_some_and(|now| (now.owner, now.events) == (self.owner, self.events))
    }
}

/// Waits a little, and reports the locks that are still held by the same owners.
pub(super) fn examine(report: &mut Report, mut held: Vec<ObservedLock>) {
    for _ in 0..OBSERVATIONS {
        if held.is_empty() {
            return;
        }
        sleep(OBSERVATION_TIME / OBSERVATIONS);
        held.retain(ObservedLock::is_still_held);
    }
    for held in held {
        lock(report, &held);
    }
}

fn lock(report: &mut Report, held: &ObservedLock) {
    let (path, thread) = (&held.path, held.owner);
    let mut remedy = format!("end the programs that use it, then a0 rm {}", path.display());
    if is_foreign_namespace(held.namespace) {
        let problem = format!(
            "thread {thread} of PID namespace {} has had its lock for more than {OBSERVATION_TIME:?}; who that is cannot be seen from here",
            held.namespace
        );
        return report.error(
            "lock",
            Some(path),
            problem,
            "run a0 doctor there; or end the programs there, which frees the lock",
        );
    }
    let problem = match Owner::of(thread, held.inode) {
        Owner::Gone if is_our_namespace(held.namespace) => {
            let problem = format!(
                "its lock belongs to thread {thread}, which does not exist any more: the next program that publishes takes it \
                 over"
            );
            let remedy = "none is needed, but for 0.3 programs, which do not find out: publish on it, as with a0 pub";
            return report.warning("lock", Some(path), problem, remedy);
        }
        Owner::Gone => {
            remedy = format!("publish on it: that takes the lock over; where it does not, {remedy}");
            format!(
                "its lock belongs to thread {thread}, which does not exist here: it is from before the machine was started, \
                 or of another PID namespace (see docker run --pid=host), or no lock"
            )
        }
        Owner::Stranger { pid, name } => format!(
            "its lock bears the id of thread {thread} of process {pid} ({name}), which does not use this file: the real \
             owner is long gone, and all others wait for that process to end"
        ),
        Owner::User { pid, name, stopped } => {
            let doing = if stopped { ", which is stopped" } else { "" };
            let problem = format!(
                "thread {thread} of process {pid} ({name}){doing} has had its lock for more than {OBSERVATION_TIME:?}; all others wait"
            );
            let remedy = match stopped {
                true => format!("kill -CONT {pid} lets it go on; kill -KILL {pid} ends it, and frees the lock"),
                false => {
                    format!("a callback that gets messages in place must be short; kill -KILL {pid} frees the lock")
                }
            };
            return report.error("lock", Some(path), problem, &remedy);
        }
    };
    report.error("lock", Some(path), problem, &remedy);
}

/// Reports an owner that cannot be one.
pub(super) fn deadman(report: &mut Report, path: &Path, inode: u64) {
    let options = FileOptions::default().access(Mode::ReadOnly);
    let Ok(deadman) = DeadmanFile::open(path, &options, DeadmanLayout::default()) else { return };
    // Not closely: that would pass over an owner who does not exist.
    let seen = deadman.look();
    // Who is in another PID namespace cannot be seen from here, and the kernel tells of its death all the same.
    let Some(thread) = seen.owner.filter(|_| seen.other_namespace.is_none()) else { return };
    let (problem, remedy) = match Owner::of(thread, inode) {
        Owner::User { .. } => return,
        Owner::Gone => (
            format!(
                "is taken by thread {thread}, which does not exist here: it is from before the machine was started, or of \
                 another PID namespace (see docker run --pid=host). 0.3 programs wait for it for ever"
            ),
            "take it with a program of this library, such as a0 deadman take, which passes over such an owner"
                .to_owned(),
        ),
        Owner::Stranger { pid, name } => (
            format!(
                "bears the id of thread {thread} of process {pid} ({name}), which does not use this file: the real owner is \
                 long gone, and it looks taken until that process ends"
            ),
            format!("end the programs that use it, then a0 rm {}", path.display()),
        ),
    };
    report.warning("deadman", Some(path), problem, &remedy);
}

/// What has the thread id that was found in a file.
enum Owner {
    /// There is no such thread.
    Gone,
    /// A process that has not mapped the file.
    Stranger { pid: u32, name: String },
    /// A process that has mapped it, as far as this user may know.
    User { pid: u32, name: String, stopped: bool },
}

impl Owner {
    fn of(thread: u32, inode: u64) -> Owner {
        let exists = i32::try_from(thread).is_ok_and(|id| kill(Pid::from_raw(id), None) != Err(Errno::ESRCH));
        if !exists {
            return Owner::Gone;
        }
        // Another user's process may be hidden.
        let Some((pid, name)) = process(thread) else {
            return Owner::User { pid: thread, name: "unknown".to_owned(), stopped: false };
        };
        match has_mapped(pid, inode) {
            Some(false) => Owner::Stranger { pid, name },
            _ => Owner::User { pid, name, stopped: is_stopped(thread) },
        }
    }
}

/// Whether a process has a file with this inode number mapped; `None` if this user may not know.
fn has_mapped(pid: u32, inode: u64) -> Option<bool> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let inode = inode.to_string();
    Some(maps.lines().any(|line| line.split_ascii_whitespace().nth(4) == Some(&*inode)))
}

fn is_stopped(thread: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{thread}/stat")).unwrap_or_default();
    // Behind the name, which may contain anything.
    stat.rsplit_once(") ").is_some_and(|(_, behind)| behind.starts_with(['T', 't']))
}

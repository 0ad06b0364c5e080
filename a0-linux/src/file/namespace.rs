//! In which PID namespace those live who lock a topic, or take a deadman.
//!
//! A word in the file says which one it is. That alone would refuse a container that was started anew for ever. So everybody
//! who may lock a topic also holds a shared `flock` on its file, which ends with the last process that has the file open,
//! however it ends, and which every namespace can see: whoever gets it exclusively knows that nobody is left, and may
//! change the mark.
//!
//! A mark that is not 0 changes only under the exclusive `flock`. So whoever holds a shared one and *then* finds its own
//! mark can rely on it.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use a0_core::RawMem;
use a0_core::layout::Field;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::file::error::FileError;
use crate::file::mapping::Mapping;

/// How long a topic may look foreign before that is believed: somebody may be just about to close it, or to change
/// the mark.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long the shared `flock` is waited for. Others hold it exclusively for microseconds; this is for one that was
/// stopped meanwhile, and for programs that have no business with it.
const TURN: Duration = Duration::from_secs(1);

/// Makes sure that nobody locks the topic, or takes the deadman, from another PID namespace as long as this file is open.
/// `mark` is where the file keeps the namespace.
///
/// # Errors
/// [`FileError::OtherPidNamespace`].
pub(super) fn claim(fd: &OwnedFd, mem: &RawMem<Mapping>, mark: Field<u32>, path: &Path) -> Result<(), FileError> {
    match own() {
        Some(ours) => claim_for(ours, fd, mem.atomic_u32(mark), path),
        None => Ok(()),
    }
}

fn claim_for(ours: u32, fd: &OwnedFd, mark: &AtomicU32, path: &Path) -> Result<(), FileError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let theirs = match mark.load(Ordering::Relaxed) {
            other if other != 0 && other != ours => other,
            _ => {
                share(fd);
                match mark.compare_exchange(0, ours, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return Ok(()),
                    Err(found) if found == ours => return Ok(()),
                    Err(other) => other,
                }
            }
        };
        if flock(fd, FlockOperation::NonBlockingLockExclusive).is_ok() {
            mark.store(ours, Ordering::Relaxed);
            // Sharing it again lets others in for a moment, so the mark has to be looked at once more.
        } else if Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        } else {
            return Err(FileError::OtherPidNamespace { path: path.into(), theirs, ours });
        }
    }
}

/// Tells others that the topic is in use. Whoever cannot do so goes ahead, or any program that may only read the file could
/// keep all others out.
fn share(fd: &OwnedFd) {
    let deadline = Instant::now() + TURN;
    while let Err(Errno::WOULDBLOCK | Errno::INTR) = flock(fd, FlockOperation::NonBlockingLockShared) {
        if Instant::now() >= deadline {
            return;
        }
        sleep(Duration::from_millis(1));
    }
}

/// The number of the caller's PID namespace, as the kernel shows it; `None` where it does not.
pub(crate) fn own() -> Option<u32> {
    let number = rustix::fs::stat("/proc/self/ns/pid").ok()?.st_ino;
    u32::try_from(number).ok().filter(|number| *number != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn opened(path: &Path) -> OwnedFd {
        std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap().into()
    }

    /// Many claimants from several namespaces come and go: never do two namespaces hold the topic at the same time.
    #[test]
    fn one_namespace_at_a_time() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = Arc::new(dir.path().join("topic"));
        let mark = AtomicU32::new(0);
        let holders: [AtomicU32; 3] = Default::default();
        let claims: [AtomicU32; 3] = Default::default();
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let (path, mark, holders, claims) = (&path, &mark, &holders, &claims);
                scope.spawn(move || {
                    let mine = thread % 3;
                    let started = Instant::now();
                    let late = |claims: &AtomicU32| claims.load(Ordering::SeqCst) == 0;
                    while started.elapsed() < Duration::from_millis(600)
                        || claims.iter().any(late) && started.elapsed() < Duration::from_secs(20)
                    {
                        let fd = opened(path);
                        if claim_for(mine as u32 + 1, &fd, mark, path).is_err() {
                            continue;
                        }
                        claims[mine].fetch_add(1, Ordering::SeqCst);
                        holders[mine].fetch_add(1, Ordering::SeqCst);
                        for (other, holders) in holders.iter().enumerate() {
                            assert!(other == mine || holders.load(Ordering::SeqCst) == 0, "{mine} and {other}");
                        }
                        std::thread::yield_now();
                        holders[mine].fetch_sub(1, Ordering::SeqCst);
                        drop(fd);
                        sleep(Duration::from_micros(300));
                    }
                });
            }
        });
        for claims in &claims {
            assert!(claims.load(Ordering::SeqCst) > 0, "one of them never had its turn");
        }
    }

    #[test]
    fn a_lock_of_somebody_else_does_not_keep_the_namespace_out() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("topic");
        let somebody = opened(&path);
        flock(&somebody, FlockOperation::LockExclusive).unwrap();
        let mark = AtomicU32::new(0);
        claim_for(7, &opened(&path), &mark, &path).unwrap();
        let error = claim_for(8, &opened(&path), &mark, &path).unwrap_err();
        assert!(matches!(error, FileError::OtherPidNamespace { theirs: 7, ours: 8, .. }), "{error:?}");
        assert_eq!(mark.into_inner(), 7);
    }
}

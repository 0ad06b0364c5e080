//! Who else may have a file open to write: others of one PID namespace, or nobody.
//!
//! A topic's lock, and a deadman, hold thread ids, which mean something only in one PID namespace. A word in the file, the
//! mark, says which one it is. That alone would refuse a container that was started anew for ever. So everybody who may lock
//! a topic also shares a lock on its file (see [`ofd`]), which ends with the last process that has the file open, however it
//! ends, and which every namespace can see: whoever gets it alone knows that nobody is left, and may change the mark. Whoever
//! wants the file for itself keeps it alone.
//!
//! A mark that is not 0 changes only under the lock that is had alone. So whoever shares it and *then* finds its own mark can
//! rely on it. Whoever may only read the file can share the lock, and so keep out a second namespace, and [`Mode::Exclusive`],
//! but never have it alone, and so keep out nobody else.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use a0_core::RawMem;
use a0_core::layout::Field;
use rustix::io::Errno;

use crate::file::error::FileError;
use crate::file::mapping::Mapping;
use crate::file::ofd::{self, How};
use crate::file::options::Mode;

/// How long a topic may look foreign before that is believed: somebody may be just about to close it, or to change
/// the mark.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long the lock is waited for. Others have it alone for microseconds, to change the mark; this is for one that was
/// stopped meanwhile.
const TURN: Duration = Duration::from_secs(1);

/// A file that is being opened.
#[derive(Clone, Copy)]
pub(super) struct Opened<'f> {
    pub(super) fd: &'f OwnedFd,
    pub(super) path: &'f Path,
    /// Where it keeps the namespace; its bytes are what is locked.
    pub(super) mark: Field<u32>,
}

impl Opened<'_> {
    /// Makes sure that nobody locks the topic, or takes the deadman, from another PID namespace as long as this file is open,
    /// or, with [`Mode::Exclusive`], that nobody else does at all. `markable` says whether the mark is the file's to keep yet.
    ///
    /// # Errors
    /// [`FileError::OtherPidNamespace`], [`FileError::Exclusive`], [`FileError::NotAlone`], [`FileError::NoFileLocks`].
    pub(super) fn claim(self, access: Mode, mem: &RawMem<Mapping>, markable: bool) -> Result<(), FileError> {
        match access {
            Mode::ReadOnly => Ok(()),
            Mode::Exclusive => self.have_alone(),
            Mode::Shared => match own() {
                Some(ours) if markable => self.claim_for(ours, mem.atomic_u32(self.mark)),
                _ => self.share(),
            },
        }
    }

    fn claim_for(self, ours: u32, mark: &AtomicU32) -> Result<(), FileError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let theirs = match mark.load(Ordering::Relaxed) {
                other if other != 0 && other != ours => other,
                _ => {
                    self.share()?;
                    match mark.compare_exchange(0, ours, Ordering::Relaxed, Ordering::Relaxed) {
                        Ok(_) => return Ok(()),
                        Err(found) if found == ours => return Ok(()),
                        Err(other) => {
                            // Of two that share it and want it alone neither would get it.
                            let _ = self.lock(How::Not);
                            other
                        }
                    }
                }
            };
            if matches!(self.lock(How::Alone), Ok(true)) {
                mark.store(ours, Ordering::Relaxed);
                // In one step: nobody can change it in between.
                return self.share();
            }
            if Instant::now() >= deadline {
                return Err(FileError::OtherPidNamespace { path: self.path.into(), theirs, ours });
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Tells others that the topic is in use. On a filesystem without such locks nothing can tell them: there the mark
    /// stays what the first one has made it, and other namespaces are refused for good.
    fn share(self) -> Result<(), FileError> {
        match self.wait_for(How::Shared) {
            Err(errno) if ofd::are_missing(errno) => Ok(()),
            Err(errno) => Err(FileError::os(self.path, "lock", errno)),
            Ok(true) => Ok(()),
            Ok(false) => Err(FileError::Exclusive { path: self.path.into() }),
        }
    }

    fn have_alone(self) -> Result<(), FileError> {
        match self.wait_for(How::Alone) {
            Err(errno) if ofd::are_missing(errno) => {
                Err(FileError::NoFileLocks { path: self.path.into(), cause: errno.into() })
            }
            Err(errno) => Err(FileError::os(self.path, "lock", errno)),
            Ok(true) => Ok(()),
            Ok(false) => Err(FileError::NotAlone { path: self.path.into() }),
        }
    }

    fn wait_for(self, how: How) -> Result<bool, Errno> {
        let deadline = Instant::now() + TURN;
        while !self.lock(how)? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(Duration::from_millis(1));
        }
        Ok(true)
    }

    fn lock(self, how: How) -> Result<bool, Errno> {
        ofd::lock(self.fd, self.mark, how)
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
    use rustix::fs::{FlockOperation, flock};
    use std::sync::Arc;

    const MARK: Field<u32> = a0_core::layout::header::PID_NAMESPACE;

    fn opened(path: &Path) -> OwnedFd {
        std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap().into()
    }

    fn claim(ours: u32, fd: &OwnedFd, mark: &AtomicU32, path: &Path) -> Result<(), FileError> {
        Opened { fd, path, mark: MARK }.claim_for(ours, mark)
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
                        if claim(mine as u32 + 1, &fd, mark, path).is_err() {
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

    /// Whatever a program that may only read the file does to it: locks of both kinds.
    #[test]
    fn a_reader_lets_no_second_namespace_in_and_keeps_nobody_else_out() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("topic");
        let first = opened(&path);
        let reader = OwnedFd::from(std::fs::File::open(&path).unwrap());
        flock(&reader, FlockOperation::LockExclusive).unwrap();
        assert_eq!(ofd::lock(&reader, MARK, How::Shared), Ok(true));
        assert_eq!(ofd::lock(&reader, MARK, How::Alone), Err(Errno::BADF));
        let mark = AtomicU32::new(0);
        claim(7, &first, &mark, &path).unwrap();
        claim(7, &opened(&path), &mark, &path).unwrap();
        for _ in 0..2 {
            let error = claim(8, &opened(&path), &mark, &path).unwrap_err();
            assert!(matches!(error, FileError::OtherPidNamespace { theirs: 7, ours: 8, .. }), "{error:?}");
            // Nor while the reader is gone.
            assert_eq!(ofd::lock(&reader, MARK, How::Not), Ok(true));
        }
        drop(first);
        claim(8, &opened(&path), &mark, &path).unwrap();
        assert_eq!(mark.into_inner(), 8);
    }

    /// Only who may write to the file can bring this about. Going ahead would let in two namespaces.
    #[test]
    fn who_cannot_say_that_it_is_there_is_refused() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("topic");
        let somebody = opened(&path);
        assert_eq!(ofd::lock(&somebody, MARK, How::Alone), Ok(true));
        let mark = AtomicU32::new(0);
        let error = claim(7, &opened(&path), &mark, &path).unwrap_err();
        assert!(matches!(error, FileError::Exclusive { .. }), "{error:?}");
        drop(somebody);
        claim(7, &opened(&path), &mark, &path).unwrap();
    }
}

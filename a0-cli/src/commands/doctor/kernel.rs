//! What topics need from the kernel, found out by trying it. A version number would say nothing about sandboxes, which
//! withhold what the kernel has.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use a0_core::layout::{WORKSPACE, header};
use a0_core::{Lock, Mem};
use a0_linux::{FileOptions, RobustLock, TopicFile};
use a0_std::LockError;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::finding::Report;

const CHECK: &str = "kernel";

/// Between processes.
const SHARED: Flags = Flags::empty();

/// What the kernel leaves in the word of a lock whose owner has died.
const OWNER_DIED: u32 = 0x4000_0000;

const ALLOW: &str = "let this program make the system calls futex, set_robust_list and get_robust_list (container or \
                     sandbox profile), or use a kernel with CONFIG_FUTEX_PI";

pub(super) fn examine(report: &mut Report) {
    let (word, counter) = (AtomicU32::new(0), AtomicU32::new(1));
    let soon = Timespec { tv_sec: clock_gettime(ClockId::Monotonic).tv_sec + 1, tv_nsec: 0 };
    let mut needs = |what: &str, result: Result<(), Errno>| {
        if let Err(errno) = result {
            report.error(CHECK, None, format_args!("the kernel refuses {what}: {errno}"), ALLOW);
        }
    };
    // All of these see that the word is another one than expected, and come back at once.
    let none = |result: Result<(), Errno>| if result == Err(Errno::AGAIN) { Ok(()) } else { result };
    needs("sleeping (FUTEX_WAIT)", none(futex::wait(&counter, SHARED, 0, Some(&Timespec { tv_sec: 1, tv_nsec: 0 }))));
    needs(
        "sleeping beside 0.3 programs (FUTEX_WAIT_REQUEUE_PI)",
        none(futex::wait_requeue_pi(&counter, SHARED, 0, Some(&soon), &word)),
    );
    needs(
        "waking 0.3 programs (FUTEX_CMP_REQUEUE_PI)",
        none(futex::cmp_requeue_pi(&counter, SHARED, 1, &word, 0).map(|_| ())),
    );
    let lock = futex::lock_pi(&word, SHARED, None);
    let locks = lock.is_ok();
    needs("locks (FUTEX_LOCK_PI)", lock);
    if !locks {
        return;
    }
    needs("locks (FUTEX_UNLOCK_PI)", futex::unlock_pi(&word, SHARED));
    match futex::lock_pi2(&AtomicU32::new(0), SHARED, Some(&soon)) {
        Ok(()) => {}
        Err(errno) => report.warning(
            CHECK,
            None,
            format_args!("no FUTEX_LOCK_PI2 ({errno}): setting the clock lengthens or shortens the waiting for locks"),
            "use Linux 5.14 or newer, or let this program make that call",
        ),
    }
    match dies_with_its_lock() {
        Ok(true) => {}
        Ok(false) => report.error(
            CHECK,
            None,
            "no robust locks: programs refuse to write; with A0_FRAGILE_LOCKS=1, one that is killed meanwhile may block \
             its topic for all others",
            ALLOW,
        ),
        Err(reason) => report.error(
            CHECK,
            None,
            format_args!("whether locks survive their owners cannot be found out: {reason}"),
            "mount /proc, and let this program make the system call memfd_create and start threads",
        ),
    }
}

/// Whether the kernel marks the lock of a thread that has died.
fn dies_with_its_lock() -> Result<bool, String> {
    let memory = memfd_create("a0 doctor", MemfdFlags::CLOEXEC).map_err(|errno| format!("memfd_create: {errno}"))?;
    let memory = File::from(memory);
    memory.set_len(WORKSPACE).map_err(|error| error.to_string())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    let (_file, mem) =
        TopicFile::open(&path, &FileOptions::default().create(false)).map_err(|error| error.to_string())?;
    let locked = thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, || RobustLock.lock(&mem, None).map(|_| ()));
        // Joined, and not only ended: then the kernel has taken its last look at it.
        thread.map_err(|error| error.to_string())?.join().map_err(|_| "the thread panicked".to_owned())
    })?;
    match locked {
        Err(LockError::Fragile { .. }) => return Ok(false),
        locked => locked.map_err(|error| error.to_string())?,
    }
    // Not by taking it: whoever finds that the owner does not exist gets it, too.
    Ok(mem.load_u32(header::LOCK_WORD, Ordering::Relaxed) == OWNER_DIED)
}

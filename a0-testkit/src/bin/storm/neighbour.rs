//! A program that may only read, and takes every lock that this lets it take: nobody may be held up by that.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::thread::sleep;
use std::time::Duration;

use a0_core::layout::header;
use rustix::fs::{FlockOperation, flock};

use crate::orders::Outcome;
use crate::payload::Author;
use crate::place;
use crate::stage::Stage;
use crate::stats::Phase;

/// Longest time for which it keeps its locks, in microseconds.
const HOLD: u64 = 50_000;

pub(crate) fn run(stage: &Stage) -> Outcome {
    let mut author = Author::new(stage.orders.seed, 0);
    stage.ready()?;
    while !stage.is_over(Phase::WritersStop) {
        let paths = place::files(&stage.orders.dir, &stage.orders.topic)?;
        if paths.is_empty() {
            continue;
        }
        let path = &paths[author.below(paths.len() as u64) as usize];
        // Everybody else opens the file and looks at it while these are there.
        let held: Vec<File> = match (0..=author.below(3)).map(|_| File::open(path)).collect() {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            held => held?,
        };
        for file in &held {
            match author.below(4) {
                // One's own, held through another descriptor, may be in the way.
                0 => drop(flock(file, FlockOperation::NonBlockingLockExclusive)),
                // What says from which namespace the topic is locked.
                1 => share(file, libc::F_OFD_SETLK, header::PID_NAMESPACE.offset(), 4)?,
                2 => share(file, libc::F_OFD_SETLK, author.below(1 << 12), 1 + author.below(1 << 12))?,
                // Everything up to the last byte that there can be, as an old program does it.
                _ => share(file, libc::F_SETLK, 0, 0)?,
            }
        }
        sleep(Duration::from_micros(author.below(HOLD)));
    }
    Ok(())
}

/// Takes a lock on these bytes, which may be none of the file's.
fn share(file: &File, command: libc::c_int, start: u64, len: u64) -> Outcome {
    // SAFETY: numbers only, for each of which 0 is one.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = libc::F_RDLCK as _;
    range.l_whence = libc::SEEK_SET as _;
    range.l_start = start as _;
    range.l_len = len as _;
    // SAFETY: the descriptor is open, and the system reads what `range` says.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const range) };
    match std::io::Error::last_os_error() {
        _ if done != -1 => Ok(()),
        // Somebody has it alone just now.
        error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(()),
        error => Err(error.into()),
    }
}

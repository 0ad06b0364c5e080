//! The end of a command whose topic was truncated while it was in use: said in one line, like every other error.
//!
//! Whoever touches bytes of a mapped file that the file does not have any more gets SIGBUS, which nobody can turn into an error
//! of the read that did it. Libraries must leave that signal to their programs; this is one.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::{_exit, BUS_ADRERR, siginfo_t};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::unistd::pause;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{read, write};
use rustix::stdio::{stderr, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::console::Escaped;

/// Enough for a line of `/proc/self/maps` with the longest path there can be, and for a line that says so.
const LINE: usize = 8192;

/// Leaves the screen that `a0 top` draws on, and shows the cursor again.
const LEAVE_SCREEN: &[u8] = b"\x1b[?1049l\x1b[?25h";

/// The terminal as it was at the start, if standard output is one.
static TERMINAL: OnceLock<Termios> = OnceLock::new();

/// Whether a thread is telling what has happened.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Has it said, from now on. Where that cannot be, the signal kills without a word.
pub(crate) fn install() {
    if let Ok(terminal) = tcgetattr(stdout()) {
        let _ = TERMINAL.set(terminal);
    }
    let action = SigAction::new(SigHandler::SigAction(on_sigbus), SaFlags::empty(), SigSet::all());
    // SAFETY: the handler only makes system calls, looks at atomics, and computes on its own stack: no lock is taken, and
    // nothing is allocated. The handler before it was the standard library's, for overflows of stacks, which are SIGSEGV here.
    let _ = unsafe { sigaction(Signal::SIGBUS, &action) };
}

extern "C" fn on_sigbus(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands it to every handler that was installed with SA_SIGINFO, for as long as that runs.
    let info = unsafe { &*info };
    // SAFETY: reads an address, which is there for SIGBUS with this code.
    let address = (info.si_code == BUS_ADRERR).then(|| unsafe { info.si_addr() } as usize);
    let mut line = [0; LINE];
    match address.and_then(|address| mapped_file(address, &mut line)) {
        Some(path) => tell(path),
        None => die(),
    }
}

/// Says what has become of this file, and ends the process.
fn tell(path: &[u8]) -> ! {
    while TOLD.swap(true, Ordering::Relaxed) {
        // Another thread has met the same, and ends all of them.
        pause();
    }
    if let Some(before) = TERMINAL.get()
        && tcgetattr(stdout()).is_ok_and(|now| now.local_modes != before.local_modes)
    {
        // Nothing can be done where these fail.
        let _ = write(stdout(), LEAVE_SCREEN);
        let _ = tcsetattr(stdout(), OptionalActions::Now, before);
    }
    let mut line = [0; LINE];
    let length = compose(path, &mut line);
    let _ = write(stderr(), &line[..length]);
    // SAFETY: ends the process without running anything of it.
    unsafe { _exit(1) }
}

/// Dies of the signal, as if there were no handler.
fn die() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: there is no handler any more, so nothing can be wrong with it.
    let _ = unsafe { sigaction(Signal::SIGBUS, &default) };
    // It comes when the handler is left.
    let _ = raise(Signal::SIGBUS);
}

/// Writes the line that says it; gives its length.
fn compose(path: &[u8], line: &mut [u8; LINE]) -> usize {
    let mut rest = &mut line[..];
    // It has room for every path.
    let _ = rest.write_all(b"a0: ");
    for chunk in path.utf8_chunks() {
        let _ = write!(rest, "{}", Escaped(chunk.valid()));
        if !chunk.invalid().is_empty() {
            let _ = write!(rest, "{}", char::REPLACEMENT_CHARACTER);
        }
    }
    let _ = rest.write_all(
        b" was truncated while it was in use, or its filesystem is full: remove it, and start everybody who uses it \
          again; to empty a topic use 'a0 clear'\n",
    );
    let left = rest.len();
    LINE - left
}

/// The path of the file that is mapped at this address.
fn mapped_file(address: usize, line: &mut [u8; LINE]) -> Option<&[u8]> {
    let maps = open(c"/proc/self/maps", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut len = 0;
    loop {
        let count = read(&maps, &mut line[len..]).ok().filter(|count| *count > 0)?;
        len += count;
        while let Some(end) = line[..len].iter().position(|byte| *byte == b'\n') {
            if let Some(start) = path_if_inside(&line[..end], address) {
                return Some(&line[start..end]);
            }
            line.copy_within(end + 1..len, 0);
            len -= end + 1;
        }
    }
}

/// Where the path starts in a line such as `7f00-8f00 rw-s 00000000 00:01 12 /dev/shm/x`, if the address is in its range.
fn path_if_inside(line: &[u8], address: usize) -> Option<usize> {
    let number = |text: &[u8]| usize::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
    let range = line.split(|byte| *byte == b' ').next()?;
    let dash = range.iter().position(|byte| *byte == b'-')?;
    let (start, end) = (number(&range[..dash])?, number(&range[dash + 1..])?);
    (start..end).contains(&address).then(|| line.iter().position(|byte| *byte == b'/'))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_address() {
        let mapped = std::fs::read_to_string("/proc/self/maps").unwrap();
        let files = mapped.lines().filter(|line| line.contains('/'));
        let mut found = 0;
        for (file, mut line) in files.map(|file| (file, [0; LINE])) {
            let address = usize::from_str_radix(file.split('-').next().unwrap(), 16).unwrap();
            let path = &file[file.find('/').unwrap()..];
            for address in [address, address + 4095] {
                assert_eq!(mapped_file(address, &mut line), Some(path.as_bytes()), "{file}");
            }
            found += 1;
        }
        assert!(found > 3, "{mapped}");
        let on_the_stack = 0;
        assert_eq!(mapped_file(&raw const on_the_stack as usize, &mut [0; LINE]), None);
        assert_eq!(mapped_file(0, &mut [0; LINE]), None);
    }

    #[test]
    fn what_is_said_is_one_harmless_line() {
        let mut line = [0; LINE];
        let length = compose(b"/dev/shm/\x1b[2J\n\xff", &mut line);
        let said = std::str::from_utf8(&line[..length]).unwrap();
        assert!(said.starts_with("a0: /dev/shm/\\u{1b}[2J\\n\u{fffd} was truncated while"), "{said}");
        assert!(said.ends_with("'a0 clear'\n") && said.lines().count() == 1, "{said}");
    }
}

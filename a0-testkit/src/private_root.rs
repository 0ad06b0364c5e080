//! A root of its own for each test program.
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail it")]

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use a0_std::{File, FileOptions, Message, Writer};
use tempfile::TempDir;

/// Points `A0_ROOT` at a fresh directory in shared memory, once for the whole test program, and gives its path.
pub fn root() -> &'static std::path::Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().to_owned();
        // SAFETY: the first thing each test does, inside the once; nothing reads the environment before it.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("A0_ROOT", &path);
        }
        *LEFT.lock().unwrap() = Some((std::process::id(), dir));
        // SAFETY: the handler may run at any time after this; what it uses is never destroyed.
        #[allow(unsafe_code)]
        unsafe {
            libc::atexit(remove_root);
        }
        path
    })
}

/// The root, which is no static's to drop: statics are not dropped. And the process that it belongs to.
static LEFT: Mutex<Option<(u32, TempDir)>> = Mutex::new(None);

/// Topics are large and in memory: what a test program leaves behind is missed by the next one.
extern "C" fn remove_root() {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    if left.as_ref().is_some_and(|(process, _)| *process == std::process::id()) {
        drop(left.take());
    }
}

/// A topic name that no other test uses.
pub fn topic() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    root();
    format!("topic{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A fresh small file.
pub fn file(size: u64) -> File {
    File::open(topic(), &FileOptions::default().size(size)).unwrap()
}

/// Writes each text as a packet.
pub fn write(file: &File, texts: &[&str]) {
    let writer = Writer::new(file);
    for text in texts {
        writer.write(text).unwrap();
    }
}

/// Overwrites the number in the frame of the oldest message.
pub fn spoil(file: &File) {
    spoil_at(file, file.state().unwrap().off_head);
}

/// Overwrites the number in the frame that is there.
pub fn spoil_at(file: &File, frame: u64) {
    let bytes = std::fs::File::options().write(true).open(file.path()).unwrap();
    bytes.write_all_at(&77_u64.to_ne_bytes(), a0_core::layout::frame::seq(frame).offset()).unwrap();
}

/// A message's payload as text.
pub fn text(message: &Message<'_>) -> String {
    String::from_utf8(message.payload().to_vec()).unwrap()
}

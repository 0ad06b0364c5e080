//! A root of its own for each test program.
#![allow(dead_code, reason = "every test program uses a part")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use a0_std::{File, FileOptions, Message, Writer};
use tempfile::TempDir;

/// Points `A0_ROOT` at a fresh directory in shared memory, once for the whole test program, and gives its path.
pub(crate) fn root() -> &'static std::path::Path {
    static ROOT: OnceLock<TempDir> = OnceLock::new();
    ROOT.get_or_init(|| {
        remove_leftovers();
        let prefix = format!("{PREFIX}{}.", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in("/dev/shm").unwrap();
        // SAFETY: the first thing each test does, inside the once; nothing reads the environment before it.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("A0_ROOT", dir.path());
        }
        dir
    })
    .path()
}

/// Behind it stands the id of the process that the directory belongs to.
const PREFIX: &str = "a0-std-test.";

/// Nothing in a static is dropped at the end of a program. So the next one removes what others have left, or the shared
/// memory fills up.
fn remove_leftovers() {
    for entry in std::fs::read_dir("/dev/shm").unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('.').next());
        if owner.is_some_and(|owner| !std::path::Path::new("/proc").join(owner).exists()) {
            // Another program may be at it, too.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A topic name that no other test uses.
pub(crate) fn topic() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    root();
    format!("topic{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A fresh small file.
pub(crate) fn file(size: u64) -> File {
    File::open(topic(), &FileOptions::default().size(size)).unwrap()
}

/// Writes each text as a packet.
pub(crate) fn write(file: &File, texts: &[&str]) {
    let writer = Writer::new(file);
    for text in texts {
        writer.write(text).unwrap();
    }
}

/// A message's payload as text.
pub(crate) fn text(message: &Message<'_>) -> String {
    String::from_utf8(message.payload().to_vec()).unwrap()
}

/// Waits for something that must happen.
pub(crate) fn until(mut happened: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !happened() {
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "it does not happen");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

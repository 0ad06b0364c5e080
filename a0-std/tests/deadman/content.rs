//! What may lie in a file of this name.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{Deadman, DeadmanLayout, Error, FileError, FileOptions, Mode};
use rustix::thread::futex;

use super::{Bytes, LAYOUTS, PATIENCE, SECOND, after_death, clean, each_layout, is_timeout, read_only};
use a0_testkit::private_root::topic;

/// A thread id larger than any that Linux gives out.
const NOBODY: u32 = 0x3FFF_FFF0;

/// The flag of those who sleep until the owner's word changes.
const WAITERS: u32 = 1 << 31;

/// Where the owner's thread id lies.
fn owner_word(layout: DeadmanLayout) -> usize {
    if layout == DeadmanLayout::Bytes32 { 16 } else { 48 }
}

#[test]
fn an_owner_that_does_not_exist_has_died() {
    each_layout(|topic, open| {
        let deadman = open();
        deadman.take(None).unwrap();
        let mut bytes = fs::read(deadman.path()).unwrap();
        deadman.release().unwrap();
        let word = owner_word(deadman.layout());
        bytes[word..word + 4].copy_from_slice(&NOBODY.to_le_bytes());
        let damaged = || Bytes::map(deadman.path()).fill(&bytes);
        damaged();
        assert_eq!(deadman.state().unwrap().owner, Some(NOBODY));
        read_only(topic).wait_released(1, None).unwrap();
        is_timeout(read_only(topic).wait_taken(Duration::ZERO));
        damaged();
        deadman.wait_released(1, None).unwrap();
        assert!(deadman.state().unwrap().owner_died);
        damaged();
        is_timeout(deadman.wait_taken(SECOND / 20));
        damaged();
        assert_eq!(deadman.take(SECOND).unwrap(), after_death(2));
    });
}

#[test]
fn the_last_token_is_followed_by_the_first() {
    each_layout(|_, open| {
        let deadman = open();
        let at = deadman.layout().size() as usize - if deadman.layout() == DeadmanLayout::Bytes32 { 8 } else { 16 };
        let bytes = Bytes::map(deadman.path());
        bytes.word(at).store(u32::MAX, Ordering::SeqCst);
        bytes.word(at + 4).store(u32::MAX, Ordering::SeqCst);
        assert_eq!(deadman.state().unwrap().token, u64::MAX);
        assert_eq!(deadman.take(None).unwrap(), clean(0));
        assert_eq!(open().wait_taken(None).unwrap(), 0);
    });
}

#[test]
fn a_token_that_is_late_is_waited_for() {
    // An owner of 0.3 is there before it has counted.
    let deadman = Deadman::new(&topic()).unwrap();
    let bytes = Bytes::map(deadman.path());
    thread::scope(|scope| {
        let token = scope.spawn(|| deadman.wait_taken(PATIENCE));
        let word = bytes.word(16);
        a0_testkit::until(|| word.load(Ordering::SeqCst) == WAITERS);
        let taken = Instant::now();
        word.store(std::process::id(), Ordering::SeqCst);
        futex::wake(word, futex::Flags::empty(), i32::MAX as u32).unwrap();
        // The other one is awake now, and the owner waits for a core.
        thread::sleep(SECOND / 20);
        bytes.word(24).store(7, Ordering::SeqCst);
        // It is waited for for a second.
        let in_time = taken.elapsed() < SECOND / 2;
        let token = token.join().unwrap().unwrap();
        assert!(token == 7 || !in_time, "{token}");
    });
}

#[test]
fn any_content_is_survived() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for layout in LAYOUTS {
        let deadman = Deadman::with_options(&topic(), layout).unwrap();
        let bytes = Bytes::map(deadman.path());
        let random = std::iter::repeat_with(|| (0..layout.size()).map(|_| (next() >> 40) as u8).collect()).take(300);
        let mark = fs::read(deadman.path()).unwrap()[20..24].to_vec();
        let same: [Vec<u8>; 4] = [0x01, 0x7F, 0x80, 0xFF].map(|byte| vec![byte; layout.size() as usize]);
        bytes.fill(&same[0]);
        let foreign = Deadman::open(deadman.path(), ()).unwrap_err();
        assert!(matches!(foreign, Error::File(FileError::OtherPidNamespace { .. })), "{foreign}");
        for mut content in same.into_iter().chain(random) {
            content[20..24].copy_from_slice(&mark);
            bytes.fill(&content);
            survive(&deadman);
        }
    }
}

/// Uses it in every way. What comes of it does not matter, as long as it does.
fn survive(deadman: &Deadman) {
    let started = Instant::now();
    let watcher = Deadman::open(deadman.path(), ()).unwrap();
    let _ = (watcher.state().unwrap(), watcher.wait_taken(Duration::ZERO));
    let _ = watcher.wait_released(watcher.state().unwrap().token, Duration::from_millis(1));
    if deadman.take(Duration::from_millis(1)).is_ok() {
        assert!(watcher.state().unwrap().taken);
        deadman.release().unwrap();
    }
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn what_has_another_size_is_no_deadman() {
    let root = a0_testkit::private_root::root();
    let path: PathBuf = root.join(format!("{}.deadman", topic()));
    for size in [0, 1, 31, 33, 71, 73, 144, 4096] {
        fs::write(&path, vec![0; size]).unwrap();
        for mode in [Mode::Shared, Mode::ReadOnly] {
            let error = Deadman::open(&path, FileOptions::default().access(mode)).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()) && error.contains(&format!("{size} bytes")), "{error}");
            assert!(error.contains("remove"), "{error}");
        }
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(Deadman::open(&path, ()), Err(Error::File(_))));
}

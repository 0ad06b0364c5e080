//! Deadmen between real processes that are really killed. Everything holds for both layouts.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

mod content;
mod deaths;
mod removal;
mod taking;
mod waiting;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use a0_std::{Deadman, DeadmanLayout, Error, FileOptions, Mode, Taken};
use a0_testkit::actor::{Actor, await_go, say, script};
use a0_testkit::private_root::topic;
use memmap2::MmapRaw;

const LAYOUTS: [DeadmanLayout; 2] = [DeadmanLayout::Bytes32, DeadmanLayout::Bytes72];
const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

fn each_layout(test: impl Fn(&str, &(dyn Fn() -> Deadman + Sync))) {
    for layout in LAYOUTS {
        let topic = topic();
        test(&topic, &|| Deadman::with_options(&topic, layout).unwrap());
    }
}

fn read_only(topic: &str) -> Deadman {
    Deadman::with_options(topic, FileOptions::default().access(Mode::ReadOnly)).unwrap()
}

fn is_timeout<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Timeout { .. })), "{result:?}");
}

fn is_interrupted<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Interrupted { .. })), "{result:?}");
}

fn clean(token: u64) -> Taken {
    Taken { token, previous_owner_died: false }
}

fn after_death(token: u64) -> Taken {
    Taken { token, previous_owner_died: true }
}

/// Runs in the child processes.
#[test]
#[ignore = "not a test: what the other tests start as a process of its own"]
fn child() {
    let Some((script, topic)) = script() else { return };
    let deadman = Deadman::open_existing(&topic).unwrap().unwrap();
    match &*script {
        "take" | "take and exit" => {
            deadman.take(PATIENCE).unwrap();
            say("taken");
            await_go();
            // As if main had returned with the handle in a static.
            std::mem::forget(deadman);
        }
        "wait released" => {
            let token = deadman.wait_taken(PATIENCE).unwrap();
            say("waiting");
            deadman.wait_released(token, PATIENCE).unwrap();
            say("released");
            await_go();
        }
        "again and again" => loop {
            if deadman.try_take().unwrap().is_some() {
                deadman.release().unwrap();
            }
        },
        other => panic!("unknown script {other}"),
    }
}

/// A file's bytes, to damage them.
struct Bytes(MmapRaw);

impl Bytes {
    fn map(path: &Path) -> Bytes {
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        Bytes(MmapRaw::map_raw(&file).unwrap())
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at + 4 <= self.0.len() && at.is_multiple_of(4));
        let word = self.0.as_mut_ptr().wrapping_add(at).cast();
        // SAFETY: inside the mapping, aligned, and alive as long as `self`.
        unsafe { AtomicU32::from_ptr(word) }
    }

    fn fill(&self, bytes: &[u8]) {
        for (i, word) in bytes.chunks_exact(4).enumerate() {
            self.word(4 * i).store(u32::from_ne_bytes(word.try_into().unwrap()), Ordering::SeqCst);
        }
    }
}

//! Recorders at work, and what they have recorded.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "for tests, none of which uses all of it")]

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{Root, Said, finish, send};
use a0_testkit::until;

/// Far more than it takes, for machines that are busy with other tests.
const SOON: Duration = Duration::from_secs(10);

/// Starts recording into a file.
pub fn record(root: &Root, file: &Path, args: &str) -> Child {
    let recorder = root.start(&format!("record -o {} {args}", file.display()));
    // It is there before its beginning is.
    until(|| [file, &numbered(file, 0)].iter().any(|file| file.metadata().is_ok_and(|file| file.len() > 0)));
    recorder
}

/// The name of one of the files into which a recording is split.
pub fn numbered(file: &Path, number: u32) -> PathBuf {
    file.with_extension(format!("{number:04}.mcap"))
}

/// Ends it with a signal.
pub fn end(recorder: Child, signal: Signal) -> Said {
    send(&recorder, signal);
    finish(recorder, SOON)
}

/// Ends it with Ctrl-C; what it says.
pub fn stop(recorder: Child) -> String {
    let said = end(recorder, Signal::SIGINT);
    assert_eq!((said.code, said.err.as_str()), (Some(130), ""), "{said:?}");
    said.out
}

/// What `a0 info` says of a recording.
pub fn info(root: &Root, file: &Path) -> Value {
    let said = root.ok(&format!("info --format json {}", file.display()));
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{said:?}: {error}"))
}

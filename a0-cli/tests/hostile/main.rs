//! Hostile files from end to end: every way of using each of them, in a process of its own, ends in time, without a
//! signal, with errors that name the file and with exact counts, and without a large allocation.
#![allow(unsafe_code, reason = "a global allocator is unsafe to implement")]
#![allow(unreachable_pub, clippy::unwrap_used, reason = "for tests")]

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod library;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{available_parallelism, scope};
use std::time::{Duration, Instant};

use cases::Case;
use common::Root;

/// The largest piece of memory that a user of these files has any reason to ask for: as much as the file, or a buffer of
/// constant size.
const LARGEST: usize = 128 << 10;

/// A process that is not done by then hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a process may have mapped, in KiB: some threads, and nothing as large as hostile numbers are.
const ADDRESS_SPACE: u32 = 1 << 20;

const CHILD: &str = "A0_TEST_HOSTILE_FILE";

/// The system's allocator, which remembers the largest piece.
struct Watched;

static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands every call on unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        MOST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Calls this for every case, several at a time; gives what was wrong with them.
fn for_each(try_it: impl Fn(&Case) -> Vec<String> + Sync) -> Vec<String> {
    let (cases, failures) = (Mutex::new(cases::all()), Mutex::new(vec![]));
    scope(|scope| {
        for _ in 0..2 * available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(case) = cases.lock().unwrap().pop() else { return };
                    let failed = try_it(&case);
                    failures.lock().unwrap().extend(failed.into_iter().map(|why| format!("{}: {why}", case.name)));
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

/// Runs a command that may not use much memory; gives what it has said and why that is a failure, if it is one.
fn run(command: &Command, may_exit: &[i32]) -> (String, Option<String>) {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -v {ADDRESS_SPACE}; exec \"$@\""), "sh"]).arg(command.get_program());
    limited.args(command.get_args()).stdin(Stdio::null());
    let output = tempfile::tempfile().unwrap();
    limited
        .env_clear()
        .envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .env("RUST_BACKTRACE", "0");
    limited.stdout(output.try_clone().unwrap()).stderr(output.try_clone().unwrap());
    let mut child = limited.spawn().unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if started.elapsed() > TIMEOUT {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut said = vec![0; output.metadata().unwrap().len() as usize];
    std::os::unix::fs::FileExt::read_exact_at(&output, &mut said, 0).unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    let failure = match status {
        None => Some("hangs".to_owned()),
        Some(status) if status.code().is_some_and(|code| may_exit.contains(&code)) => None,
        Some(status) => Some(status.to_string()),
    };
    (said, failure)
}

#[test]
fn library() {
    if let Some(case) = std::env::var_os(CHILD) {
        let bytes = fs::read(&case).unwrap();
        let own_lock = std::env::var_os("A0_TEST_OWN_LOCK").is_some();
        let root = a0_std::env::root().unwrap();
        MOST.store(0, Ordering::Relaxed);
        library::User { bytes: &bytes, own_lock, root: &root }.do_everything();
        let most = MOST.load(Ordering::Relaxed);
        assert!(most <= LARGEST, "{most} bytes were allocated at once");
        return;
    }
    let failures = for_each(|case| {
        let root = Root::new();
        let path = root.path("case");
        fs::write(&path, &case.bytes).unwrap();
        let topics = root.path("topics");
        fs::create_dir(&topics).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "library", "--nocapture"]).env(CHILD, &path).env("A0_ROOT", &topics);
        if case.own_lock {
            command.env("A0_TEST_OWN_LOCK", "1");
        }
        let (said, failure) = run(&command, &[0]);
        failure.map(|why| format!("{why}\n{}", last_lines(&said))).into_iter().collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is tried on each file; the last two only where nobody has to wait for the lock.
const COMMANDS: [&str; 12] = [
    "ls",
    "stat t --format json",
    "stat t.deadman",
    "verify t",
    "doctor --format json --verbose",
    "echo t --init oldest --timeout 0",
    "echo t --init oldest --timeout 0 --format json",
    "log tail t --init oldest --timeout 0",
    "cfg read t",
    "deadman wait t --timeout 0.01",
    "cfg patch t {\"a\":1}",
    "rpc call t ask --timeout 0.02",
];

#[test]
fn commands() {
    let failures = for_each(|case| {
        let root = Root::new();
        let mut failures = vec![];
        for command in &COMMANDS[..COMMANDS.len() - if case.held { 2 } else { 0 }] {
            for name in ["t.pubsub.a0", "t.rpc.a0", "t.cfg.a0", "t.log.a0", "t.deadman"] {
                let _ = fs::remove_file(root.path(name));
                fs::write(root.path(name), &case.bytes).unwrap();
            }
            let (said, failure) = run(&root.command(command), &[0, 1, 3]);
            // Nothing of the file may reach the terminal as it is, but a configuration is handed on as it is.
            let control = said.chars().any(|c| c.is_control() && c != '\n') && !command.starts_with("cfg read");
            let failure = failure.or(control.then(|| "prints control characters".to_owned()));
            failures.extend(failure.map(|why| format!("a0 {command}: {why}\n{}", last_lines(&said))));
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

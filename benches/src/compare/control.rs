//! The processes of one measurement, and the page by which they know of each other.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use a0_core::layout::Field;
use a0_core::{Mem, RawMem};
use a0_linux::Mapping;
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

use super::part::Part;
use crate::{Result, topics};

/// How long processes take to find each other, at most.
const PATIENCE: Duration = Duration::from_secs(20);

const READY: Field<u32> = Field::at(4096);
const STATE: Field<u32> = Field::at(4224);

/// Two words of each process, on a line of its own.
const fn word(process: u32, index: u64) -> Field<u64> {
    Field::at(8192 + 128 * process as u64 + 8 * index)
}

/// Memory that all processes of a measurement share.
pub(crate) struct Control {
    memory: RawMem<Mapping>,
}

impl Control {
    /// The one in this directory.
    pub(crate) fn open(dir: &Path) -> Result<Control> {
        Ok(Control { memory: topics::memory(&dir.join("control"), 32768)? })
    }

    /// Says that one more process is ready.
    pub(crate) fn ready(&self) {
        self.memory.atomic_u32(READY).fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until so many processes are ready.
    pub(crate) fn wait_ready(&self, count: u32) -> Result<()> {
        wait(|| self.memory.atomic_u32(READY).load(Ordering::SeqCst) >= count)
    }

    fn state(&self) -> &AtomicU32 {
        self.memory.atomic_u32(STATE)
    }

    /// Moves all processes on to this state.
    pub(crate) fn set(&self, state: u32) {
        self.state().store(state, Ordering::SeqCst);
    }

    /// The state that all processes should be in.
    pub(crate) fn get(&self) -> u32 {
        self.state().load(Ordering::Relaxed)
    }

    /// Waits for a state.
    pub(crate) fn wait_state(&self, state: u32) -> Result<()> {
        wait(|| self.get() >= state)
    }

    /// Tells the others two numbers.
    pub(crate) fn tell(&self, process: u32, [first, second]: [u64; 2]) {
        self.memory.store_u64(word(process, 1), second, Ordering::Relaxed);
        self.memory.store_u64(word(process, 0), first, Ordering::Release);
    }

    /// What a process has told.
    pub(crate) fn told(&self, process: u32) -> [u64; 2] {
        let first = self.memory.load_u64(word(process, 0), Ordering::Acquire);
        [first, self.memory.load_u64(word(process, 1), Ordering::Relaxed)]
    }
}

/// Waits for something that will be true soon.
pub(crate) fn wait(mut happened: impl FnMut() -> bool) -> Result<()> {
    let started = Instant::now();
    while !happened() {
        if started.elapsed() > PATIENCE {
            return Err("the other process does not get ready".into());
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}

/// Tries until it succeeds, without giving the core away: for what the other side is just setting up.
pub(crate) fn retry<T, E: std::error::Error + 'static>(
    mut attempt: impl FnMut() -> std::result::Result<T, E>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if started.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// A second process, killed when this is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts this program again for a part of a measurement.
    pub(crate) fn start(part: &Part) -> Result<Process> {
        let part = Part { parent: getpid().as_raw_nonzero().get(), ..part.clone() };
        let child = Command::new(std::env::current_exe()?)
            .args([Part::MODE, &serde_json::to_string(&part)?])
            .envs([("A0_ROOT", part.dir.as_path()), ("TMPDIR", part.dir.as_path())])
            .stdin(Stdio::null())
            .stdout(if part.is_first() { Stdio::piped() } else { Stdio::null() })
            .stderr(if part.is_first() { Stdio::piped() } else { Stdio::inherit() })
            .spawn()?;
        Ok(Process(child))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// The process, to collect its output.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either may fail only because the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sees to it that this process does not outlive the one that started it, whatever that dies of.
pub(crate) fn die_with(parent: i32) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before.
    let alive = getppid().is_some_and(|now| now.as_raw_nonzero().get() == parent);
    if alive { Ok(()) } else { Err("the parent is gone".into()) }
}

//! Where and when the figures were taken.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use a0_core::Clock;
use a0_linux::SystemClock;
use serde::Serialize;

/// The header of the results.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// Whether a hypervisor decides where the cores are.
    pub(crate) virtual_machine: bool,
    pub(crate) huge_pages: String,
    /// Civil time, UTC.
    pub(crate) date: String,
    /// Of this repository; ends with `-dirty` if files were changed.
    pub(crate) revision: String,
    pub(crate) rustc: String,
    /// Whether the measurement was a short one, to try the tool.
    pub(crate) quick: bool,
}

impl Machine {
    /// This one, now.
    pub(crate) fn this(quick: bool) -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let trimmed = |text: String| text.trim().to_owned();
        Machine {
            cpu: field("model name").unwrap_or_else(|| "unknown".into()),
            cores: available_parallelism().map_or(1, |cores| cores.get()),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").map(trimmed).unwrap_or_default(),
            virtual_machine: field("flags").is_some_and(|flags| flags.contains("hypervisor")),
            huge_pages: chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
            date: SystemClock.wall().to_text().as_str().chars().take(16).collect(),
            revision: output("git", &["describe", "--always", "--dirty"]),
            rustc: output("rustc", &["--version"]),
            quick,
        }
    }
}

/// The word in brackets.
fn chosen(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let word = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    word.map_or_else(|| "unknown".into(), |(word, _)| word.into())
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or_else(|| "unknown".into(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}

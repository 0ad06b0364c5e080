//! AlephZero 0.3 itself, by its Python package, where one is found: `A0_VENV` names the virtual environment.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::Result;
use crate::compare::figures::Figures;
use crate::compare::part::{Part, Subscribers, Task, Waiting};

const SCRIPT: &str = include_str!("a0_python.py");

pub(super) fn does(task: Task, size: usize) -> bool {
    let able = matches!(task, Task::RoundTrip(_) | Task::Publish(0 | 1, Subscribers::Idle | Subscribers::Polling));
    able && size <= 1 << 20
}

/// Both processes become Python.
pub(super) fn play(part: &Part) -> Result<Option<Figures>> {
    let python = std::env::var("A0_VENV").map_or_else(|_| "python3".into(), |venv| format!("{venv}/bin/python"));
    let imports = Command::new(&python).args(["-c", "import a0"]).stderr(Stdio::null()).status();
    if !imports.is_ok_and(|status| status.success()) {
        return Err("absent: no Python package alephzero; A0_VENV may name its virtual environment".into());
    }
    let (what, others) = match part.task {
        Task::Publish(count, Subscribers::Idle) => ("publish-idle", count),
        Task::Publish(count, _) => ("publish-polling", count),
        Task::RoundTrip(Waiting::Polling) => ("polled", 1),
        _ => ("blocking", 1),
    };
    // They live as long as this process, which goes on as another program.
    let others: Vec<_> = if part.is_first() { part.start_others(others)? } else { Vec::new() };
    let error = Command::new(python)
        .args(["-c", SCRIPT, what, &part.process.to_string(), &part.size.to_string(), &others.len().to_string()])
        .args([&part.span.as_secs_f64().to_string()])
        .arg(&part.dir)
        .exec();
    Err(error.into())
}

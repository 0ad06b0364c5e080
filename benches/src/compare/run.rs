//! Everybody in turn, several times over.

use std::io::Read;
use std::time::{Duration, Instant};

use super::control::Process;
use super::figures::Figures;
use super::limits;
use super::part::{Part, Task, Waiting};
use super::peers::{self, Contender, Kind};
use super::rows::Row;
use crate::{Result, pin, topics};

/// The line may move by this much between start and end of a row.
const STEADY: f64 = 1.3;

/// How long a measurement may take beyond its span.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long a row waits for near cores. Where they are moved, that happens every few seconds.
const NEAR_PATIENCE: Duration = Duration::from_secs(60);

/// How much work goes into each figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How long each measurement takes.
    pub(crate) span: Duration,
    /// How often everybody has a turn.
    pub(crate) rounds: u32,
    /// Times that a row is measured before an unsteady line is put up with.
    pub(crate) tries: u32,
    /// Nanoseconds that a line may take before a row is begun.
    pub(crate) near: Option<f64>,
}

/// What was found of one contender.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) contender: &'static Contender,
    /// The medians of all rounds, or why there are none.
    pub(crate) figures: std::result::Result<Figures, String>,
}

/// One row at one size.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) row: &'static Row,
    pub(crate) size: usize,
    pub(crate) outcomes: Vec<Outcome>,
    /// Nanoseconds of the line's round trip before and behind.
    pub(crate) line: [f64; 2],
}

impl Entry {
    /// Whether the cores were moved meanwhile.
    pub(crate) fn is_doubtful(&self) -> bool {
        let [before, behind] = self.line;
        before.max(behind) / before.min(behind) > STEADY
    }

    /// Figures of contenders of this kind.
    pub(crate) fn figures(&self, kind: Kind) -> impl Iterator<Item = (&'static str, &Figures)> {
        self.outcomes
            .iter()
            .filter(move |outcome| outcome.contender.kind == kind)
            .filter_map(|outcome| Some((outcome.contender.name, outcome.figures.as_ref().ok()?)))
    }

    /// The best of the others.
    pub(crate) fn best_peer(&self) -> Option<(&'static str, &Figures)> {
        let worse = |(_, a): &(_, &Figures), (_, b): &(_, &Figures)| {
            let order = a.typical.total_cmp(&b.typical);
            if self.row.more_is_better() { order.reverse() } else { order }
        };
        self.figures(Kind::Peer).min_by(worse)
    }

    /// What the machine takes at least.
    pub(crate) fn limit(&self) -> Option<(&'static str, &Figures)> {
        self.figures(Kind::Limit).next()
    }
}

/// Measures a row at one size; once more if the cores were moved meanwhile.
pub(crate) fn entry(row: &'static Row, size: usize, effort: &Effort) -> Result<Entry> {
    let mut tries = 1;
    loop {
        let entry = once(row, size, effort)?;
        if !entry.is_doubtful() || tries >= effort.tries {
            return Ok(entry);
        }
        eprintln!("  the line has moved from {:.0} to {:.0} ns: once more", entry.line[0], entry.line[1]);
        tries += 1;
    }
}

fn once(row: &'static Row, size: usize, effort: &Effort) -> Result<Entry> {
    let before = line_when_near(effort)?;
    let contenders: Vec<_> = row.contenders(size).collect();
    let mut rounds: Vec<std::result::Result<Vec<Figures>, String>> =
        contenders.iter().map(|_| Ok(Vec::new())).collect();
    for _ in 0..row.rounds(effort.rounds) {
        for (contender, found) in contenders.iter().zip(&mut rounds) {
            // Who fails once is not asked again.
            let Ok(figures) = found else { continue };
            match measure(contender, row.task, size, row.pinned(), effort.span) {
                Ok(round) => figures.push(round),
                Err(error) => *found = Err(error.to_string()),
            }
        }
    }
    let outcomes = contenders.into_iter().zip(rounds).map(|(contender, found)| Outcome {
        contender,
        figures: found.and_then(|rounds| Figures::median(&rounds).ok_or_else(|| "nothing was found".into())),
    });
    Ok(Entry { row, size, outcomes: outcomes.collect(), line: [before, line(effort.span)?] })
}

/// The line, once the cores are near enough, or in vain.
fn line_when_near(effort: &Effort) -> Result<f64> {
    let started = Instant::now();
    loop {
        let line = line(effort.span)?;
        if effort.near.is_none_or(|near| line <= near) || started.elapsed() > NEAR_PATIENCE {
            return Ok(line);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Nanoseconds of a round trip of one cache line.
fn line(span: Duration) -> Result<f64> {
    let contender = peers::find(limits::LINE).ok_or("no line")?;
    Ok(measure(contender, Task::RoundTrip(Waiting::Polling), 0, true, span.min(Duration::from_millis(100)))?.typical)
}

/// Lets a contender measure once, in processes of their own.
fn measure(contender: &Contender, task: Task, size: usize, pinned: bool, span: Duration) -> Result<Figures> {
    let dir = topics::directory()?;
    let part = Part {
        contender: contender.name.into(),
        task,
        size,
        dir: dir.path().into(),
        span,
        process: 0,
        pinned,
        cores: [pin::core(0)?, pin::core(1)?],
        parent: 0,
    };
    let figures = run(&part);
    (contender.clean)(dir.path());
    figures
}

fn run(part: &Part) -> Result<Figures> {
    let mut process = Process::start(part)?;
    let deadline = Instant::now() + part.span * 20 + PATIENCE;
    let status = loop {
        if let Some(status) = process.child().try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            return Err("took too long".into());
        }
        // Seldom enough not to disturb.
        std::thread::sleep(Duration::from_millis(5));
    };
    let (mut output, mut errors) = (String::new(), String::new());
    if let Some(stdout) = &mut process.child().stdout {
        stdout.read_to_string(&mut output)?;
    }
    if let Some(stderr) = &mut process.child().stderr {
        stderr.read_to_string(&mut errors)?;
    }
    if !status.success() {
        return Err(errors.lines().last().unwrap_or("it was killed").to_owned().into());
    }
    Ok(serde_json::from_str(&output)?)
}

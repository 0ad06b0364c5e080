//! What the machine takes at least.

use std::hint::black_box;

use a0_core::Clock;
use a0_linux::SystemClock;

use super::figures::Figures;
use super::part::{Part, Subscribers, Task, Waiting};
use crate::Result;
use crate::line::Line;
use crate::topics::DEFAULT_ARENA;

/// Two cores that hand one cache line to and fro, as it is called in tables.
pub(super) const LINE: &str = "one cache line";

pub(super) fn does_line(task: Task, size: usize) -> bool {
    matches!(task, Task::RoundTrip(Waiting::Polling) if size <= 64)
        || matches!(task, Task::Rpc(Waiting::Polling) | Task::ZeroCopy)
}

/// One line there and back.
pub(super) fn line(part: &Part) -> Result<Option<Figures>> {
    let line = Line::open(&part.dir.join("line"))?;
    if !part.is_first() {
        line.play();
        return Ok(None);
    }
    let _other = part.start(1)?;
    let mut ball = 0;
    Figures::of(part.span, || {
        line.serve(&mut ball);
        Ok(())
    })
    .map(Some)
}

pub(super) fn does_futex(task: Task, _size: usize) -> bool {
    use Waiting::{Asleep, AsleepOnOneCore};
    matches!(task, Task::RoundTrip(Asleep | AsleepOnOneCore) | Task::Rpc(Asleep | AsleepOnOneCore))
}

/// The same, each side asleep in between.
pub(super) fn futex(part: &Part) -> Result<Option<Figures>> {
    let line = Line::open(&part.dir.join("line"))?;
    if !part.is_first() {
        line.play_asleep()?;
        return Ok(None);
    }
    let _other = part.start(1)?;
    let mut ball = 0;
    Figures::of(part.span, || line.serve_asleep(&mut ball)).map(Some)
}

pub(super) fn does_memcpy(task: Task, size: usize) -> bool {
    let copies = matches!(task, Task::Publish(_, Subscribers::Idle | Subscribers::Polling))
        || matches!(task, Task::Replay | Task::Mix | Task::Frames);
    copies && size > 0
}

/// One copy, into as much memory as an arena has.
pub(super) fn memcpy(part: &Part) -> Result<Option<Figures>> {
    let from = vec![7u8; part.size];
    let mut to = vec![0u8; (DEFAULT_ARENA as usize).max(2 * part.size)];
    let sizes = super::tasks::sizes(part);
    let (mut index, mut at) = (0, 0);
    Figures::of(part.span, || {
        index = (index + 1) % sizes.len();
        let size = sizes[index];
        at = if at + 2 * size > to.len() { 0 } else { at + size };
        to[at..at + size].copy_from_slice(black_box(&from[..size]));
        black_box(to.as_ptr());
        Ok(())
    })
    .map(Some)
}

pub(super) fn does_clock(task: Task, _size: usize) -> bool {
    task == Task::Clock
}

pub(super) fn clock_mono(part: &Part) -> Result<Option<Figures>> {
    Figures::of(part.span, || {
        black_box(SystemClock.mono());
        Ok(())
    })
    .map(Some)
}

pub(super) fn clock_wall(part: &Part) -> Result<Option<Figures>> {
    Figures::of(part.span, || {
        black_box(SystemClock.wall());
        Ok(())
    })
    .map(Some)
}

//! What the size of an arena costs a publisher, and what huge pages save.

use a0_core::Transport;
use a0_linux::{FileOptions, RobustLock, TopicFile};

use crate::Result;
use crate::compare::figures::Figures;
use crate::compare::part::{Part, Task};
use crate::hot;

pub(crate) fn does(task: Task, _size: usize) -> bool {
    task == Task::Arena
}

/// The size of a file, not of a payload.
pub(crate) fn play(part: &Part) -> Result<Option<Figures>> {
    // Sparse: takes its pages one after the other, when they are first written to.
    let options = FileOptions::default().size(part.size as u64).reserve(false);
    let (_, memory) = TopicFile::open(&part.dir.join("topic.a0"), &options)?;
    let topic = Transport::open(memory, RobustLock)?;
    // Large ones, to be full soon.
    hot::fill(&topic, (part.size / 64).min(1 << 20))?;
    let payload = [7; 64];
    Figures::of(part.span, || {
        topic.lock(None)?.push(&payload)?;
        Ok(())
    })
    .map(Some)
}

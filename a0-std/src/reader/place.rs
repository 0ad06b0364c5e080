//! Where a reader is in its topic, and which message it takes next.

use a0_core::{Cursor, Error, Select, State};

use crate::file::File;
use crate::reader::{Init, Iter, ReaderOptions};

/// A reader's place in a topic.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) cursor: Cursor,
    iter: Iter,
    first: First,
    started_empty: bool,
    init: Init,
}

/// How the very first message is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// Like all others.
    Usual,
    /// The one that the reader was placed at, or else the oldest one left.
    Placed,
    /// The one that the reader was placed at if it is still there, otherwise as usual.
    PlacedIfThere,
}

impl Place {
    /// Returns the place where a reader with these options starts.
    pub(super) fn new(state: &State, options: &ReaderOptions) -> Place {
        let cursor = match options.init {
            Init::AwaitNew => Cursor::behind_newest(state),
            Init::MostRecent => Cursor::before_newest(state),
            Init::Oldest => Cursor::before_oldest(state),
        };
        let placed = options.init != Init::AwaitNew && !state.is_empty();
        Place {
            cursor,
            iter: options.iter,
            first: if placed { First::PlacedIfThere } else { First::Usual },
            started_empty: state.is_empty(),
            init: options.init,
        }
    }

    /// Starts as threaded readers do: never without the first message that comes after the start, even if newer ones
    /// are there already.
    pub(super) fn start_threaded(&mut self, file: &File) {
        let overtaken = file.state().is_ok_and(|state| state.seq_low > self.cursor.seq());
        if self.started_empty || overtaken || self.init != Init::AwaitNew {
            self.first = First::Placed;
        }
    }

    /// Moves the reader to `cursor`, to go on from there as usual.
    pub(super) fn move_to(&mut self, cursor: Cursor) {
        self.cursor = cursor;
        self.first = First::Usual;
    }

    /// Notes that the first message was taken.
    #[inline(always)]
    pub(super) fn has_taken(&mut self) {
        self.first = First::Usual;
    }

    /// Whether the next message may be read together with those that follow it.
    #[inline(always)]
    pub(super) fn allows_batch(&self) -> bool {
        self.iter == Iter::Next && self.first == First::Usual
    }

    /// Returns how the reader goes on.
    pub(super) fn iter(&self) -> Iter {
        self.iter
    }

    /// Returns which message comes next. `state` is asked for only where that decides.
    #[inline(always)]
    pub(super) fn select(&self, state: impl FnOnce() -> Result<State, Error>) -> Result<Select, Error> {
        let usual = match self.iter {
            Iter::Next => Select::Next,
            Iter::Newest => Select::Newest,
        };
        Ok(match self.first {
            First::Usual => usual,
            First::Placed => Select::Next,
            First::PlacedIfThere if state()?.seq_low <= self.cursor.seq().saturating_add(1) => Select::Next,
            First::PlacedIfThere => usual,
        })
    }
}

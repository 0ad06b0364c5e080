//! Who may have a call: servers leave marks with the topic's file that say which requests they take.
//!
//! A server takes all that come after some message, and one that starts with the oldest unanswered ones also takes those before
//! that have no answer yet. The marks end with the server and the calls that it has handed out, however they end, so whoever
//! finds none that stands for a call knows that nobody will answer it. Programs of 0.3 leave none.

use a0_linux::Mark;

use crate::file::File;

/// Behind this, the marks of those who take the unanswered ones from there on.
const UNANSWERED: u64 = 1 << 61;

/// The marks of a server.
#[derive(Debug, Default)]
pub(crate) struct ServerMarks {
    _marks: [Option<Mark>; 2],
}

impl ServerMarks {
    /// Of a server that takes all requests behind `end`, and perhaps the unanswered ones behind `before`.
    pub(crate) fn leave(file: &File, end: u64, before: Option<u64>) -> ServerMarks {
        let unanswered = before.and_then(|before| file.mark(UNANSWERED + number(before.saturating_add(1))));
        ServerMarks { _marks: [file.mark(number(end.saturating_add(1))), unanswered] }
    }
}

/// A call that was sent.
#[derive(Debug)]
pub(crate) struct SentCall<'c> {
    pub(crate) file: &'c File,
    /// Sequence number of the request.
    pub(crate) seq: u64,
    /// That of the first answer, if there is one.
    pub(crate) answered: Option<u64>,
}

impl SentCall<'_> {
    /// Whether a server that lives may have it. A system call or two.
    pub(crate) fn is_known(&self) -> bool {
        let takes_all_from = |seq| self.file.has_mark(0..=number(seq));
        // Whoever came when there was an answer already has passed over it.
        let is_unanswered = || self.answered.is_none_or(takes_all_from);
        takes_all_from(self.seq) || (self.file.has_mark(UNANSWERED..=UNANSWERED + number(self.seq)) && is_unanswered())
    }

    /// Whether there may be servers of 0.3, which leave no sign of life.
    pub(crate) fn may_be_with_others(&self) -> bool {
        self.file.transport().has_foreign_users()
    }
}

/// Numbers that are too large stand for the largest one.
fn number(seq: u64) -> u64 {
    seq.min(UNANSWERED - 1)
}

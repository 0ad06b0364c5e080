//! Lines that are renewed in place on a terminal, and follow each other anywhere else.

use std::io::{self, Write};

use rustix::termios::tcgetwinsize;

use super::{Escaped, Output, complain, is_terminal};
use crate::render::Format;

/// Where lines go.
pub(crate) struct Board {
    output: Output,
    live: bool,
    /// Lines on the terminal that the next ones replace.
    drawn: usize,
}

impl Board {
    pub(crate) fn new(output: Output, format: Format) -> Board {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Board { output, live: format == Format::Text && is_terminal() && !dumb, drawn: 0 }
    }

    /// Whether lines are renewed, so that there can be many.
    pub(crate) fn is_live(&self) -> bool {
        self.live && fits(1)
    }

    /// Shows lines instead of those before.
    pub(crate) fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let live = self.live && fits(lines.len());
        let columns = size().1;
        if live && self.drawn > 0 {
            write!(self.output, "\x1b[{}A", self.drawn)?;
        }
        for line in lines {
            let line = Escaped(line).to_string();
            match live {
                true => writeln!(self.output, "\r{}\x1b[K", cut(&line, columns))?,
                false => writeln!(self.output, "{line}")?,
            }
        }
        self.drawn = if live { lines.len() } else { 0 };
        self.output.flush()
    }

    /// Shows one line instead of those before, all of it, for good.
    pub(crate) fn last(&mut self, line: &str) -> io::Result<()> {
        if self.drawn > 0 {
            write!(self.output, "\x1b[{}A\r\x1b[J", std::mem::take(&mut self.drawn))?;
        }
        writeln!(self.output, "{}", Escaped(line))?;
        self.output.flush()
    }

    /// Says something else, which stays.
    pub(crate) fn note(&mut self, what: &str) {
        complain(what);
        self.drawn = 0;
    }
}

/// Rows and columns of the terminal; zeros if it does not know.
fn size() -> (usize, usize) {
    tcgetwinsize(io::stdout()).map_or((0, 0), |size| (size.ws_row.into(), size.ws_col.into()))
}

/// Whether this many lines can be renewed. More than there are rows cannot be reached any more once they are written.
fn fits(lines: usize) -> bool {
    let (rows, columns) = size();
    columns > 0 && lines < rows
}

/// As much of a line as surely fits: whatever is not ASCII may be two columns wide.
fn cut(line: &str, columns: usize) -> &str {
    let mut left = columns;
    let end = line.char_indices().find(|(_, c)| {
        let width = if c.is_ascii() { 1 } else { 2 };
        let full = width > left;
        left = left.saturating_sub(width);
        full
    });
    &line[..end.map_or(line.len(), |(at, _)| at)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_to_what_surely_fits() {
        assert_eq!([cut("abc", 3), cut("abc", 2), cut("abc", 0), cut("", 0)], ["abc", "ab", "", ""]);
        assert_eq!([cut("aé", 3), cut("aé", 2), cut("ああ", 3)], ["aé", "a", "あ"]);
    }
}

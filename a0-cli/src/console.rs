//! Standard output and standard error, both of which may be closed at any time.

pub(crate) mod live;

use std::fmt::{self, Display, Write as _};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

/// Standard output behind one buffer of its own; the standard library's flushes at each line.
pub(crate) type Output = BufWriter<File>;

/// Opens it. Flush it before the command ends: only that reports errors.
pub(crate) fn output() -> io::Result<Output> {
    let stdout = io::stdout();
    Ok(BufWriter::with_capacity(64 << 10, File::from(stdout.as_fd().try_clone_to_owned()?)))
}

/// Whether a person reads it.
pub(crate) fn is_terminal() -> bool {
    static TERMINAL: OnceLock<bool> = OnceLock::new();
    *TERMINAL.get_or_init(|| io::stdout().is_terminal())
}

/// Writes to standard output what others have sent: as it is, but for a terminal.
pub(crate) fn hand_on(output: &mut Output, bytes: &[u8]) -> io::Result<()> {
    if is_terminal() { write!(output, "{}", Harmless(bytes)) } else { output.write_all(bytes) }
}

/// Prints one line to standard error: `a0: …`.
pub(crate) fn complain(what: impl Display) {
    // Nothing can be said about an error here.
    let _ = writeln!(io::stderr(), "a0: {}", Escaped(&what.to_string()));
}

/// Text without control characters, so that it stays on one line and cannot command the terminal; and without those that
/// change the direction of writing, so that it cannot pretend to be another one.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spell_out(f, self.0, is_special, |f, c| write!(f, "{}", c.escape_default()))
    }
}

/// What others have sent, and as they have sent it, for a terminal: several lines if it has them, but nothing that could command
/// the terminal. For a pipe or a file, it is to be written as it is.
pub(crate) struct Harmless<'a>(pub(crate) &'a [u8]);

impl Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_special = |c| !['\n', '\t'].contains(&c) && is_special(c);
        for chunk in self.0.utf8_chunks() {
            spell_out(f, chunk.valid(), is_special, |f, c| write!(f, "{}", c.escape_default()))?;
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

/// JSON on one line, which means the same but has no special characters in it. All JSON is printed like this.
pub(crate) struct Json(pub(crate) Value);

impl<V: Into<Value>> From<V> for Json {
    fn from(value: V) -> Json {
        Json(value.into())
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // They can only be inside of strings, and none of them needs more than four digits.
        spell_out(f, &self.0.to_string(), is_special, |f, c| write!(f, "\\u{:04x}", u32::from(c)))
    }
}

/// Writes a text with other words for some of its characters.
fn spell_out(
    f: &mut fmt::Formatter<'_>,
    text: &str,
    which: impl Fn(char) -> bool,
    how: impl Fn(&mut fmt::Formatter<'_>, char) -> fmt::Result,
) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(&which) {
        let (plain, special) = rest.split_at(at);
        f.write_str(plain)?;
        let mut chars = special.chars();
        chars.next().map_or(Ok(()), |c| how(f, c))?;
        rest = chars.as_str();
    }
    f.write_str(rest)
}

fn is_special(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A table with columns as wide as they need to be.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns of numbers, which end at the same place.
    right: &'static [usize],
}

impl Table {
    pub(crate) fn new(head: &[&str], right: &'static [usize]) -> Table {
        Table { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()], right }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row.iter().map(|cell| Escaped(cell).to_string()).collect());
    }

    /// The last cell of a row may be of any length, so it widens no column.
    fn width(&self, column: usize) -> usize {
        self.rows
            .iter()
            .filter(|row| row.len() > column + 1 || self.right.contains(&column) && row.len() > column)
            .map(|row| row[column].width())
            .max()
            .unwrap_or(0)
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<_> = (0..columns).map(|column| self.width(column)).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((column, cell), width) in row.iter().enumerate().zip(&widths) {
                let room = width.saturating_sub(cell.width());
                match self.right.contains(&column) {
                    true => write!(line, "{:room$}{cell}  ", "")?,
                    false => write!(line, "{cell}{:room$}  ", "")?,
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(Escaped("a\nb\u{1b}[2Jé\0").to_string(), "a\\nb\\u{1b}[2Jé\\u{0}");
        assert_eq!(Escaped("gnp.\u{202e}exe").to_string(), "gnp.\\u{202e}exe");
        assert_eq!(Harmless(b"a\n\tb\r\x1b[2J\xc3\xa9\x9b\xff").to_string(), "a\n\tb\\r\\u{1b}[2Jé\\x9b\\xff");
        let text = "\"\\\0\n\u{1b}\u{7f}\u{9b}\u{61c}\u{200e}\u{2028}\u{202e}\u{2069}é相🦀";
        let json = Json::from(text).to_string();
        assert_eq!(json, r#""\"\\\u0000\n\u001b\u007f\u009b\u061c\u200e\u2028\u202e\u2069é相🦀""#);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), text);
    }

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["A", "NUMBER", "REST"], &[1]);
        table.push(vec!["long".into(), "7".into(), "x".into()]);
        table.push(vec!["l".into(), "12345678".into()]);
        assert_eq!(table.to_string(), "A       NUMBER  REST\nlong         7  x\nl     12345678\n");
        table.push(vec!["相机".into(), "8".into(), "as wide as long".into()]);
        assert_eq!(table.to_string().lines().last(), Some("相机         8  as wide as long"));
    }
}

//! One topic with its last messages.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use a0_std::{Init, Message};
use serde_json::Value;

use crate::console::Escaped;
use crate::end::{End, Outcome};
use crate::tap::{Found, Tap};

/// Messages that are kept.
const KEPT: usize = 100;

/// Bytes of a payload, and of all headers, that are kept.
const KEPT_PAYLOAD: usize = 64 << 10;
const KEPT_HEADERS: usize = 4 << 10;

/// Lines of a payload that are shown.
const LINES: usize = 1000;

/// How long messages are read before keys have their turn again. What has come until then is passed over.
const READ_BUDGET: Duration = Duration::from_millis(20);

/// How a payload is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Text,
    Json,
    Hex,
}

impl Body {
    pub(super) fn next(self) -> Body {
        match self {
            Body::Text => Body::Json,
            Body::Json => Body::Hex,
            Body::Hex => Body::Text,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Body::Text => "text",
            Body::Json => "JSON",
            Body::Hex => "hex",
        }
    }
}

/// A message as far as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) seq: u64,
    id: String,
    headers: Vec<(String, String)>,
    payload: Vec<u8>,
    /// Bytes that the payload had.
    len: usize,
}

/// The topic that is open, read without a trace.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    tap: Option<Tap>,
    /// Why it cannot be read.
    pub(super) error: Option<String>,
    pub(super) kept: VecDeque<Kept>,
    pub(super) missed: u64,
    pub(super) damaged: u64,
    /// Messages that came faster than they can be shown.
    pub(super) passed_over: u64,
    last: Option<u64>,
    pub(super) body: Body,
    /// The message that is shown; the newest one unless the user has chosen another.
    chosen: Option<u64>,
    /// The first line of it that is shown.
    pub(super) scroll: usize,
}

impl Opened {
    pub(super) fn new(path: &Path) -> Opened {
        let mut opened = Opened {
            path: path.to_owned(),
            tap: None,
            error: None,
            kept: VecDeque::new(),
            missed: 0,
            damaged: 0,
            passed_over: 0,
            last: None,
            body: Body::Text,
            chosen: None,
            scroll: 0,
        };
        let tap = Tap::new(path, Init::Oldest).map(|tap| opened.tap = Some(tap));
        opened.note(tap);
        opened
    }

    /// Reads what has come; whether there was anything.
    pub(super) fn read(&mut self) -> bool {
        let Some(mut tap) = self.tap.take() else { return false };
        let read = self.read_from(&mut tap);
        self.tap = Some(tap);
        self.note(read).unwrap_or(true)
    }

    fn read_from(&mut self, tap: &mut Tap) -> Outcome<bool> {
        let started = Instant::now();
        let mut any = tap.look_after(started)?;
        if any {
            // The numbers begin anew.
            self.last = None;
        }
        loop {
            match tap.read()? {
                Found::Message(message) => self.keep(&message),
                Found::Damaged { missed } => {
                    self.damaged += 1;
                    self.missed = self.missed.saturating_add(missed);
                }
                Found::Nothing => return Ok(any),
            }
            any = true;
            if started.elapsed() > READ_BUDGET {
                *tap = Tap::new(&self.path, Init::MostRecent)?;
                return Ok(any);
            }
        }
    }

    /// Remembers why it cannot be read any more.
    fn note<T>(&mut self, result: Outcome<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(end) => {
                self.tap = None;
                self.error = Some(match end {
                    End::Failed(reason) => Escaped(&reason).to_string(),
                    _ => "it cannot be read".to_owned(),
                });
                None
            }
        }
    }

    fn keep(&mut self, message: &Message<'_>) {
        let (seq, missed) = (message.seq(), message.missed());
        let between = self.last.map_or(0, |last| seq.saturating_sub(last).saturating_sub(1));
        self.missed = self.missed.saturating_add(missed);
        self.passed_over = self.passed_over.saturating_add(between.saturating_sub(missed));
        self.last = Some(seq);
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        let mut room = KEPT_HEADERS;
        let headers = message.headers().take_while(|(key, value)| {
            let needed = key.len() + value.len();
            let fits = needed <= room;
            room = room.saturating_sub(needed);
            fits
        });
        let headers = headers.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let payload = message.payload();
        self.kept.push_back(Kept {
            seq,
            id: message.id().to_owned(),
            headers,
            payload: payload[..payload.len().min(KEPT_PAYLOAD)].to_vec(),
            len: payload.len(),
        });
    }

    /// Which of the messages is shown.
    pub(super) fn shown(&self) -> Option<usize> {
        let newest = self.kept.len().checked_sub(1)?;
        // One that is not kept any more gives way to the oldest one that is.
        let chosen = self.chosen.map(|seq| self.kept.iter().position(|kept| kept.seq >= seq).unwrap_or(newest));
        Some(chosen.unwrap_or(newest))
    }

    /// Chooses a newer or an older message. The newest one gives way to newer ones.
    pub(super) fn choose(&mut self, older: bool, steps: usize) {
        let Some(shown) = self.shown() else { return };
        let newest = self.kept.len() - 1;
        let at = if older { shown.saturating_sub(steps) } else { shown.saturating_add(steps).min(newest) };
        self.chosen = (at < newest).then(|| self.kept[at].seq);
        self.scroll = 0;
    }
}

impl Kept {
    /// On one line, safe for a terminal.
    pub(super) fn summary(&self) -> String {
        let mut text: String = String::from_utf8_lossy(&self.payload[..self.payload.len().min(200)]).into_owned();
        if str::from_utf8(&self.payload).is_err() && self.len <= KEPT_PAYLOAD {
            text = self.payload.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
        }
        format!("[{}] {} B  {}", self.seq, self.len, Escaped(&text))
    }

    /// In full: payload, id, headers; safe for a terminal.
    pub(super) fn lines(&self, body: Body) -> Vec<String> {
        let mut lines = match body {
            Body::Text => text(&self.payload),
            Body::Json => match serde_json::from_slice::<Value>(&self.payload) {
                Ok(json) => text(format!("{json:#}").as_bytes()),
                Err(error) => vec![format!("no JSON: {}", Escaped(&error.to_string()))],
            },
            Body::Hex => self.payload.chunks(16).enumerate().map(|(at, bytes)| hex(16 * at, bytes)).collect(),
        };
        lines.truncate(LINES);
        if self.len > self.payload.len() {
            lines.push(format!("… and {} bytes more", self.len - self.payload.len()));
        }
        lines.push(String::new());
        lines.push(format!("id: {}", Escaped(&self.id)));
        lines.extend(self.headers.iter().map(|(key, value)| format!("{}: {}", Escaped(key), Escaped(value))));
        lines
    }
}

fn text(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().take(LINES).map(|line| Escaped(line).to_string()).collect()
}

/// `OFFSET  16 bytes  as ASCII`.
fn hex(offset: usize, bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    format!("{offset:06x}  {digits:<48} {}", bytes.iter().map(shown).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(payload: &[u8]) -> Kept {
        let headers = vec![("k\x1b".to_owned(), "v\u{9b}".to_owned())];
        Kept { seq: 3, id: "i".to_owned(), headers, payload: payload.to_vec(), len: payload.len() }
    }

    #[test]
    fn payloads_are_shown_in_three_ways_and_never_raw() {
        let json = kept(b"{\"a\":[1,\"\xc2\x9b\\u001b[2J\"]}");
        assert_eq!(json.lines(Body::Json)[..6], ["{", "  \"a\": [", "    1,", "    \"\\u{9b}\\u001b[2J\"", "  ]", "}"]);
        assert_eq!(json.lines(Body::Text)[1..], ["", "id: i", "k\\u{1b}: v\\u{9b}"]);
        let binary = kept(b"\x1b[2J\xff\nA");
        assert_eq!(binary.lines(Body::Text)[..2], ["\\u{1b}[2J\u{fffd}", "A"]);
        assert_eq!(binary.summary(), "[3] 7 B  1b5b324aff0a41");
        assert_eq!(binary.lines(Body::Hex)[0], format!("000000  {:<48} .[2J..A", "1b 5b 32 4a ff 0a 41"));
        assert!(binary.lines(Body::Json)[0].starts_with("no JSON: "));
        for body in [Body::Text, Body::Json, Body::Hex] {
            for message in [&json, &binary, &kept(&[b'['; 5000]), &kept(&[b'\n'; 50_000])] {
                let lines = message.lines(body);
                assert!(lines.len() <= LINES + 4 && !lines.concat().contains(char::is_control), "{lines:?}");
            }
        }
    }
}

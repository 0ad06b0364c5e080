//! `a0 top`.

mod app;
mod columns;
mod look;
mod opened;
mod row;
mod snapshot;
mod topics;
mod view;
mod view_opened;
mod widgets;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use a0_std::{DiscoverySync, Protocol};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use crossterm::event::{self, Event};
use nix::sys::signal::Signal;
use ratatui::DefaultTerminal;

use crate::console::{is_terminal, output};
use crate::end::{End, Outcome, StopReason};
use crate::gauge::window;
use crate::render::Format;
use crate::stop::Stop;
use crate::target;
use app::{App, Then};
use topics::{Sort, Topics};

/// Between two looks whether a key was pressed, or it is time to end.
const KEY_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// As good as no waiting; with none at all, keys that were read together with the last one would not be looked at.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Keys that are taken before the screen is drawn again.
const KEYS: u32 = 100;

/// Watch all topics at once
///
/// A table that is renewed all the time; Enter opens a topic, with its last messages and a plot of its rate. Only the
/// headers of topics are looked at, through mappings that cannot be written to, and messages only of the topic that is
/// open: no lock is taken, nothing is created, nobody is slowed down.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 top
  a0 top 'cam/**' --sort bandwidth
  a0 top --once
  a0 top --format json --interval 5 | jq 'select(.rate > 100) | .topic'

Columns:
  RATE/s   messages a second
  BYTES/s  bytes a second that went into the topic, with ids and headers; an estimate if everything
           was overwritten between two looks
  LATEST   bytes of the newest message, with id and headers
  TOTAL    messages there have ever been
  USED     of the arena; once it is full, new messages push out old ones
  LOST     messages that came and went between two looks, so that this program cannot have seen
           them. What subscribers lose, and how far they are behind, is unknown: readers leave no
           trace
  WAITS    whether somebody has gone to sleep until a message comes
  LOCK     who has the lock right now, if anybody; who has the deadman

Keys:
  arrows, j, k, PgUp, PgDn, Home, End   select
  Enter                                 open the topic; there: d cycles text, JSON, hex
  /                                     filter by name and protocol
  s, r                                  sort by the next column; reverse
  Esc, q, Ctrl-C                        back, or quit; quit; quit

JSON, one object a line:
  topic, protocol, path, rate, bytes_per_second, latest_size, seq_low, seq_high, messages, arena, used,
  lost, lock (thread, pid, program; or null), sleepers, subscriber_lag (null: unknown); those that are
  damaged or cannot be read have error instead, new ones new, and deadmen have what 'a0 deadman state'
  says")]
pub(crate) struct Args {
    /// Which topics, as for 'a0 watch'; quote it, or the shell takes it for files
    #[arg(default_value = "**")]
    pattern: String,
    /// Only topics of this protocol (may be repeated)
    #[arg(short, long, value_name = "PROTOCOL", value_parser = PossibleValuesParser::new(Protocol::ALL.iter().map(|protocol| protocol.name())))]
    protocol: Vec<String>,
    /// Time between two updates
    #[arg(short, long, value_name = "SECONDS", value_parser = window, default_value = "1")]
    interval: Duration,
    /// The order at first
    #[arg(short, long, value_enum, default_value_t = Sort::Name)]
    sort: Sort,
    /// Print the table once, after one interval
    #[arg(long)]
    once: bool,
    /// How to print; json prints once, too
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        let once = self.once || self.format == Format::Json;
        if !once {
            check_terminal()?;
        }
        let topics = Topics::new(DiscoverySync::topics(target::protocols(&self.protocol), &self.pattern)?);
        if once { self.print(topics, stop) } else { self.show(topics, stop) }
    }

    fn print(&self, mut topics: Topics, stop: &Stop) -> Outcome {
        while topics.discover() {}
        stop.sleep_until(Instant::now() + self.interval);
        while topics.look() {}
        let mut output = output()?;
        snapshot::print(&mut output, &topics.sorted("", self.sort, false), self.format)?;
        Ok(output.flush()?)
    }

    fn show(&self, topics: Topics, stop: &Stop) -> Outcome {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        let mut app = App::new(topics, self.sort, colours);
        // Dropped last: when this process may be ended, the terminal is as it was.
        let _hold = stop.hold();
        let mut screen = Screen::open()?;
        let mut due = Instant::now() + self.interval;
        while stop.reason().is_none() {
            app.topics.discover();
            let now = Instant::now();
            if now >= due {
                due = if app.topics.look() { now } else { now + self.interval };
            }
            if let Some(opened) = &mut app.opened {
                opened.read();
            }
            screen.0.draw(|frame| view::draw(frame, &mut app)).map_err(unusable)?;
            match keys(&mut app).map_err(unusable)? {
                Then::GoOn => {}
                Then::Quit => return Ok(()),
                Then::Interrupt => return Err(StopReason::Signal(Signal::SIGINT).into()),
            }
        }
        Ok(())
    }
}

/// Waits a little for keys, and takes them.
fn keys(app: &mut App) -> io::Result<Then> {
    let mut wait = KEY_CHECK_INTERVAL;
    for _ in 0..KEYS {
        if !event::poll(wait)? {
            break;
        }
        wait = AT_ONCE;
        if let Event::Key(key) = event::read()? {
            let then = app.press(key);
            if then != Then::GoOn {
                return Ok(then);
            }
        }
    }
    Ok(Then::GoOn)
}

fn check_terminal() -> Outcome {
    let term = std::env::var_os("TERM").unwrap_or_default();
    match is_terminal() {
        true if !term.is_empty() && term != "dumb" => Ok(()),
        true => Err(End::failed("this terminal can only print lines (see TERM); a0 top --once prints the table once")),
        false => Err(End::failed("standard output is no terminal; a0 top --once prints the table once")),
    }
}

fn unusable(error: io::Error) -> End {
    End::failed(format_args!("cannot use the terminal: {error}; a0 top --once prints the table once"))
}

/// The terminal while it is ours. A panic also gives it back, before it says what happened.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> Outcome<Screen> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Screen(terminal)),
            Err(error) => {
                // It may have got half of the way.
                let _ = ratatui::try_restore();
                Err(unusable(error))
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A second time would put the cursor back to where it was, over what the panic has said.
        if std::thread::panicking() {
            return;
        }
        // Nothing can be done where this fails: it is gone.
        let _ = self.0.show_cursor();
        let _ = ratatui::try_restore();
    }
}

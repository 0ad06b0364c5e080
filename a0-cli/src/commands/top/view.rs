//! Drawing the table.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Table};

use super::app::App;
use super::columns::{self, COLUMNS, Column};
use super::look::Look;
use super::row::Row;
use super::view_opened;
use super::widgets::{colour, help, said};
use crate::console::Escaped;

/// Columns that a topic's name gets at least.
const NAME: u16 = 18;

const HELP: &str = "q quit  ↑↓ select  Enter open  / filter  s sort  r reverse";

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    match &mut app.opened {
        None => table(frame, app),
        Some(opened) => view_opened::draw(frame, opened, &app.topics, app.colours),
    }
}

fn table(frame: &mut Frame<'_>, app: &mut App) {
    let [top, middle, status, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)])
            .areas(frame.area());
    let rows = app.rows();
    let selected = app.selection(&rows);
    // Of the header's line, too.
    let visible = usize::from(middle.height).saturating_sub(1);
    let mut offset = app.offset.min(rows.len().saturating_sub(visible));
    offset = offset.min(selected).max((selected + 1).saturating_sub(visible.max(1)));
    let title = format!("a0 top  {} of {} topics  by {}", rows.len(), app.topics.len(), app.sort.name());
    let reversed = if app.reverse { ", reversed" } else { "" };
    frame.render_widget(
        Line::styled(format!("{title}{reversed}{}", filter(app)), Style::new().add_modifier(Modifier::BOLD)),
        top,
    );
    let shown = rows.iter().enumerate().skip(offset).take(visible);
    frame.render_widget(grid(middle.width, app, shown.map(|(at, row)| (*row, at == selected))), middle);
    if let Some(row) = rows.get(selected) {
        frame.render_widget(Paragraph::new(said(row)), status);
    }
    help(frame, bottom, if app.editing { "Enter keep the filter  Esc drop it" } else { HELP });
    app.offset = offset;
}

fn filter(app: &App) -> String {
    let cursor = if app.editing { "_" } else { "" };
    if app.editing || !app.filter.is_empty() {
        format!("  filter: {}{cursor}", Escaped(&app.filter))
    } else {
        String::new()
    }
}

fn grid<'r>(width: u16, app: &App, rows: impl Iterator<Item = (&'r Row, bool)>) -> Table<'static> {
    let fitting = fitting(width);
    let title = |column: &Column| {
        let mark = if column.sort == Some(app.sort) { Modifier::UNDERLINED } else { Modifier::empty() };
        cell(column.title.to_owned(), column.right).style(Style::new().add_modifier(mark))
    };
    let head = std::iter::once(Cell::new("TOPIC")).chain(fitting.iter().map(title));
    let rows = rows.map(|(row, selected)| {
        let cells = fitting.iter().map(|column| cell((column.cell)(row), column.right));
        let style = style(app.colours, row);
        let style = if selected { style.add_modifier(Modifier::REVERSED) } else { style };
        TableRow::new(std::iter::once(Cell::new(columns::name(row))).chain(cells)).style(style)
    });
    let widths =
        std::iter::once(Constraint::Fill(1)).chain(fitting.iter().map(|column| Constraint::Length(column.width)));
    Table::new(rows, widths).header(TableRow::new(head).style(Style::new().add_modifier(Modifier::BOLD)))
}

/// As many columns as there is room for.
fn fitting(width: u16) -> &'static [Column] {
    let mut left = width.saturating_sub(NAME);
    let fits = |column: &&Column| {
        let needed = column.width + 1;
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    };
    let count = COLUMNS.iter().take_while(fits).count();
    &COLUMNS[..count]
}

fn cell(text: String, right: bool) -> Cell<'static> {
    Cell::new(Text::from(text).alignment(if right { Alignment::Right } else { Alignment::Left }))
}

fn style(colours: bool, row: &Row) -> Style {
    match &row.look {
        Look::Damaged(_) => colour(colours, Color::Red),
        Look::Messages(messages) if messages.owner.is_some() => colour(colours, Color::Yellow),
        _ if row.rate.is_some_and(|rate| rate > 0.0) => colour(colours, Color::Green),
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use a0_core::State;
    use a0_std::{DiscoveredTopic, Protocol};
    use crossterm::event::{KeyCode, KeyEvent};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::commands::top::app::Then;
    use crate::commands::top::look::{Messages, Owner};
    use crate::commands::top::topics::{Sort, Topics};

    fn row(name: &str, protocol: Protocol, seq_high: u64) -> Row {
        let topic = DiscoveredTopic::new(protocol, name, format!("/{protocol:?}/{name}"));
        let look = |seq_high: u64| {
            let tail = 144 + 1000 * (seq_high - 1);
            let state = State { seq_low: 1, seq_high, off_head: 144, off_tail: tail, high_water_mark: tail + 1000 };
            let owner = (seq_high > 500).then(|| Owner { thread: 8, process: Some((7, "pu\x1bb".to_owned())) });
            Look::Messages(Messages { state, latest: Some(960), arena: 1 << 20, owner, sleepers: true })
        };
        let start = Instant::now();
        let mut row = Row::new(topic, look(1), start);
        row.update(look(seq_high), start + Duration::from_secs(10));
        row
    }

    fn app() -> App {
        let mut rows = vec![row("cam/front", Protocol::PubSub, 601), row("cam/\x1b[2Jrear", Protocol::PubSub, 11)];
        rows.extend((0..30).map(|number| row(&format!("rpc{number:02}"), Protocol::Rpc, 1)));
        let topic = DiscoveredTopic::new(Protocol::Cfg, "bad", "/bad");
        rows.push(Row::new(topic, Look::Damaged("not a topic\r".to_owned()), Instant::now()));
        App::new(Topics::of(rows), Sort::Rate, true)
    }

    /// The screen, line by line.
    fn screen(app: &mut App, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, app)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect()
    }

    fn press(app: &mut App, codes: &[KeyCode]) -> Then {
        codes.iter().map(|code| app.press(KeyEvent::from(*code))).last().unwrap()
    }

    #[test]
    fn a_screen_of_80_by_24() {
        let mut app = app();
        let lines = screen(&mut app, 80, 24);
        assert_eq!(lines[0], "a0 top  33 of 33 topics  by rate");
        assert_eq!(lines[1], "TOPIC               PROTO     RATE/s    BYTES/s     LATEST     TOTAL USED   LOST");
        assert_eq!(lines[2], "cam/front           pubsub      60.0   58.6 KiB      960 B       601  57%      0");
        assert_eq!(lines[3], "cam/\\u{1b}[2Jrear   pubsub       1.0     1000 B      960 B        11   1%      0");
        assert_eq!(lines[22], "lock: 7 pu\\u{1b}b; somebody waits; subscribers' lag: unknown (readers leave no t");
        assert_eq!(lines[23], HELP);
        // The selection moves with the screen.
        press(&mut app, &[KeyCode::End]);
        let lines = screen(&mut app, 80, 24);
        assert_eq!(&lines[21][..40], "bad                 cfg        error    ");
        assert_eq!(lines[22], "error: not a topic\\r");
        press(&mut app, &[KeyCode::Home]);
        assert!(screen(&mut app, 80, 24)[2].starts_with("cam/front"));
    }

    #[test]
    fn wide_and_small_screens() {
        let mut app = app();
        let lines = screen(&mut app, 120, 10);
        assert!(lines[1].ends_with("LOST WAITS LOCK") && lines[2].ends_with(" 0 yes   7 pu\\u{1b}b"), "{lines:?}");
        assert_eq!(lines.len(), 10);
        let lines = screen(&mut app, 20, 5);
        assert_eq!(lines[..3], ["a0 top  33 of 33 top", "TOPIC", "cam/front"]);
        // Nothing to see, and no panic; opened topics likewise.
        for opened in [false, true] {
            for (width, height) in [(1, 1), (0, 0), (0, 5), (5, 0), (300, 1), (1, 300)] {
                screen(&mut app, width, height);
            }
            if !opened {
                press(&mut app, &[KeyCode::Enter]);
                assert!(app.opened.is_some());
            }
        }
        let mut none = App::new(Topics::of([]), Sort::Rate, false);
        press(&mut none, &[KeyCode::Down, KeyCode::Enter]);
        assert_eq!(screen(&mut none, 80, 24)[0], "a0 top  0 of 0 topics  by rate");
    }

    #[test]
    fn keys() {
        let mut app = app();
        press(&mut app, &[KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Backspace]);
        press(&mut app, &"REAR".chars().map(KeyCode::Char).collect::<Vec<_>>());
        assert_eq!(screen(&mut app, 80, 24)[0], "a0 top  1 of 33 topics  by rate  filter: REAR_");
        assert_eq!(press(&mut app, &[KeyCode::Enter, KeyCode::Char('s'), KeyCode::Char('r')]), Then::GoOn);
        assert_eq!(screen(&mut app, 80, 24)[0], "a0 top  1 of 33 topics  by bandwidth, reversed  filter: REAR");
        // First the filter goes.
        assert_eq!(press(&mut app, &[KeyCode::Esc]), Then::GoOn);
        assert!(app.filter.is_empty());
        assert_eq!(press(&mut app, &[KeyCode::Esc]), Then::Quit);
        assert_eq!(press(&mut app, &[KeyCode::Char('q')]), Then::Quit);
        press(&mut app, &[KeyCode::Down, KeyCode::Enter]);
        // The files of these rows do not exist.
        assert!(screen(&mut app, 80, 24)[0].starts_with("rpc"));
        assert_eq!(press(&mut app, &[KeyCode::Esc]), Then::GoOn);
        assert!(app.opened.is_none());
        // Every order shows every topic.
        for _ in 0..8 {
            press(&mut app, &[KeyCode::Char('s')]);
            assert_eq!(app.rows().len(), 33);
        }
    }
}

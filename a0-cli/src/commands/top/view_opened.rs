//! Drawing one topic.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Sparkline};

use super::columns::{self, COLUMNS};
use super::opened::Opened;
use super::row::Row;
use super::topics::Topics;
use super::widgets::{colour, help, said};
use crate::inspect;

/// Lines of the plot, and at most of the list of messages.
const PLOT: u16 = 3;
const LIST: u16 = 8;

const HELP: &str = "q quit  Esc back  ↑↓ message  d text/JSON/hex  PgUp/PgDn scroll";

pub(super) fn draw(frame: &mut Frame<'_>, opened: &mut Opened, topics: &Topics, colours: bool) {
    let [title, facts, plot, list, middle, body, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Max(PLOT),
        Constraint::Max(LIST),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match topics.get(&opened.path) {
        Some(row) => {
            frame.render_widget(Line::styled(self::title(row), bold), title);
            frame.render_widget(Paragraph::new(said(row)), facts);
            self::plot(frame, plot, row, colours);
        }
        None => frame.render_widget(Line::styled("This topic was removed.", bold), title),
    }
    let [problem, list] =
        Layout::vertical([Constraint::Length(opened.error.is_some().into()), Constraint::Fill(1)]).areas(list);
    if let Some(error) = &opened.error {
        frame.render_widget(Paragraph::new(error.as_str()).style(colour(colours, Color::Red)), problem);
    }
    messages(frame, list, opened);
    let peak = topics.get(&opened.path).map_or(0.0, |row| row.history.iter().copied().fold(0.0, f64::max));
    frame.render_widget(Line::styled(counts(opened, peak), bold), middle);
    payload(frame, body, opened);
    help(frame, bottom, HELP);
}

fn title(row: &Row) -> String {
    let cells = COLUMNS.iter().filter(|column| column.right);
    let facts: Vec<_> = cells.map(|column| format!("{} {}", column.title.to_lowercase(), (column.cell)(row))).collect();
    let seqs =
        row.look.messages().map_or_else(String::new, |messages| format!("  seq {}", inspect::range(&messages.state)));
    format!("{}  {}{seqs}  {}", columns::name(row), row.topic.protocol.name(), facts.join("  "))
}

/// The rates of the last minutes, the newest one at the right.
fn plot(frame: &mut Frame<'_>, area: Rect, row: &Row, colours: bool) {
    let skipped = row.history.len().saturating_sub(area.width.into());
    // Hundredths, so that slow topics have a shape, too.
    let rates = row.history.iter().skip(skipped).map(|rate| (rate * 100.0) as u64);
    frame.render_widget(Sparkline::default().data(rates).style(colour(colours, Color::Cyan)), area);
}

/// One line for each message, the newest one first.
fn messages(frame: &mut Frame<'_>, area: Rect, opened: &Opened) {
    let Some(shown) = opened.shown() else { return };
    let height = usize::from(area.height);
    let from_newest = opened.kept.len() - 1 - shown;
    let skipped = (from_newest + 1).saturating_sub(height);
    let lines = opened.kept.iter().enumerate().rev().skip(skipped).take(height).map(|(at, kept)| {
        let style = if at == shown { Modifier::REVERSED } else { Modifier::empty() };
        Line::styled(kept.summary(), Style::new().add_modifier(style))
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

fn counts(opened: &Opened, peak: f64) -> String {
    let mut text = format!("-- plot up to {}/s; as {}", columns::frequency(peak), opened.body.name());
    for (count, what) in [(opened.missed, "missed"), (opened.passed_over, "passed over"), (opened.damaged, "damaged")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text + " --"
}

fn payload(frame: &mut Frame<'_>, area: Rect, opened: &mut Opened) {
    let Some(shown) = opened.shown() else { return };
    let lines = opened.kept[shown].lines(opened.body);
    opened.scroll = opened.scroll.min(lines.len().saturating_sub(area.height.into()));
    let lines = lines.into_iter().skip(opened.scroll).take(area.height.into()).map(Line::from);
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

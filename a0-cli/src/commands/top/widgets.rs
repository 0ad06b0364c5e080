//! Pieces that the table and an open topic have in common.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::Paragraph;

use super::columns;
use super::look::Look;
use super::row::Row;
use crate::console::Escaped;

/// A style that is left out where no colours are wanted.
pub(super) fn colour(colours: bool, colour: Color) -> Style {
    if colours { Style::new().fg(colour) } else { Style::new() }
}

pub(super) fn help(frame: &mut Frame<'_>, area: Rect, text: &str) {
    frame.render_widget(Paragraph::new(text).style(Style::new().add_modifier(Modifier::DIM)), area);
}

/// What there is no column for.
pub(super) fn said(row: &Row) -> String {
    match &row.look {
        Look::Damaged(reason) => format!("error: {}", Escaped(reason)),
        Look::New => "nobody has written to it yet".to_owned(),
        Look::Deadman(look) => look.to_string(),
        Look::Messages(messages) => {
            let lock = messages.owner.as_ref().map_or_else(|| "free".to_owned(), columns::owner);
            let waits = if messages.sleepers { "somebody waits" } else { "nobody waits" };
            format!("lock: {lock}; {waits}; subscribers' lag: unknown (readers leave no trace)")
        }
    }
}

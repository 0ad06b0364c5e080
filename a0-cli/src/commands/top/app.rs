//! What is on the screen, and what keys do to it.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::opened::Opened;
use super::row::Row;
use super::topics::{Sort, Topics};

/// Rows of a page, more or less.
const PAGE: usize = 10;

/// Characters of a filter.
const FILTER: usize = 60;

/// The whole state of the screen.
pub(super) struct App {
    pub(super) topics: Topics,
    pub(super) sort: Sort,
    pub(super) reverse: bool,
    pub(super) filter: String,
    /// Whether keys go to the filter.
    pub(super) editing: bool,
    selected: Option<PathBuf>,
    /// The first row that is shown.
    pub(super) offset: usize,
    pub(super) opened: Option<Opened>,
    pub(super) colours: bool,
}

/// What follows from a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Quit,
    /// As if it were SIGINT.
    Interrupt,
}

impl App {
    pub(super) fn new(topics: Topics, sort: Sort, colours: bool) -> App {
        let (selected, opened) = (None, None);
        App {
            topics,
            sort,
            reverse: false,
            filter: String::new(),
            editing: false,
            selected,
            offset: 0,
            opened,
            colours,
        }
    }

    /// The rows of the table in order.
    pub(super) fn rows(&self) -> Vec<&Row> {
        self.topics.sorted(&self.filter, self.sort, self.reverse)
    }

    /// Which of these rows is selected: the first one unless the user has moved.
    pub(super) fn selection(&self, rows: &[&Row]) -> usize {
        let selected = self.selected.as_ref();
        rows.iter().position(|row| Some(&row.topic.path) == selected).unwrap_or(0)
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Then {
        if key.kind == KeyEventKind::Release {
            return Then::GoOn;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Then::Interrupt } else { Then::GoOn };
        }
        if self.editing {
            self.edit(key.code);
            return Then::GoOn;
        }
        match (key.code, self.opened.is_some()) {
            (KeyCode::Char('q'), _) => return Then::Quit,
            (KeyCode::Esc, true) => self.opened = None,
            (KeyCode::Esc, false) if self.filter.is_empty() => return Then::Quit,
            (KeyCode::Esc, false) => self.filter.clear(),
            (code, true) => self.press_opened(code),
            (code, false) => self.press_table(code),
        }
        Then::GoOn
    }

    fn edit(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char(c) if !c.is_control() && self.filter.chars().count() < FILTER => self.filter.push(c),
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Enter => self.editing = false,
            KeyCode::Esc => {
                self.editing = false;
                self.filter.clear();
            }
            _ => {}
        }
    }

    fn press_table(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char('/') => self.editing = true,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Enter => {
                let rows = self.rows();
                let path = rows.get(self.selection(&rows)).map(|row| row.topic.path.clone());
                self.opened = path.as_deref().map(Opened::new);
                self.selected = path;
            }
            KeyCode::Up | KeyCode::Char('k') => self.select(|at| at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(|at| at + 1),
            KeyCode::PageUp => self.select(|at| at.saturating_sub(PAGE)),
            KeyCode::PageDown => self.select(|at| at + PAGE),
            KeyCode::Home => self.select(|_| 0),
            KeyCode::End => self.select(|_| usize::MAX),
            _ => {}
        }
    }

    fn select(&mut self, to: impl FnOnce(usize) -> usize) {
        let rows = self.rows();
        let at = to(self.selection(&rows)).min(rows.len().saturating_sub(1));
        self.selected = rows.get(at).map(|row| row.topic.path.clone());
    }

    fn press_opened(&mut self, code: KeyCode) {
        let Some(opened) = &mut self.opened else { return };
        match code {
            KeyCode::Char('d') | KeyCode::Tab => {
                opened.body = opened.body.next();
                opened.scroll = 0;
            }
            KeyCode::Up | KeyCode::Char('k') => opened.choose(false, 1),
            KeyCode::Down | KeyCode::Char('j') => opened.choose(true, 1),
            KeyCode::Home => opened.choose(false, usize::MAX),
            KeyCode::End => opened.choose(true, usize::MAX),
            KeyCode::PageUp => opened.scroll = opened.scroll.saturating_sub(PAGE),
            KeyCode::PageDown => opened.scroll = opened.scroll.saturating_add(PAGE),
            KeyCode::Backspace | KeyCode::Left => self.opened = None,
            _ => {}
        }
    }
}

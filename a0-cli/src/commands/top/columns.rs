//! What the table says of a topic, column by column.

use super::look::{Look, Owner};
use super::row::Row;
use super::topics::Sort;
use crate::console::Escaped;
use crate::quantity::human;

/// A column of the table.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) width: u16,
    /// For numbers, which end at the same place.
    pub(super) right: bool,
    pub(super) sort: Option<Sort>,
    pub(super) cell: fn(&Row) -> String,
}

/// The columns behind the topic's name; where there is no room for all of them, the last ones are left out.
pub(super) const COLUMNS: [Column; 9] = [
    Column {
        title: "PROTO",
        width: 7,
        right: false,
        sort: Some(Sort::Protocol),
        cell: |row| row.topic.protocol.name().into(),
    },
    Column { title: "RATE/s", width: 8, right: true, sort: Some(Sort::Rate), cell: rate },
    Column { title: "BYTES/s", width: 10, right: true, sort: Some(Sort::Bandwidth), cell: bandwidth },
    Column { title: "LATEST", width: 10, right: true, sort: Some(Sort::Size), cell: latest },
    Column { title: "TOTAL", width: 9, right: true, sort: Some(Sort::Total), cell: total },
    Column { title: "USED", width: 4, right: true, sort: Some(Sort::Used), cell: used },
    Column { title: "LOST", width: 6, right: true, sort: Some(Sort::Lost), cell: |row| count(row.lost) },
    Column { title: "WAITS", width: 5, right: false, sort: None, cell: waits },
    Column { title: "LOCK", width: 22, right: false, sort: None, cell: lock },
];

const NOTHING: &str = "-";

/// The topic's name, safe for a terminal.
pub(super) fn name(row: &Row) -> String {
    Escaped(&row.topic.name).to_string()
}

fn rate(row: &Row) -> String {
    match (&row.look, row.rate) {
        (Look::Damaged(_), _) => "error".to_owned(),
        (Look::New, _) => "new".to_owned(),
        (Look::Deadman(look), _) => if look.state.owner.is_some() { "taken" } else { "free" }.to_owned(),
        (Look::Messages(_), Some(rate)) => frequency(rate),
        (Look::Messages(_), None) => NOTHING.to_owned(),
    }
}

fn bandwidth(row: &Row) -> String {
    row.bandwidth.map_or_else(|| NOTHING.to_owned(), |bytes| human(bytes as u64))
}

fn latest(row: &Row) -> String {
    let latest = row.look.messages().and_then(|messages| messages.latest);
    latest.map_or_else(|| NOTHING.to_owned(), human)
}

fn total(row: &Row) -> String {
    row.look.messages().map_or_else(|| NOTHING.to_owned(), |messages| count(messages.state.seq_high))
}

fn used(row: &Row) -> String {
    row.used().map_or_else(|| NOTHING.to_owned(), |used| format!("{:.0}%", used * 100.0))
}

fn waits(row: &Row) -> String {
    row.look.messages().map_or(NOTHING, |messages| if messages.sleepers { "yes" } else { "no" }).to_owned()
}

fn lock(row: &Row) -> String {
    match &row.look {
        Look::Messages(messages) => messages.owner.as_ref().map_or_else(|| "free".to_owned(), owner),
        Look::Deadman(look) => match (look.state.owner, &look.process) {
            (Some(thread), process) => owner(&Owner { thread, process: process.clone() }),
            (None, _) => "free".to_owned(),
        },
        Look::New | Look::Damaged(_) => NOTHING.to_owned(),
    }
}

/// `PID NAME`, or what is known instead; safe for a terminal.
pub(super) fn owner(owner: &Owner) -> String {
    match &owner.process {
        Some((pid, name)) => format!("{pid} {}", Escaped(name)),
        None => format!("thread {}", owner.thread),
    }
}

/// Events a second.
pub(super) fn frequency(rate: f64) -> String {
    match rate {
        rate if rate < 1000.0 => format!("{rate:.1}"),
        rate if rate < 1e6 => format!("{rate:.0}"),
        rate => count(rate as u64),
    }
}

/// A number in at most six columns.
fn count(number: u64) -> String {
    let mut value = number as f64;
    if number < 1_000_000 {
        return number.to_string();
    }
    for unit in ["k", "M", "G", "T", "P"] {
        value /= 1e3;
        if value < 999.95 {
            return format!("{value:.1}{unit}");
        }
    }
    format!("{:.1}E", value / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_short() {
        assert_eq!([count(0), count(999_999), count(1_000_000)], ["0", "999999", "1.0M"]);
        assert_eq!([count(999_950_000), count(u64::MAX)], ["1.0G", "18.4E"]);
        assert_eq!(
            [frequency(0.04), frequency(999.94), frequency(1000.4), frequency(2e6)],
            ["0.0", "999.9", "1000", "2.0M"]
        );
    }
}

//! The table once, for scripts.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::columns::{self, COLUMNS};
use super::look::{Look, Owner};
use super::row::Row;
use crate::console::{Json, Output, Table};
use crate::render::Format;

/// Columns of numbers, which are those behind the name and the protocol.
const RIGHT: &[usize] = &[2, 3, 4, 5, 6, 7];

pub(super) fn print(output: &mut Output, rows: &[&Row], format: Format) -> io::Result<()> {
    match format {
        Format::Text => {
            let titles: Vec<_> = std::iter::once("TOPIC").chain(COLUMNS.iter().map(|column| column.title)).collect();
            let mut table = Table::new(&titles, RIGHT);
            for row in rows {
                let cells = COLUMNS.iter().map(|column| (column.cell)(row));
                table.push(std::iter::once(columns::name(row)).chain(cells).collect());
            }
            write!(output, "{table}")
        }
        Format::Json => rows.iter().try_for_each(|row| writeln!(output, "{}", Json(object(row)))),
    }
}

fn object(row: &Row) -> Value {
    let mut object = json!({
        "topic": row.topic.name,
        "protocol": row.topic.protocol.name(),
        "path": row.topic.path.to_string_lossy(),
    });
    let Value::Object(facts) = &mut object else { return object };
    let mut fact = |key: &str, value: Value| facts.insert(key.to_owned(), value);
    match &row.look {
        Look::Damaged(reason) => drop(fact("error", json!(reason))),
        Look::New => drop(fact("new", json!(true))),
        Look::Deadman(look) => look.describe(facts),
        Look::Messages(messages) => {
            fact("rate", json!(row.rate));
            fact("bytes_per_second", json!(row.bandwidth));
            fact("latest_size", json!(messages.latest));
            fact("seq_low", json!(messages.state.seq_low));
            fact("seq_high", json!(messages.state.seq_high));
            fact("messages", json!(messages.state.frame_count()));
            fact("arena", json!(messages.arena));
            fact("used", json!(messages.state.high_water_mark));
            fact("lost", json!(row.lost));
            fact("lock", messages.owner.as_ref().map_or(Value::Null, lock));
            fact("sleepers", json!(messages.sleepers));
            // Readers leave no trace.
            fact("subscriber_lag", Value::Null);
        }
    }
    object
}

fn lock(owner: &Owner) -> Value {
    let (pid, program) = owner.process.as_ref().map_or((None, None), |(pid, name)| (Some(pid), Some(name)));
    json!({"thread": owner.thread, "pid": pid, "program": program})
}

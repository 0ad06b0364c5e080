//! AlephZero beside others on the same machine, in the same run.
//!
//! Each figure is taken by processes of their own, tied to their cores, and everybody has a turn in each round. A virtual
//! core may be near or far from the other one, and that changes every figure threefold: so the round trip of one cache
//! line is measured before and behind each row, and the row is measured again if it has moved.

mod control;
mod figures;
mod limits;
mod machine;
mod part;
mod peers;
mod report;
mod rows;
mod run;
mod tasks;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::{Result, topics};
use machine::Machine;
use part::Part;
use run::Effort;

/// Compares AlephZero with others on this machine.
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Options {
    /// Only this row; may be given several times
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Only payloads of so many bytes; may be given several times
    #[arg(long, value_name = "BYTES")]
    size: Vec<usize>,
    /// Show which rows there are
    #[arg(long)]
    list: bool,
    /// One short round at one size, to try the tool; says nothing about speed
    #[arg(long)]
    quick: bool,
    /// How often everybody has a turn
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    rounds: u32,
    /// Begin a row when a cache line takes at most so long there and back; wait a minute for that
    #[arg(long, value_name = "NANOSECONDS")]
    near: Option<f64>,
    /// Put topics here, for instance on a tmpfs with huge pages
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    dir: PathBuf,
    /// Write everything that was found to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw a chart of each row in this directory
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Replace what is between the markers in this file with all tables
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Replace what is between the markers in this file with a short table
    #[arg(long, value_name = "FILE")]
    markdown_short: Option<PathBuf>,
}

/// Compares, or plays the part of a process that takes part; `arguments` are those behind the word `compare`.
///
/// # Errors
/// If there is no shared memory, or a file cannot be written. Whoever fails to do something only lacks a figure.
pub fn main(arguments: &[String]) -> Result<()> {
    if let [mode, part] = arguments
        && mode == Part::MODE
    {
        return part::play(part);
    }
    let options = Options::parse_from(arguments);
    if options.list {
        rows::ALL.iter().for_each(|row| println!("{:<22} {}", row.name, row.title));
        return Ok(());
    }
    if let Some(unknown) = options.only.iter().find(|name| rows::ALL.iter().all(|row| row.name != **name)) {
        return Err(format!("there is no row {unknown}; see --list").into());
    }
    let effort = if options.quick {
        Effort { span: Duration::from_millis(20), rounds: 1, tries: 1, near: options.near }
    } else {
        Effort { span: Duration::from_millis(250), rounds: options.rounds.max(1), tries: 4, near: options.near }
    };
    topics::place_in(options.dir.clone());
    topics::sweep()?;
    let machine = Machine::this(options.quick);
    let mut entries = Vec::new();
    for row in
        rows::ALL.iter().filter(|row| options.only.is_empty() || options.only.iter().any(|name| name == row.name))
    {
        let mut sizes: Vec<usize> = row.sizes.to_vec();
        if options.quick {
            sizes = vec![if sizes.contains(&64) { 64 } else { sizes[0] }];
        }
        if !options.size.is_empty() {
            sizes.retain(|size| options.size.contains(size));
        }
        for size in sizes {
            let entry = run::entry(row, size, &effort)?;
            print!("{}", report::text::of(&entry));
            entries.push(entry);
        }
    }
    if let Some(file) = &options.json {
        report::json::write(file, &machine, &entries)?;
    }
    if let Some(dir) = &options.svg {
        report::svg::write(dir, &entries)?;
    }
    if let Some(file) = &options.markdown {
        report::markdown::write(file, &report::markdown::full(&machine, &entries))?;
    }
    if let Some(file) = &options.markdown_short {
        report::markdown::write(file, &report::markdown::short(&machine, &entries))?;
    }
    Ok(())
}

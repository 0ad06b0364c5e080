//! The command line.

use std::path::PathBuf;

use a0_testkit::Guard;
use clap::{Parser, Subcommand};

use crate::orders::Orders;
use crate::tamper::removable;

/// Kill processes that use topics, again and again, and check that nobody else suffers
///
/// About forty processes publish, subscribe, call, serve and patch on topics from 1 KiB to 16 MiB. Some are steady and check
/// everything that they get; the others are killed: at random instants, right behind a publish, asleep, and while they
/// hold the lock (stopped first, so that others pile up behind them). On a topic of its own, writers stop themselves at four
/// exact instructions of a publish to be killed there. Others loan several topics at once, write to LMDB around and inside of
/// publishes, or may only read and take all locks that this lets them take; one topic is removed again and again.
///
/// Prints a table, then every violation. Messages are published by several programs at once, so two runs with one seed are alike but
/// not the same.
#[derive(Parser, Debug)]
#[command(
    name = "storm",
    after_help = "\
Examples:
  storm                                          20 seconds
  storm --kills 2000                             as long as it takes
  storm --kills 500 --python /venv/bin/python    a virtual environment that has alephzero==0.3.17
  storm --seconds 36000 --seed 7                 over night
  storm --seconds 5 --without validation          must fail

With --python, programs built on AlephZero 0.3 are among the killed and the steady ones. They do what 0.3 does:
they may overwrite messages too early, and deliver what a dead writer left uncommitted. That is counted on rows of its own; this
library's programs must neither deliver nor suffer it.

Exit codes:
  0  no violation
  1  at least one, each in a line of its own
  2  the storm could not be run"
)]
pub(crate) struct Options {
    /// Stop after so many seconds [default: 20, or no limit with --kills]
    #[arg(long)]
    pub(crate) seconds: Option<u64>,
    /// Stop after so many kills
    #[arg(long)]
    pub(crate) kills: Option<u64>,
    /// Instants of death, victims and sizes follow from it
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// A Python interpreter that has alephzero 0.3.17
    #[arg(long, value_name = "INTERPRETER")]
    pub(crate) python: Option<PathBuf>,
    /// Seconds after which somebody counts as hanging; what takes above one second is counted anyway
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) patience: u64,
    /// Play only the scenes whose names begin so
    #[arg(long, value_name = "SCENE")]
    pub(crate) only: Vec<String>,
    /// Remove a guard of the protocol; only the scenes `bare` and `duel` are played then
    #[arg(long, value_name = "GUARD", value_parser = removable())]
    pub(crate) without: Option<Guard>,

    #[command(subcommand)]
    pub(crate) child: Option<Child>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Child {
    /// One of the processes.
    #[command(hide = true)]
    Play(Orders),
}

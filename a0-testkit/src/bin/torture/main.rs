//! The torture: processes that publish, and are killed at any instruction, and processes that check what they read.
//!
//! `torture --seconds 10` ends with 0 if no reader accepted a corrupt message, every message is accounted for, and
//! nobody stood still for a second. `--tamper` removes one guard of the protocol, which must make the run fail: that
//! shows that the run would notice.

mod child;
mod parent;
mod payload;
mod stats;
mod tamper;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::child::{Job, Orders};
use crate::tamper::Tamper;

/// Publishes, kills, reads and checks.
#[derive(Parser, Debug)]
struct Options {
    /// How long to go on.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Bytes of the topic.
    #[arg(long, default_value_t = 65536, value_parser = clap::value_parser!(u64).range(1024..))]
    arena: u64,
    /// Readers: polling, blocking, read-only, under the lock, and so on in turn.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=8))]
    readers: u64,
    /// Writers that are killed again and again; one that is never killed comes on top.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=8))]
    writers: u64,
    /// Instants of death and sizes follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A guard to remove.
    #[arg(long)]
    tamper: Option<Tamper>,

    /// Set in child processes: what to do.
    #[arg(long, hide = true, requires = "dir")]
    job: Option<Job>,
    #[arg(long, hide = true)]
    dir: Option<PathBuf>,
    #[arg(long, hide = true, default_value_t = 0)]
    role: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match (options.job, &options.dir) {
        (Some(job), Some(dir)) => child::run(&Orders {
            job,
            role: options.role,
            seed: options.seed,
            tamper: options.tamper,
            dir,
            life: Duration::from_secs(options.seconds + 30),
        })
        .map(|()| true),
        _ => parent::run(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::from(2)
        }
    }
}

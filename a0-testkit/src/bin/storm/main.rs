//! The kill storm: programs of every kind on topics of every size, killed at any instruction, again and again, while
//! others go on and check everything that they get.
//!
//! `storm` ends with 0 if nothing corrupt and nothing uncommitted was delivered, every message is accounted for, nobody
//! hung, every topic stayed sound, and every call ended as it should. `--without` removes one guard of the protocol, which must
//! make the run fail: that shows that the run would notice.

mod bare;
mod calls;
mod cast;
mod child;
mod crew;
mod duel;
mod halt;
mod judge;
mod lmdb;
mod neighbour;
mod nested;
mod options;
mod orders;
mod parent;
mod payload;
mod place;
mod readers;
mod removal;
mod stage;
mod stats;
mod table;
mod tamper;
mod world;
mod writers;

use std::process::ExitCode;

use clap::Parser;

use crate::options::{Child, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match options.child {
        Some(Child::Play(orders)) => child::run(orders).map(|()| true),
        None => parent::run(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::from(2)
        }
    }
}

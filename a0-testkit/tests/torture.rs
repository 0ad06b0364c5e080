//! One corrupt message, one message unaccounted for, or one second of standstill fails the torture; and without any
//! one of the protocol's guards it does fail.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::collections::HashMap;
use std::process::{Command, Output};

/// A run's exit status and figures.
struct Run {
    output: Output,
    figures: HashMap<String, u64>,
}

fn torture(args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_torture")).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("torture {}\n{text}", args.join(" "));
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    let figures = text.lines().filter_map(figure).collect();
    Run { output, figures }
}

impl Run {
    fn figure(&self, name: &str) -> u64 {
        self.figures.get(name).copied().unwrap_or_else(|| panic!("no {name} in {:?}", self.output))
    }
}

/// Whether the run fails for the reason expected; chance may need more than one try.
fn bites(tamper: &str, reason: &str) -> bool {
    (1..=5).any(|seed| {
        let seed = seed.to_string();
        let run = torture(&["--seconds", "3", "--arena", "8192", "--seed", &seed, "--tamper", tamper]);
        run.figure(reason) > 0
    })
}

// One test, because each run needs the whole machine.
#[test]
fn nothing_corrupt_is_accepted_and_the_torture_would_notice() {
    let run = torture(&["--seconds", "10"]);
    assert!(run.output.status.success(), "{:?}", run.output);
    assert!(run.figure("kills") > 100, "too few writers were killed");
    assert!(run.figure("recovered") > 0, "no writer was killed while it held the lock");

    assert!(bites("no-evict-commit", "corrupt"));
    assert!(bites("no-validation", "corrupt"));
    assert!(bites("payload-after-commit", "corrupt"));
    assert!(bites("no-lock", "corrupt"));
    assert!(bites("no-robust", "lock errors"));
}

//! Any sequence of operations on a small arena does what the reference model says, for the writer and for every reader.
#![no_main]

use a0_core::Select;
use a0_testkit::{Place, Step, run_history};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

/// The comparison after each step walks everything, so a history is kept short.
const MOST_STEPS: usize = 64;

fn place(input: &mut Unstructured<'_>) -> Result<Place> {
    input.choose(&[Place::Oldest, Place::Newest, Place::End]).copied()
}

fn step(input: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match input.int_in_range(0..=15)? {
        0 => Step::Clear,
        1 => Step::Resize(input.int_in_range(0..=800)?),
        2 | 3 => Step::Start(place(input)?),
        4..=9 => {
            let count = input.int_in_range(1..=3)?;
            let sizes = (0..count).map(|_| input.int_in_range(0..=400)).collect::<Result<_>>()?;
            Step::Write { sizes, commit: input.ratio(9, 10)? }
        }
        _ => {
            let select = if input.ratio(1, 4)? { Select::Newest } else { Select::Next };
            Step::Read { reader: input.arbitrary::<u8>()?.into(), select, count: input.int_in_range(1..=3)? }
        }
    })
}

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let Ok(size) = input.int_in_range(184..=2048) else { return };
    let mut steps = vec![];
    while !input.is_empty() && steps.len() < MOST_STEPS {
        let Ok(step) = step(&mut input) else { break };
        steps.push(step);
    }
    run_history(size, &steps);
});

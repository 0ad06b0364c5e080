//! placeholder
use crate::end::Outcome;
use crate::stop::Stop;
use clap::Parser;
/// Demo
#[derive(Debug, Parser)]
pub(crate) struct Args {}
#[derive(Debug, Parser)]
pub(crate) struct PeerArgs {}
impl Args {
    pub(crate) fn run(self, _: &Stop) -> Outcome {
        Ok(())
    }
}
impl PeerArgs {
    pub(crate) fn run(self) -> Outcome {
        Ok(())
    }
}

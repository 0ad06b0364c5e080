//! What the benchmarks of AlephZero share.
//!
//! * `cargo bench -p a0-benches` runs `single`: criterion, one thread.
//! * `cargo run --release -p a0-benches --features peers -- compare` sets AlephZero beside others, in several processes.
//! * `cargo run --release -p a0-benches -- loop NAME COUNT` runs one hot path and nothing else, for profilers.

pub mod compare;
pub mod hot;
pub mod line;
pub mod pin;
pub mod topics;

/// What a benchmark that sets itself up may fail with.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

//! What the benchmarks of AlephZero share.
//!
//! * `cargo bench -p a0-benches` runs everything: `single` (criterion, one thread) and `pair` (two processes).
//! * `cargo run --release -p a0-benches -- pair` runs the two processes only.
//! * `cargo run --release -p a0-benches -- loop NAME COUNT` runs one hot path and nothing else, for profilers.

pub mod hot;
pub mod line;
pub mod pair;
pub mod pin;
pub mod topics;

/// What a benchmark that sets itself up may fail with.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

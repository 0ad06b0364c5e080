//! Benchmarks that are no criterion benchmarks; see the library's documentation.

use a0_benches::{Result, compare, hot};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["loop", name, count] if hot::run(name, count.parse()?)? => Ok(()),
        ["compare" | "compare-part", ..] => compare::main(&arguments),
        _ => Err("use: compare, see compare --help, or: loop NAME COUNT".into()),
    }
}

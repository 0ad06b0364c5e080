//! Two processes: see [`a0_benches::pair`].

fn main() -> a0_benches::Result<()> {
    a0_benches::pair::main()
}

//! Programs that were linked with 0.1 go on with every 0.1.x, and with nothing else.

use std::env;

fn main() {
    let [major, minor] = ["CARGO_PKG_VERSION_MAJOR", "CARGO_PKG_VERSION_MINOR"].map(|part| env::var(part).unwrap());
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liba0rs.so.{major}.{minor}");
    println!("cargo::rerun-if-changed=build.rs");
}

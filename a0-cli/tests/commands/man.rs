//! `a0 man`.

use std::fs;

use crate::common::Root;

#[test]
fn every_command_has_a_page() {
    let root = Root::new();
    let dir = root.0.path().join("share/man");
    root.ok(&format!("man {}", dir.display()));
    let page = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(page("a0.1").contains("Exit codes:"));
    assert!(page("a0-echo.1").contains("timeout"));
    let footer = concat!("\"a0 ", env!("CARGO_PKG_VERSION"), "\"");
    assert!(page("a0-rpc-call.1").contains(footer));
    let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.contains("demo-peer") || name.contains("-man")), "{names:?}");

    let error = root.fails("man /dev/null/here");
    assert!(error.contains("cannot write manual pages to /dev/null/here: "), "{error}");
}

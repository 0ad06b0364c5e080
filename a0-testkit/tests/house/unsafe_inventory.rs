//! The page on the design lists every file in which `unsafe` code is allowed, and no other one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates that programs are built from.
const SHIPPED: [&str; 5] = ["a0-core", "a0-linux", "a0-std", "a0-cli", "a0-c"];

/// Returns all source files below a directory.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// Whether a file turns off the lint that denies `unsafe` code.
fn allows_unsafe(text: &str) -> bool {
    let lint = |line: &str| line.contains("unsafe_code") && (line.contains("allow(") || line.contains("expect("));
    text.lines().any(|line| lint(line) && !line.trim_start().starts_with("//"))
}

/// Returns the files in the first column of the table under a heading.
fn listed(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

#[test]
fn files_with_unsafe_code_are_those_of_the_table() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let listed = listed(&fs::read_to_string(workspace.join("docs/design.md")).unwrap(), "\n## Where unsafe is\n");
    let mut found = BTreeSet::new();
    for name in SHIPPED {
        for path in sources(&workspace.join(name).join("src")) {
            if allows_unsafe(&fs::read_to_string(&path).unwrap()) {
                let path = path.strip_prefix(workspace).unwrap().to_str().unwrap();
                let whole_crate = path.starts_with("a0-c/");
                found.insert(if whole_crate { "a0-c/src/*.rs".to_owned() } else { path.to_owned() });
            }
        }
    }
    assert_eq!(found, listed, "left: files that allow it; right: the table");
    // Without this line, a file could use it without saying so.
    let lints = fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    assert!(lints.contains("\nunsafe_code = \"deny\"\n"));
    for name in SHIPPED {
        let manifest = fs::read_to_string(workspace.join(name).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name} has lints of its own");
    }
}

#[test]
fn what_allows_unsafe_is_found() {
    assert!(allows_unsafe("//! A file.\n#![allow(unsafe_code)]\n"));
    assert!(allows_unsafe("    #[expect(unsafe_code, reason = \"\")]\n"));
    assert!(!allows_unsafe("// allow(unsafe_code) stands in a comment\n#![deny(unsafe_code)]\n"));
    assert_eq!(listed("\n## T\n| `a.rs` | x |\n## U\n| `b.rs` | y |\n", "\n## T\n"), ["a.rs".to_owned()].into());
}

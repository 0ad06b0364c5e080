//! Each guard of the protocol has one name in the code, in the design page and in its negative control.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use a0_testkit::Guard;
use clap::ValueEnum;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// Paths below the workspace, and what the files say.
fn read(dir: &str) -> BTreeMap<String, String> {
    let path = |path: &Path| path.strip_prefix(workspace()).unwrap().to_str().unwrap().to_owned();
    sources(&workspace().join(dir)).iter().map(|file| (path(file), fs::read_to_string(file).unwrap())).collect()
}

/// The names behind `Guard` or `Guards` in the comments of a file.
fn labels(text: &str) -> BTreeSet<String> {
    let comments = text.lines().filter_map(|line| Some(line.split_once("//")?.1.trim_start_matches(['/', '!'])));
    let comments = comments.collect::<Vec<_>>().join(" ");
    let mut words = comments.split_whitespace();
    let mut labels = BTreeSet::new();
    while let Some(word) = words.next() {
        if !["Guard", "Guards", "guard", "guards"].contains(&word) {
            continue;
        }
        for word in words.by_ref() {
            let name = word.trim_end_matches([',', ':', '.']);
            let is_name = name.starts_with(|first: char| first.is_ascii_uppercase());
            labels.extend(is_name.then(|| name.to_owned()));
            if !is_name || !word.ends_with(',') {
                break;
            }
        }
    }
    labels
}

/// What stands in backquotes.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn code_design_and_controls_agree() {
    let all: BTreeSet<_> = Guard::value_variants().iter().map(|guard| format!("{guard:?}")).collect();
    let mut code = BTreeMap::<String, BTreeSet<String>>::new();
    for (file, text) in ["a0-core/src", "a0-linux/src", "a0-std/src"].into_iter().flat_map(read) {
        let file = file.strip_prefix("a0-core/src/").unwrap_or(&file).to_owned();
        for label in labels(&text) {
            code.entry(label).or_default().insert(file.clone());
        }
    }
    assert_eq!(code.keys().cloned().collect::<BTreeSet<_>>(), all, "labels in the code");

    let design = fs::read_to_string(workspace().join("docs/design.md")).unwrap();
    let table = design.split("\n## The guards\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').collect::<Vec<_>>());
    let rows: BTreeMap<_, _> = rows.map(|row| (quoted(row[1]).pop_first().unwrap(), row)).collect();
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), all, "rows of the design page");

    let tests: String = read("a0-testkit/tests").into_values().collect();
    for guard in Guard::value_variants() {
        let name = format!("{guard:?}");
        assert_eq!(quoted(rows[&name][2]), code[&name], "where the design page and the code have {name}");
        let option = guard.to_possible_value().unwrap().get_name().to_owned();
        let controls: BTreeSet<_> = tests
            .split("#[test]")
            .filter(|test| test.contains(&format!("Guard::{name})")) || test.contains(&format!("bites(\"{option}\"")))
            .filter_map(|test| test.split("fn ").nth(1)?.split('(').next().map(str::to_owned))
            .collect();
        let named = quoted(rows[&name][4]);
        assert!(!named.is_empty() && named.is_subset(&controls), "{name}: {named:?} are not among {controls:?}");
    }
}

#[test]
fn labels_are_found() {
    let text = "//! The guard of nothing.\n    /// Waits: guard One.\n// Guards Two, Three:\n//   as it is. The guard is\nlet x = \"Guard Four\";";
    assert_eq!(labels(text).into_iter().collect::<Vec<_>>(), ["One", "Three", "Two"]);
}

//! Files that the documents for contributors name exist: a renamed file must not leave a wrong direction behind.

use std::fs;
use std::path::Path;

/// Returns the paths of files and directories among what `text` has in backticks.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split('`').skip(1).step_by(2);
    code.filter(|code| {
        code.contains('/') && !code.contains([' ', '\n', '<', '*', '=']) && !code.starts_with(['/', '.', '{'])
    })
}

#[test]
fn paths_that_documents_name_exist() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // Relative to the workspace, or to what the page says at its tables.
    let roots = ["", "a0-core/src", "a0-std/tests", "interop"];
    for page in [
        "CONTRIBUTING.md",
        "docs/design.md",
        "docs/glossary.md",
        "docs/pinned-behaviours.md",
        "docs/what-survives-what.md",
    ] {
        let text = fs::read_to_string(workspace.join(page)).unwrap();
        let paths: Vec<_> = named(&text).collect();
        let wrong: Vec<_> =
            paths.iter().filter(|path| !roots.iter().any(|root| workspace.join(root).join(path).exists())).collect();
        assert!(wrong.is_empty(), "{page} names what does not exist: {wrong:?}");
    }
    assert_eq!(named("`a/b.rs`, `c d/e`, `f::G`").collect::<Vec<_>>(), ["a/b.rs"]);
}

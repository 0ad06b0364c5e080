//! The committed header is what the source says, and the README shows programs that compile.

use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config};

/// In this order they appear in the header.
const SOURCES: [&str; 16] = [
    "error",
    "user",
    "options",
    "packet",
    "header",
    "pubsub",
    "view",
    "zero_copy",
    "loan",
    "rpc",
    "prpc",
    "stream",
    "cfg",
    "log",
    "deadman",
    "discovery",
];

fn header(dir: &Path) -> String {
    let config = Config::from_file(dir.join("cbindgen.toml")).unwrap();
    let sources = SOURCES.iter().map(|name| dir.join("src").join(name).with_extension("rs"));
    let builder = sources.fold(Builder::new().with_config(config), |builder, source| builder.with_src(source));
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn the_header_is_up_to_date() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (path, generated) = (dir.join("include/a0rs.h"), header(dir));
    if std::env::var_os("A0RS_BLESS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "include/a0rs.h is out of date: A0RS_BLESS=1 cargo test -p a0-c --test header");
}

#[test]
fn every_function_is_declared() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = header(dir);
    let mut functions = 0;
    for file in fs::read_dir(dir.join("src")).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        for line in source.lines() {
            let Some((_, rest)) = line.split_once("extern \"C\" fn a0rs_") else { continue };
            let name = rest.split('(').next().unwrap();
            assert!(header.contains(&format!("a0rs_{name}(")), "a0rs_{name} is not in the header");
            functions += 1;
        }
    }
    assert!(functions > 0);
}

#[test]
fn cmake_finds_this_version() {
    let file = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("a0rsConfigVersion.cmake")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(file.contains(&format!("set(PACKAGE_VERSION \"{version}\")")), "a0rsConfigVersion.cmake: not {version}");
}

#[test]
fn the_readme_shows_the_examples() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(dir.join("README.md")).unwrap();
    for name in ["pubsub.c", "pubsub.cpp"] {
        let example = fs::read_to_string(dir.join("examples").join(name)).unwrap();
        assert!(readme.contains(&example), "README.md does not show examples/{name} as it is");
    }
}

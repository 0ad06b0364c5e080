#!/usr/bin/env bash
# Builds the Debian package of the a0 command: a0, its manual pages, completions for bash, zsh and fish, and the licences
# of what is linked into it.
# Needs cargo-deb (cargo install --locked cargo-deb). The package appears in target/debian.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=$PWD/target

cargo build --release --locked -p a0-cli
rm -rf target/man target/completions
mkdir -p target/completions
target/release/a0 man target/man
target/release/a0 completions bash > target/completions/a0.bash
target/release/a0 completions zsh > target/completions/_a0
target/release/a0 completions fish > target/completions/a0.fish
packaging/notices.py > target/third-party.txt
cargo deb -p a0-cli --no-build --strip "$@"

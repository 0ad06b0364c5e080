#!/bin/sh
# Rust and the unmodified Python package on the same topics. Fails if anything does not work, or cannot run.
# A0_VENV names a virtual environment that has the package already.
set -eu

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
venv=${A0_VENV:-$target/interop-venv}

if ! "$venv/bin/python" -c 'import a0' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet alephzero==0.3.17
fi
cargo build --release --quiet -p a0-testkit --bins

INTEROP_RUST=$(realpath "$target/release/interop")
export INTEROP_RUST
if [ $# -eq 0 ]; then
    set -- headers history start pingpong together killed exchange rpc prpc cfg log deadman discovery storm
    sh interop/syscalls.sh
fi
for scenario; do
    "$venv/bin/python" -B "interop/$scenario.py"
done
echo "interop: all ok"

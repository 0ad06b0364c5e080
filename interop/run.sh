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
"$venv/bin/python" -c 'import mcap' 2>/dev/null || "$venv/bin/pip" install --quiet mcap==1.6.0
cargo build --release --quiet -p a0-testkit --bins
cargo build --release --quiet -p a0-cli

INTEROP_RUST=$(realpath "$target/release/interop")
INTEROP_A0=$(realpath "$target/release/a0")
export INTEROP_RUST INTEROP_A0
if [ $# -eq 0 ]; then
    set -- headers history start pingpong together killed exchange rpc prpc cfg log deadman discovery record storm
    sh interop/syscalls.sh
fi
for scenario; do
    "$venv/bin/python" -B "interop/$scenario.py"
done
echo "interop: all ok"

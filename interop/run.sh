#!/usr/bin/env bash
# Rust and the unmodified Python package on the same topics. Fails if anything does not work, or cannot run.
#
#   interop/run.sh               all scenarios, some of them at the same time
#   interop/run.sh SCENARIO...   these, one after the other
#
# A0_VENV names a virtual environment that has the package already, A0_PROGRAMS a directory that has the Rust programs.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
venv=${A0_VENV:-$target/interop-venv}
programs=${A0_PROGRAMS:-$target/quick}

# These need the whole machine, or look at how long something takes.
alone=(pingpong exchange storm)
# These wait for most of their time, or for a process that starts.
others=(together torn start deadman killed rpc prpc cfg history log discovery headers record)

if ! "$venv/bin/python" -c 'import a0' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet alephzero==0.3.17
fi
"$venv/bin/python" -c 'import mcap' 2>/dev/null || "$venv/bin/pip" install --quiet mcap==1.6.0
[ -n "${A0_PROGRAMS-}" ] || cargo build --profile quick --quiet -p a0-testkit -p a0-cli

INTEROP_RUST=$(realpath "$programs/interop")
INTEROP_A0=$(realpath "$programs/a0")
export INTEROP_RUST INTEROP_A0

# Runs a scenario, and says all it has to say at once.
quietly() { # PYTHON SCENARIO
    local said status=0
    said=$("$1" -B "interop/$2.py" 2>&1) || status=$?
    printf '%s\n' "$said"
    return $status
}
export -f quietly

if [ $# -eq 0 ]; then
    sh interop/syscalls.sh
    printf '%s\n' "${others[@]}" | xargs -P "$(nproc)" -I{} bash -c 'quietly "$0" {}' "$venv/bin/python"
    set -- "${alone[@]}"
fi
for scenario; do
    "$venv/bin/python" -B "interop/$scenario.py"
done
echo "interop: all ok"

#!/bin/sh
# No system call per publish when nobody sleeps: counts those of a short and of a long run. Needs strace. A publisher looks
# after its file every 100 ms, so on a slow machine the long run makes a few more.
set -eu

: "${INTEROP_RUST:?the interop program; see run.sh}"
A0_ROOT=$(mktemp -d /dev/shm/a0-syscalls.XXXXXX)
export A0_ROOT
trap 'rm -rf "$A0_ROOT"' EXIT

# Prints the number of futex calls and of all calls of a run that publishes $1 messages.
count() {
    echo | strace -c -f -o "$A0_ROOT/count" "$INTEROP_RUST" publish "topic$1" --writer w --count "$1" --size 64 --arena 65536 >"$A0_ROOT/out"
    awk '$NF == "futex" { futex = $4 } $NF == "total" { total = $(NF - 1) == "" ? 0 : $4 } END { print futex + 0, total }' "$A0_ROOT/count"
}

short=$(count 10)
long=$(count 10010)
echo "  futex and all system calls: $short for 10 messages, $long for 10010"
[ "${long%% *}" -eq 0 ] || { echo "publishing calls futex" >&2; exit 1; }
[ $((${long##* } - ${short##* })) -le 50 ] || { echo "publishing makes system calls" >&2; exit 1; }
echo "syscalls: ok"

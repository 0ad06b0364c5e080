#!/bin/sh
# No system call per publish when nobody sleeps, nor per round trip of two that wait without sleeping: counts those of a short
# and of a long run. Needs strace. Programs look after their files every 100 ms, so on a slow machine the long run makes a few
# more.
set -eu

: "${INTEROP_RUST:?the interop program; see run.sh}"
A0_ROOT=$(mktemp -d /dev/shm/a0-syscalls.XXXXXX)
export A0_ROOT
trap 'rm -rf "$A0_ROOT"' EXIT

# Prints the numbers of futex calls and of all calls in a count of strace.
calls() {
    awk '$NF == "futex" { futex = $4 } $NF == "total" { total = $(NF - 1) == "" ? 0 : $4 } END { print futex + 0, total }' "$1"
}

# Prints those numbers of a run that publishes $1 messages.
count() {
    echo | strace -c -f -o "$A0_ROOT/count" "$INTEROP_RUST" publish "topic$1" --writer w --count "$1" --size 64 --arena 65536 >"$A0_ROOT/out"
    calls "$A0_ROOT/count"
}

# Prints those of both sides of $1 round trips.
spin() {
    strace -c -f -o "$A0_ROOT/echo" "$INTEROP_RUST" echo "there$1" "back$1" --spin >"$A0_ROOT/out" &
    until grep -q ready "$A0_ROOT/out" 2>/dev/null; do sleep 0.1; done
    echo | strace -c -f -o "$A0_ROOT/ping" "$INTEROP_RUST" ping "there$1" "back$1" --spin --count "$1" >"$A0_ROOT/out"
    wait
    { calls "$A0_ROOT/echo"; calls "$A0_ROOT/ping"; } | awk '{ futex += $1; total += $2 } END { print futex, total }'
}

short=$(count 10)
long=$(count 10010)
echo "  futex and all system calls: $short for 10 messages, $long for 10010"
[ "${long%% *}" -eq 0 ] || { echo "publishing calls futex" >&2; exit 1; }
[ $((${long##* } - ${short##* })) -le 50 ] || { echo "publishing makes system calls" >&2; exit 1; }
if [ "$(nproc)" -gt 1 ]; then
    short=$(spin 10)
    long=$(spin 10010)
    echo "  both sides of 10 spinning round trips: $short, of 10010: $long"
    [ "${long%% *}" -eq 0 ] || { echo "spinning calls futex" >&2; exit 1; }
    [ $((${long##* } - ${short##* })) -le 1000 ] || { echo "spinning makes system calls" >&2; exit 1; }
fi
echo "syscalls: ok"

#!/bin/sh
# No system call per publish when nobody sleeps, nor per round trip of two that wait without sleeping: counts those of a short
# and of a long run. Needs strace. Programs look after their files every 100 ms, so the longer a run takes, the more it makes.
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
    strace -c -f -o "$A0_ROOT/echo" "$INTEROP_RUST" echo "there$1" "back$1" --spin >"$A0_ROOT/echoed$1" &
    until grep -q ready "$A0_ROOT/echoed$1" 2>/dev/null; do sleep 0.1; done
    echo | strace -c -f -o "$A0_ROOT/ping" "$INTEROP_RUST" ping "there$1" "back$1" --spin --count "$1" >"$A0_ROOT/out"
    wait
    { calls "$A0_ROOT/echo"; calls "$A0_ROOT/ping"; } | awk '{ futex += $1; total += $2 } END { print futex, total }'
}

# Fails if a long run, begun at second $4, made more than $3 system calls more than a short one, besides looking after files.
few_more() {
    [ $((${2##* } - ${1##* })) -le $(($3 + 50 * ($(date +%s) - $4))) ]
}

short=$(count 10)
begin=$(date +%s)
long=$(count 10010)
echo "  futex and all system calls: $short for 10 messages, $long for 10010"
[ "${long%% *}" -eq 0 ] || { echo "publishing calls futex" >&2; exit 1; }
few_more "$short" "$long" 50 "$begin" || { echo "publishing makes system calls" >&2; exit 1; }
if [ "$(nproc)" -gt 1 ]; then
    short=$(spin 10)
    begin=$(date +%s)
    long=$(spin 10010)
    echo "  both sides of 10 spinning round trips: $short, of 10010: $long"
    [ "${long%% *}" -eq 0 ] || { echo "spinning calls futex" >&2; exit 1; }
    few_more "$short" "$long" 1000 "$begin" || { echo "spinning makes system calls" >&2; exit 1; }
fi
echo "syscalls: ok"

#!/usr/bin/env bash
# What the hot paths cost, without a clock: instructions per operation against the budgets beside this file, and system
# calls. Needs valgrind and strace.
#
#   benches/guard/run.sh            checks
#   benches/guard/run.sh --update   writes the budgets anew: for a change that is meant to cost, or to save, something
#
# A0_BUDGETS names another file of budgets.
set -euo pipefail
cd "$(dirname "$0")/../.."

budgets=${A0_BUDGETS:-benches/guard/budgets.txt}
# Above this a path has become slower. Below the other it has become faster, and the budget would hide it if that got lost.
most=102 least=95 # percent
# Operations of a short and a long run. The difference is what they cost, without what setting up does.
short=1000 long=11000

# Otherwise rustix parses the vDSO itself, which is not there under valgrind.
export RUSTFLAGS='--cfg rustix_use_libc'
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")/guard
export CARGO_TARGET_DIR
cargo build --release --quiet -p a0-benches
bench=$CARGO_TARGET_DIR/release/a0-benches
out=$(mktemp -d)
trap 'rm -r "$out"' EXIT
cc -shared -fPIC -O1 -o "$out/clock.so" benches/guard/clock.c
# The loop alone, without a clock.
export A0_UNTIMED=1

fail() {
    echo "guard: $*" >&2
    exit 1
}

# Prints how many instructions a run of path $1 with $2 operations takes.
instructions() {
    LD_PRELOAD=$out/clock.so valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null "$bench" loop "$1" "$2" 2>"$out/$1.$2" ||
        { cat "$out/$1.$2" >&2; exit 1; }
    sed -n 's/.*I *refs: *//p' "$out/$1.$2" | tr -d ,
}

# Prints what one operation of path $1 takes, in tenths of an instruction.
each() {
    local few many
    few=$(instructions "$1" $short) many=$(instructions "$1" $long)
    echo $(((many - few) * 10 / (long - short)))
}

# Prints how many system calls a run of path $1 with $2 operations makes.
calls() {
    strace -f -c -E LD_PRELOAD="$out/clock.so" -o "$out/calls" "$bench" loop "$1" "$2" || fail "loop $1 $2 fails under strace"
    awk '$NF == "total" { print $(NF - 1) == "" ? 0 : $4 }' "$out/calls"
}

mapfile -t paths < <(sed 's/#.*//' "$budgets" | awk 'NF { print $1 }')
[ ${#paths[@]} -gt 0 ] || fail "no budgets in $budgets"
# As many at a time as there are processors.
export -f instructions each
export bench out short long
printf '%s\n' "${paths[@]}" |
    xargs -P "$(nproc)" -I{} bash -euc 'each {} >"$0/{}.each"' "$out" || fail "a run under valgrind failed"

if [ "${1-}" = --update ]; then
    while IFS= read -r line; do
        path=$(awk '{ print $1 }' <<<"${line%%#*}")
        if [ -n "$path" ]; then
            tenths=$(cat "$out/$path.each")
            slack=$(awk 'NF > 2 { printf "  %s", $3 }' <<<"${line%%#*}")
            line=$(printf '%-22s %6d.%d%s' "$path" $((tenths / 10)) $((tenths % 10)) "$slack")
        fi
        printf '%s\n' "$line"
    done <"$budgets" >"$out/budgets"
    cp "$out/budgets" "$budgets"
    exec cat "$budgets"
fi

wrong=()
for path in "${paths[@]}"; do
    found=$(cat "$out/$path.each")
    budget=$(sed 's/#.*//' "$budgets" | awk -v path="$path" '$1 == path { printf "%d", $2 * 10 + 0.5 }')
    [ "${budget:-0}" -gt 0 ] || fail "no budget for $path in $budgets"
    slack=$(sed 's/#.*//' "$budgets" | awk -v path="$path" '$1 == path { print $3 + 0 }')
    limit=$((budget * (most + slack)))
    # Where luck plays a part, a slower path is slower each time.
    for ((tries = 1; slack > 0 && tries < 3 && found * 100 > limit; tries++)); do
        found=$(each "$path")
    done
    percent=$((found * 100 / budget))
    printf '  %-22s %6d.%d instructions, budget %6d.%d\n' "$path" $((found / 10)) $((found % 10)) \
        $((budget / 10)) $((budget % 10))
    if [ $((found * 100)) -gt $limit ]; then
        wrong+=("$path takes $percent % of its instructions: find out why; or, if it is worth that, run $0 --update")
    elif [ "$slack" -eq 0 ] && [ $((found * 100)) -lt $((budget * least)) ]; then
        wrong+=("$path takes only $percent % of its instructions: run $0 --update, so that it stays so")
    fi
done

# The clock stands still here, too: reading it may take a system call, and the file is looked after every 100 ms.
for path in publish-64k-arena packet-user replay-64k-arena poll publish-and-read; do
    few=$(calls "$path" $short) many=$(calls "$path" $long)
    printf '  %-22s %d system calls in %d operations\n' "$path" $((many - few)) $((long - short))
    [ $((many - few)) -le 5 ] || wrong+=("$path makes system calls: strace $bench loop $path $long")
done

for line in ${wrong+"${wrong[@]}"}; do
    echo "guard: $line" >&2
done
[ ${#wrong[@]} -eq 0 ] || exit 1
echo "guard: ok"

#!/usr/bin/env bash
# Memory errors: the tests under AddressSanitizer, the examples under valgrind. Needs the nightly toolchain and valgrind.
#
# AddressSanitizer watches each load and store of this repository's code, and what is never freed. It does not see into inline
# assembly, which copies payloads, nor does it know when a mapping ends; an access behind one is a SIGSEGV anyway.
# Valgrind sees every instruction, inline assembly included, and values that nobody has set.
#
# ThreadSanitizer is not here. It knows only the synchronisation that it sees, and the standard library comes compiled
# without it: whoever initialises a OnceLock, waits for a contended Mutex or for a channel does so unseen, and what is
# guarded that way is reported as a race (8 reports in the first of our tests, all of this kind; most of them in the test
# harness itself). Compiling the standard library takes its sources and an unstable flag. Nor would it tell
# anything about shared memory, because it knows neither fences nor inline assembly. That is what the models in a0-testkit
# are for.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
build=$(realpath "${CARGO_TARGET_DIR:-target}")/sanitize

# Tests that cannot be run like this, as test programs call them.
# The first measures the memory of its process, and AddressSanitizer keeps what was freed for a while. The second leaks on
# purpose, which is reported.
left_out=(--skip ten_thousand_topics_in_one_directory --skip a_guard_that_was_leaked_keeps_its_memory)

# Runs a program that must be reported. Otherwise nobody was looking, and all the rest means nothing.
must_report() { # WORDS COMMAND...
    local words=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "sanitize: '$*' was not reported" >&2
        exit 1
    fi
    grep -q "$words" <<<"$said" || { printf '%s\nsanitize: no word of "%s"\n' "$said" "$words" >&2; exit 1; }
}

address() {
    export RUSTFLAGS='-Zsanitizer=address' CARGO_TARGET_DIR=$build/address
    # With a target of its own, build scripts and macros are built without.
    local cargo=(cargo +nightly) programs=$build/address/$host/debug
    "${cargo[@]}" build --quiet --target "$host" --manifest-path sanitize/Cargo.toml
    must_report heap-use-after-free "$programs/a0-sanitize" use-after-free
    must_report 'detected memory leaks' "$programs/a0-sanitize" leak
    # Tests look whether a child dies of SIGBUS, and what becomes of a message for which there is no memory.
    ASAN_OPTIONS=handle_sigbus=0:allocator_may_return_null=1 LSAN_OPTIONS=suppressions=$PWD/sanitize/leaks.txt:print_suppressions=0 \
        "${cargo[@]}" test --quiet --no-fail-fast --target "$host" -p a0-core -p a0-linux -p a0-std --lib --tests -- "${left_out[@]}"
}

valgrinds() {
    # Otherwise rustix parses the vDSO itself, which is not there under valgrind.
    export RUSTFLAGS='--cfg rustix_use_libc' CARGO_TARGET_DIR=$build/valgrind
    local programs=$build/valgrind/debug run=(valgrind --quiet --error-exitcode=99)
    cargo build --quiet --manifest-path sanitize/Cargo.toml
    # The library for C, too: its test asks for the same, so that nothing is built twice for other features.
    cargo build --quiet -p a0-std -p a0-c --lib --examples
    must_report 'Invalid read' "${run[@]}" "$programs/a0-sanitize" copy-past-the-end
    A0_ROOT=$(mktemp -d /dev/shm/a0-sanitize.XXXXXX)
    export A0_ROOT
    trap 'rm -r "$A0_ROOT"' EXIT
    local example
    for example in a0-std/examples/*.rs; do
        example=$(basename "$example" .rs)
        "${run[@]}" "$programs/examples/$example" </dev/null >/dev/null || { echo "sanitize: $example failed" >&2; exit 1; }
    done
}

(address)
(valgrinds)
echo "sanitize: all ok"

#!/usr/bin/env bash
# The C library as its users see it: installed, found by pkg-config and CMake, its programs compiled without a warning and
# run, also under valgrind; read by a0, and killed.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$(mktemp -d /tmp/a0-c.XXXXXX)
A0_ROOT=$(mktemp -d /dev/shm/a0-c.XXXXXX)
export A0_ROOT
trap 'rm -r "$work" "$A0_ROOT"' EXIT
strict=(-Wall -Wextra -Wpedantic -Wshadow -Werror -g -O1)

# As `cargo test --workspace` does, so that nothing is built twice for other features.
cargo build --quiet --workspace --lib --bins --examples
a0=$target/debug/a0
a0-c/install.sh "$work/prefix" "$target/debug"
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
read -ra flags <<<"$(pkg-config --cflags --libs a0rs) -Wl,-rpath,$work/prefix/lib"

for source in a0-c/tests/*.c a0-c/examples/*.c; do
    gcc -std=gnu99 "${strict[@]}" "$source" "${flags[@]}" -pthread -o "$work/$(basename "$source")"
done
for source in a0-c/tests/*.cpp a0-c/examples/*.cpp; do
    g++ -std=c++17 "${strict[@]}" "$source" "${flags[@]}" -pthread -o "$work/$(basename "$source")"
done

# Everything that ends by itself, each with topics of its own.
all() { # COMMAND...
    local program
    for program in "$work"/*.c "$work"/*.cpp; do
        [ "$(basename "$program")" != killed.c ] || continue
        mkdir "$A0_ROOT/own"
        A0_ROOT=$A0_ROOT/own timeout 120 "$@" "$program" >"$work/said" || { echo "a0-c: $* $program failed" >&2; exit 1; }
        rm -r "$A0_ROOT/own"
    done
}
all env

# Killed while it holds the lock and has half a message in the topic: the next one goes on, and a0 reads both.
mkfifo "$work/fifo"
"$work/killed.c" hold killed >"$work/fifo" &
holder=$!
read -r said <"$work/fifo"
[ "$said" = held ]
kill -9 $holder
wait $holder 2>/dev/null || true
"$work/killed.c" after killed
heard=$("$a0" echo killed --init oldest --count 2 --timeout 10 --format raw)
[ "$heard" = $'before\nafter' ] || { echo "a0-c: a0 echo says '$heard'" >&2; exit 1; }

# Found by CMake, shared and static.
mkdir "$work/cmake"
cat >"$work/cmake/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.16)
project(examples LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(a0rs 0.1 REQUIRED)
add_executable(shared $PWD/a0-c/examples/pubsub.c)
target_link_libraries(shared a0rs::a0rs)
add_executable(static $PWD/a0-c/examples/pubsub.cpp)
target_link_libraries(static a0rs::static)
END
cmake -S "$work/cmake" -B "$work/cmake/build" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/said"
cmake --build "$work/cmake/build" >"$work/said" || { cat "$work/said" >&2; exit 1; }
"$work/cmake/build/shared" >"$work/said"
"$work/cmake/build/static" >"$work/said"

# Under valgrind, with the same library built so that rustix does not parse the vDSO itself, which is not there then.
(
    export RUSTFLAGS='--cfg rustix_use_libc' CARGO_TARGET_DIR=$target/sanitize/valgrind
    cargo build --quiet -p a0-std -p a0-c --lib --examples
    a0-c/install.sh "$work/valgrind" "$CARGO_TARGET_DIR/debug"
)
LD_LIBRARY_PATH=$work/valgrind/lib all valgrind --quiet --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite --show-leak-kinds=definite
echo "a0-c: all ok"

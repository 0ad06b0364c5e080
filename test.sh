#!/usr/bin/env bash
# Runs every check of the project, or the steps named: ./test.sh fmt clippy
# Only by name: msrv, musl; they need what not every machine has. Run them before a release.
# Needs Rust; what else is missing is installed with apt-get where this runs as root, and named otherwise.
set -euo pipefail
cd "$(dirname "$0")"

STEPS=(tools fmt clippy deny test sanitize c doc book no_std demo package semver fuzz interop compare guard)
FUZZ_SECONDS=${FUZZ_SECONDS:-15}

say() { printf '\n== %s\n' "$*"; }

# Installs Debian packages unless the command before them works.
need() { # COMMAND PACKAGE...
    local works=$1
    shift
    bash -c "$works" >/dev/null 2>&1 && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq "$@" >/dev/null
    fi
    bash -c "$works" >/dev/null 2>&1 || { echo "test.sh: '$works' fails; install $*" >&2; exit 1; }
}

# Optimising them would take longer than they ever run.
quick_install() { CARGO_PROFILE_DEV_DEBUG=false cargo install --locked --quiet --debug "$@"; }

step_tools() {
    need 'cargo --version' cargo
    need 'cmake --version' cmake
    need 'g++ --version' g++
    need 'pkg-config --version' pkg-config
    need 'strace --version' strace
    need 'tmux -V' tmux
    need 'valgrind --version' valgrind
    need 'python3 -c "import venv, ensurepip, sysconfig, os; os.stat(sysconfig.get_path(\"include\") + \"/Python.h\")"' \
        python3-venv python3-dev
    cargo +nightly --version >/dev/null ||
        { echo "test.sh: fuzzing and sanitizers need the nightly toolchain: rustup toolchain install nightly" >&2; exit 1; }
    command -v cargo-fuzz >/dev/null || quick_install cargo-fuzz
    command -v mdbook >/dev/null || quick_install mdbook --version '^0.5' --no-default-features
    command -v cargo-deny >/dev/null || quick_install cargo-deny --version '^0.20'
}

step_fmt() {
    cargo fmt --all --check
    cargo fmt --check --manifest-path fuzz/Cargo.toml
    cargo fmt --check --manifest-path sanitize/Cargo.toml
    cargo fmt --check --manifest-path examples/no_std_static/Cargo.toml
}

step_clippy() {
    cargo clippy --workspace --all-targets --features a0-core/defmt -- -D warnings
    # Tests turn all features of a0-std on, so once more without them.
    cargo clippy -p a0-std -- -D warnings
}

# Licences and sources of what is shipped.
step_deny() { cargo deny check licenses bans sources; }

# Unit tests, whole-system tests, crash replay, loom and the kill storm; the last three in a0-testkit.
step_test() { cargo test --workspace; }

step_sanitize() { sanitize/run.sh; }

# The C library. Its part under valgrind uses what step sanitize has built.
step_c() { a0-c/test.sh; }

step_doc() {
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet
    RUSTDOCFLAGS='-D warnings' cargo doc -p a0-std --all-features --no-deps --quiet
    # The nightly toolchain describes interfaces in a form that can be read by a program.
    packaging/public_types.py a0-core a0-linux a0-std
}

# Its Rust examples are doctests of a0-std, see step test.
step_book() {
    mdbook build book
    # As step test has built it.
    cargo build --quiet --workspace --lib --bins --examples
    python3 book/check.py target/book target/debug/a0
}

# A program without std, with its own panic handler: it links only if a0-core needs neither std nor an allocator.
step_no_std() {
    cargo build -p a0-core
    CARGO_TARGET_DIR=target cargo run --quiet --manifest-path examples/no_std_static/Cargo.toml
}

# All programs at once: one by one, dependencies would be built again with other features.
build_programs() { cargo build --profile quick --workspace --bins --features a0-benches/peers; }

step_demo() {
    build_programs
    ./target/quick/a0 demo
}

# What would be uploaded, without building it again; a warning is about missing metadata.
step_package() {
    local said
    said=$(cargo publish --dry-run --workspace --no-verify --allow-dirty 2>&1) || { echo "$said" >&2; return 1; }
    ! grep '^warning' <<<"$said" | grep -v 'aborting upload due to dry run'
}

# The public interface against the newest release: the first version in CHANGELOG.md that is not called unreleased.
step_semver() {
    local version
    version=$(sed -n '/(unreleased)$/!{s/^## \([^ ]*\).*/\1/p}' CHANGELOG.md | sed 1q)
    if [ -z "$version" ]; then
        echo "nothing was released yet: there is nothing to compare with"
        return
    fi
    git rev-parse --quiet --verify "v$version^{commit}" >/dev/null ||
        { echo "test.sh: no tag v$version here; git fetch --tags, or git tag v$version if this is the release" >&2; return 1; }
    # The newest one, which understands this compiler. It asks for optimised dependencies: ten minutes more.
    command -v cargo-semver-checks >/dev/null ||
        quick_install cargo-semver-checks --no-default-features --config 'profile.dev.package."*".opt-level = 0'
    cargo semver-checks --baseline-rev "v$version" -p a0-core -p a0-linux -p a0-std
}

step_fuzz() {
    mkdir -p fuzz/corpus/{history,packet,text,topic,upgrade}
    cargo +nightly fuzz build
    ls fuzz/seeds | xargs -P "$(nproc)" -I{} cargo +nightly fuzz run {} fuzz/corpus/{} fuzz/seeds/{} -- \
        -max_total_time="$FUZZ_SECONDS" -max_len=8192 -verbosity=0 -print_final_stats=1
}

step_interop() {
    build_programs
    A0_PROGRAMS=target/quick interop/run.sh
}

# Tries the comparison on some rows: that it works, not what it finds.
step_compare() {
    local row rows=(publish-1-polling round-trip round-trip-asleep stream-1-1 rpc start) only=()
    for row in "${rows[@]}"; do only+=(--only "$row"); done
    build_programs
    ./target/quick/a0-benches compare --quick "${only[@]}" \
        --json target/compare.json --svg target/compare --markdown target/compare.md
    python3 benches/check_compare.py target/compare.json "${rows[@]}"
}

# Instructions and system calls of the hot paths against budgets; stores and cache lines are a test of a0-testkit.
step_guard() { benches/guard/run.sh; }

# With the oldest compiler that Cargo.toml promises. Needs it: rustup toolchain install 1.88.0
step_msrv() {
    local oldest
    oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    grep -q "with Rust $oldest or newer" README.md || { echo "test.sh: README.md does not say Rust $oldest" >&2; return 1; }
    # The peers of the benchmarks need a newer one.
    cargo "+$oldest.0" check --workspace --exclude a0-benches --all-features
}

# The a0 command without a C library beside it. Needs its target: rustup target add x86_64-unknown-linux-musl
step_musl() {
    need 'musl-gcc --version' musl-tools
    cargo build --profile quick --target x86_64-unknown-linux-musl -p a0-cli
    ./target/x86_64-unknown-linux-musl/quick/a0 demo
}

if [ $# -gt 0 ]; then STEPS=("$@"); fi
for step in "${STEPS[@]}"; do
    declare -F "step_$step" >/dev/null || { echo "test.sh: no step '$step'" >&2; exit 2; }
    say "$step"
    begin=$SECONDS
    "step_$step"
    say "$step: passed in $((SECONDS - begin)) s"
done
say "all steps passed"

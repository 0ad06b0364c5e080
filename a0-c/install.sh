#!/usr/bin/env bash
# Installs library, headers, pkg-config file and CMake package: a0-c/install.sh PREFIX [DIRECTORY-OF-THE-BUILT-LIBRARY]
# Without the second argument, builds for release first. `cargo cinstall -p a0-c` does the same with cargo-c.
set -euo pipefail
[ $# -ge 1 ] || { sed -n 2,3p "$0" >&2; exit 2; }
mkdir -p "$1"
prefix=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
[ $# -lt 2 ] || built=$(realpath "$2")
cd "$here/.."
if [ $# -lt 2 ]; then
    cargo build --release -p a0-c
    built=${CARGO_TARGET_DIR:-target}/release
fi

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
abi=${version%.*}
mkdir -p "$prefix"/{include/a0rs,lib/pkgconfig,share/cmake/a0rs}
install -m 644 "$here"/include/a0rs.h "$here"/include/a0rs.hpp "$prefix/include"
install -m 644 "$here"/include/a0rs/*.hpp "$prefix/include/a0rs"
install -m 644 "$built/liba0rs.a" "$prefix/lib"
install -m 755 "$built/liba0rs.so" "$prefix/lib/liba0rs.so.$version"
ln -sf "liba0rs.so.$version" "$prefix/lib/liba0rs.so.$abi"
ln -sf "liba0rs.so.$abi" "$prefix/lib/liba0rs.so"
sed "s/@VERSION@/$version/" "$here/a0rs.pc.in" >"$prefix/lib/pkgconfig/a0rs.pc"
install -m 644 "$here"/a0rsConfig{,Version}.cmake "$prefix/share/cmake/a0rs"

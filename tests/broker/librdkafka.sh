#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds librdkafka 2.12.1 into PREFIX, beside Debian's 2.0.2: same soname, so LD_LIBRARY_PATH is enough
# to run the same binaries on both. The source comes from the crate rdkafka-sys, which carries it whole;
# cargo is used to fetch it, nothing of Rust is built. Does nothing when PREFIX is complete.
#
# Usage: librdkafka.sh PREFIX
set -euo pipefail
prefix=$1
[ -e "$prefix/lib/librdkafka.so.1" ] && exit 0

work=$prefix/work
rm -rf "$work"
mkdir -p "$work/src" "$work/num_enum/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "throw-away"
version = "0.0.0"
edition = "2018"

[dependencies]
rdkafka-sys = { version = "=4.10.0", default-features = false }

# Nothing is compiled, so this stands in for a tree of crates that Debian's cargo is too old to read.
[patch.crates-io]
num_enum = { path = "num_enum" }
TOML
cat >"$work/num_enum/Cargo.toml" <<'TOML'
[package]
name = "num_enum"
version = "0.7.99"
edition = "2018"

[features]
default = []
complex-expressions = []
TOML
: >"$work/src/lib.rs"
: >"$work/num_enum/src/lib.rs"
cd "$work"
# An old cargo reads a registry without its whole history only when asked to.
minor=$(cargo --version | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
if [ "${minor:-0}" -lt 70 ]; then
    export RUSTC_BOOTSTRAP=1
    cargo vendor -Z sparse-registry >/dev/null || cargo vendor >/dev/null
else
    cargo vendor >/dev/null
fi
cd vendor/rdkafka-sys*/librdkafka
./configure --prefix="$prefix" --disable-gssapi --disable-curl --disable-lz4-ext
make -j"$(nproc)" libs
make -C src install
rm -rf "$work"

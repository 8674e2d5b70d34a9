#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The C++ example of sdk/ABI.md is compiled as it stands there and runs a job.
# usage: cpp.sh INCLUDE_DIR ABI.md QUERN_WORKER
set -eu
command -v g++ >/dev/null || { echo "no g++ here"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
awk '/^```cpp$/ { on = 1; next } /^```$/ { on = 0 } on' "$2" >"$dir/shout.cc"
test -s "$dir/shout.cc"
g++ -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Werror -fPIC -shared -fvisibility=hidden \
    -Wl,-z,defs -I"$1" "$dir/shout.cc" -o "$dir/shout.so"
printf hello >"$dir/job"
"$3" --exec "$dir/shout.so" --job "$dir/job" --json >"$dir/out"
cat "$dir/out"
grep -q '"verdict":"ok"' "$dir/out"
grep -q '"value":"HELLO"' "$dir/out"

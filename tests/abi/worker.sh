#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The worker describes and runs a plugin that was built with an older header.
# usage: worker.sh QUERN_WORKER PLUGIN_OLD.so
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$1" --describe "$2" >"$dir/described"
cat "$dir/described"
grep -q '"name":"plugin-old"' "$dir/described"
grep -q '"name":"times"' "$dir/described"
printf x >"$dir/job"
"$1" --exec "$2" --job "$dir/job" --set word=older --set times=3 --json >"$dir/out"
cat "$dir/out"
grep -q '"verdict":"ok"' "$dir/out"
test "$(grep -o '"value":"older"' "$dir/out" | wc -l)" -eq 3
# The exit codes that scripts go by.
: >"$dir/empty"
code=0
"$1" --exec "$2" --job "$dir/empty" || code=$?
test "$code" -eq 65
code=0
"$1" --exec "$2" --job "$dir/job" --set times=10 || code=$?
test "$code" -eq 78
code=0
"$1" --exec "$dir/job" --job "$dir/job" || code=$?
test "$code" -eq 66

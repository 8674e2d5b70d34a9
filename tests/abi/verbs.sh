#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# quern plugin, quern new, quern exec: what scripts rely on. usage: verbs.sh QUERN WORKER_DIR PLUGIN_OLD.so
set -eu
quern=$1 old=$3
export QUERN_LIBEXEC="$2"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# expect CODE COMMAND...
expect() {
    want=$1 got=0
    shift
    "$@" >"$dir/out" 2>"$dir/err" || got=$?
    if [ "$got" -ne "$want" ]; then
        echo "FAIL $*: exit code $got instead of $want"
        cat "$dir/out" "$dir/err"
        exit 1
    fi
    echo "ok   $*"
}

# plugin: a sound one, one with another file name, one that is none.
mkdir "$dir/plugins"
cp "$old" "$dir/plugins/plugin-old.so"
cp "$old" "$dir/plugins/other.so"
echo 'no object' >"$dir/plugins/broken.so"
export QUERN_PLUGIN_PATH="$dir/plugins" QUERN_CONFIG="$dir/none.conf"
expect 0 "$quern" plugin list
grep -q '^plugin-old  *1.0.0  *1.0 ' "$dir/out"
grep -q 'broken: .*not a shared object' "$dir/out"
expect 0 "$quern" plugin list -o json
grep -q '"error":' "$dir/out"
expect 0 "$quern" plugin inspect plugin-old
grep -q '^times  *int  *1  *1\.\.9 ' "$dir/out"
expect 0 "$quern" plugin inspect plugin-old -o json
grep -q '"name":"times","type":"int","required":false,"secret":false,"min":1,"max":9' "$dir/out"
expect 0 "$quern" plugin check plugin-old
test "$(grep -c FAIL "$dir/out")" -eq 0
expect 65 "$quern" plugin check "$dir/plugins/other.so"
grep -q '^FAIL its name is plugin-old' "$dir/out"
expect 65 "$quern" plugin check "$dir/plugins/broken.so"
expect 66 "$quern" plugin check plugin-odl
grep -q 'did you mean "plugin-old"' "$dir/err"
expect 64 "$quern" plugin

# new: writes, and never overwrites.
expect 0 "$quern" new plugin a-b --dir "$dir/new"
grep -q '^static int32_t a_b_handle' "$dir/new/plugin.c"
test -z "$(grep -rl '@NAME@\|@IDENT@' "$dir/new")"
echo mine >"$dir/new/plugin.c"
rm "$dir/new/README.md"
expect 73 "$quern" new plugin a-b --dir "$dir/new"
test "$(cat "$dir/new/plugin.c")" = mine
test ! -e "$dir/new/README.md"
expect 64 "$quern" new plugin '../a'
expect 64 "$quern" new plugin 'A'

# exec
printf x >"$dir/job"
expect 0 "$quern" exec plugin-old --job "$dir/job" --set times=2 -o json
grep -q '"verdict":"ok"' "$dir/out"
expect 65 "$quern" exec plugin-old --tombstone
grep -q '^reject  empty: the job has no body' "$dir/out"
expect 78 "$quern" exec plugin-old --job "$dir/job" --set tims=2
expect 66 "$quern" exec plugin-old --job "$dir/none"
expect 64 "$quern" exec plugin-old

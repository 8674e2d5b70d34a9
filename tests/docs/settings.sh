#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs/settings.md is what `quern config reference` prints (but for the folders of this build), and every
# `quern VERB` that a document shows is one that there is.
#   settings.sh QUERN SOURCE-FOLDER
set -eu
quern=$1 source=$2
expected=$(mktemp) found=$(mktemp)
trap 'rm -f "$expected" "$found"' EXIT

"$quern" config reference |
    sed -e 's#default /[^ ]*/quern/plugins#default (the installed folder)#' \
        -e 's#default /[^ ]*/quern-worker#default (the installed one)#' >"$expected"
sed -n '/^| key /,$p' "$source/docs/settings.md" >"$found"
if ! diff -u "$found" "$expected"; then
    echo "docs/settings.md is not what the table of keys says: print it again" >&2
    exit 1
fi

bad=0
for file in "$source"/README.md "$source"/docs/*.md; do
    for verb in $(grep -oE '(^\$ |`|&& )quern [a-z]+' "$file" | grep -oE '[a-z]+$' | sort -u); do
        if ! "$quern" help "$verb" >/dev/null 2>&1; then
            echo "$file names the verb \"$verb\", which there is not" >&2
            bad=1
        fi
    done
done
exit $bad

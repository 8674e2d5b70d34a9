#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Follows docs/plugin-author.md as a reader would: installs this build into an empty folder, then runs all
# the ```sh blocks of the tutorial, in order, in one shell. usage: test_tutorial.sh MESON BUILD_DIR DOC
set -eu
meson=$1 build=$2 doc=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

DESTDIR="$dir/root" "$meson" install -C "$build" --no-rebuild --quiet >"$dir/install.log" 2>&1 ||
    { cat "$dir/install.log"; exit 1; }
quern=$(find "$dir/root" -type f -name quern -path '*/bin/*')
worker=$(find "$dir/root" -type f -name quern-worker)
pc=$(find "$dir/root" -type f -name quern-sdk.pc)
test -n "$quern" && test -n "$worker" && test -n "$pc"

# The folders of the installation, without its prefix: pkg-config and quern are told where it lies.
PATH="$(dirname "$quern"):$PATH"
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR="$dir/root"
QUERN_LIBEXEC=$(dirname "$worker")
export PATH PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR QUERN_LIBEXEC
unset QUERN_PLUGIN_PATH QUERN_CONFIG CFLAGS LDFLAGS DESTDIR

# A step that fails shall leave no broker and no engine behind.
echo "trap 'kill \${engine-} \${broker-} 2>/dev/null || :' EXIT" >"$dir/follow.sh"
awk '/^## Reference/ { exit } /^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$doc" >>"$dir/follow.sh"
test "$(grep -c . "$dir/follow.sh")" -gt 20
mkdir "$dir/work"
cd "$dir/work"
code=0
timeout -k 5 100 sh -eux "$dir/follow.sh" || code=$?
if [ "$code" -ne 0 ]; then
    test ! -s hello/run.log || tail -20 hello/run.log
    echo "the tutorial ended with $code"
fi
exit "$code"

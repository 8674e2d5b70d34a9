#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The public headers alone, in every language they promise, by every compiler that is here, with all
# warnings as errors. usage: header.sh INCLUDE_DIR
set -eu
include=$1
warnings='-Wall -Wextra -Wpedantic -Wconversion -Werror'
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tried=0

cat >"$dir/use.c" <<'END'
#include <quern/plugin.h>
#include <quern/testkit.h>
int32_t use(struct quern_job *job);
int32_t use(struct quern_job *job)
{
    char *p = (char *)quern_alloc(job, 1);

    if (!p || quern_job_cancelled(job))
        return quern_retry(job, "code", "%d", 1);
    quern_info(job, "%s", quern_job_topic(job));
    return quern_emit(job, "out", quern_job_key(job), quern_text("x"));
}
END
cat >"$dir/plugin.c" <<'END'
#include <quern/plugin.h>
struct settings { int64_t n; };
static const struct quern_option options[] = {
    QUERN_INT(struct settings, n, "1", 1, 2, "A number."), QUERN_OPTIONS_END};
static int32_t handle(void *self, struct quern_job *job) { (void)self; (void)job; return QUERN_OK; }
QUERN_PLUGIN(hello, "1.0.0", "Is there.", .options = options,
             .settings_size = sizeof(struct settings), .handle = handle);
END
cp "$dir/use.c" "$dir/use.cc"

try() {
    compiler=$1
    shift
    command -v "$compiler" >/dev/null || { echo "skip $compiler: not here"; return 0; }
    # shellcheck disable=SC2086 # the warnings are several words
    "$compiler" "$@" $warnings -I"$include" -fsyntax-only
    echo "ok   $compiler $1 $(basename "$2")"
    tried=$((tried + 1))
}

for std in c11 c17 gnu17; do
    for compiler in gcc clang; do
        try "$compiler" "-std=$std" "$dir/use.c"
        try "$compiler" "-std=$std" "$dir/plugin.c"
    done
done
for std in c++17 c++20; do
    for compiler in g++ clang++; do
        try "$compiler" "-std=$std" "$dir/use.cc"
    done
done
test "$tried" -gt 0

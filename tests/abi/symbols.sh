#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A plugin shows one symbol and wants none of ours. usage: symbols.sh PLUGIN.so...
set -eu
bad=0
for plugin in "$@"; do
    defined=$(nm -D --defined-only "$plugin" | awk '{ print $3 }' | sort)
    wanted=$(nm -D --undefined-only "$plugin" | awk '{ print $2 }' | grep '^quern_' || true)
    if [ "$defined" != quern_plugin_v1 ]; then
        echo "FAIL $plugin defines: $(echo "$defined" | tr '\n' ' ')"
        bad=1
    elif [ -n "$wanted" ]; then
        echo "FAIL $plugin wants: $wanted"
        bad=1
    else
        echo "ok   $plugin"
    fi
done
exit $bad

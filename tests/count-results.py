#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts a log of `meson test` (one JSON object a line): prints "PASSED FAILED SKIPPED"."""
import json
import sys

counts = {"passed": 0, "failed": 0, "skipped": 0}
with open(sys.argv[1], encoding="utf-8") as log:
    for line in log:
        result = json.loads(line)["result"]
        kind = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(result, "failed")
        counts[kind] += 1
print(counts["passed"], counts["failed"], counts["skipped"])

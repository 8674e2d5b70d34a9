#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checker of the delivery test, checked: a fake engine does everything right, or one thing wrong, and
the checker must say which of its rules is broken. Needs no engine and no Java."""
import subprocess

import harness
from harness import run

FAULTS = {
    "none": None, "output": "lost", "letter": "lost", "forged": "forged", "forged-letter": "forged",
    "twice": "twice", "twice-letter": "twice", "innocent": "innocent", "spared": "forged",
    "key": "intact", "value": "intact", "null": "intact", "header": "intact", "cause": "headers",
    "crashes": "headers", "missing": "headers", "commit": "committed",
}


def one(test, fault, rule):
    mock = subprocess.Popen([str(harness.TOOLS / "mock"), "in:3", "out:2", "dead:1"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True,
                            preexec_fn=harness.kafka.die_with_parent)
    try:
        brokers = mock.stdout.readline().strip()
        for command in (("load", brokers, "in", 3, 300, 1),
                        ("fake", brokers, "g", "in", "out", "dead", fault)):
            code, _, err = run(harness.TOOLS / command[0], *command[1:])
            if code:
                test.ok(False, f"fault {fault}: {command[0]}", err)
                return
        code, out, err = run(harness.TOOLS / "check", brokers, "g", "in", "out", "dead", 5, 3)
        broken = {line.split()[0] for line in out.splitlines() if "BROKEN" in line}
        if rule is None:
            test.ok(code == 0 and not broken, "no fault, none found", out + err)
        else:
            test.ok(code == 1 and rule in broken, f"fault {fault}: rule \"{rule}\" is broken", out + err)
    finally:
        mock.stdin.close()
        mock.wait(20)


def body(test):
    for fault, rule in FAULTS.items():
        one(test, fault, rule)


if __name__ == "__main__":
    harness.main("check-self", body, 120)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rooms of core/ hold: reads the #include lines and fails when a room includes one it may not.

Dependencies point one way (see docs/architecture.md):

    cli -> admin -> pipeline -> { kafka, worker, guard } -> config -> base      sdk <- worker, plugins

A room may include any room below it. kafka/ and worker/ do not know each other; the public header is
for what runs plugins or weighs their verdicts; plugins see the public header only. The small table
below is the whole of the rule; --self-test plants violations and expects each of them to be found.
"""
import pathlib
import re
import sys
import tempfile

BELOW = {
    "base": set(),
    "config": {"base"},
    "kafka": {"config", "base"},
    "worker": {"config", "base"},
    "guard": {"config", "base"},
    "pipeline": {"kafka", "worker", "guard", "config", "base"},
    "admin": {"pipeline", "kafka", "worker", "guard", "config", "base"},
    "cli": {"admin", "pipeline", "kafka", "worker", "guard", "config", "base"},
}
# Rooms that may include <quern/plugin.h>, and those that may talk to librdkafka themselves.
SDK_ROOMS = {"worker", "pipeline"}
KAFKA_ROOMS = {"kafka", "pipeline", "cli"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1) == "<", found.group(2)


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in (".c", ".h"))


def check_core(root):
    for path in sources(root / "core"):
        relative = path.relative_to(root / "core")
        room = relative.parts[0] if len(relative.parts) > 1 else "cli"  # core/main.c stands on top
        if room not in BELOW:
            yield path, 1, f"room {room}/ is not on the map of the rooms"
            continue
        for number, angled, name in includes(path):
            head = name.split("/")[0]
            if name.startswith("quern/"):
                if room not in SDK_ROOMS:
                    yield path, number, f"{room}/ may not include the plugins' header <{name}>"
            elif name.startswith("librdkafka/"):
                if room not in KAFKA_ROOMS:
                    yield path, number, f"{room}/ may not talk to librdkafka itself"
            elif not angled and ".." in name.split("/"):
                yield path, number, f'"{name}" goes around the rooms'
            elif not angled and head in BELOW and head != room and head not in BELOW[room]:
                yield path, number, f'{room}/ may not include "{name}"'
            elif not angled and head in ("plugins", "tests", "sdk"):
                yield path, number, f'core/ may not include "{name}"'


def check_plugins(root):
    for path in sources(root / "plugins"):
        for number, angled, name in includes(path):
            head = name.split("/")[0]
            own = (path.parent / name).exists()
            if not angled and not own and (head in BELOW or ".." in name.split("/") or head == "core"):
                yield path, number, f'a plugin may not include "{name}"'


def check_sdk(root):
    for path in sources(root / "sdk"):
        public = "include" in path.relative_to(root / "sdk").parts
        for number, angled, name in includes(path):
            head = name.split("/")[0]
            if not angled and head in BELOW and (public or head != "base"):
                yield path, number, f'sdk/ may not include "{name}"'


def check(root):
    found = []
    for part in (check_core, check_plugins, check_sdk):
        found.extend(part(root))
    return found


def self_test():
    """Each line is a file, one include, and whether it is allowed."""
    planted = [
        ("core/base/a.c", '"config/settings.h"', False),
        ("core/config/a.c", '"kafka/client.h"', False),
        ("core/kafka/a.c", '"worker/pool.h"', False),
        ("core/worker/a.h", '"kafka/client.h"', False),
        ("core/worker/a.c", '"pipeline/job.h"', False),
        ("core/pipeline/a.c", '"admin/admin.h"', False),
        ("core/admin/a.c", '"cli/cli.h"', False),
        ("core/kafka/a.c", "<quern/plugin.h>", False),
        ("core/worker/a.c", "<librdkafka/rdkafka.h>", False),
        ("core/base/a.c", '"../kafka/client.h"', False),
        ("core/attic/a.c", "<stdio.h>", False),
        ("plugins/x/a.c", '"base/log.h"', False),
        ("plugins/x/a.c", '"../../core/base/log.h"', False),
        ("sdk/include/quern/a.h", '"base/buf.h"', False),
        ("sdk/testkit/a.c", '"kafka/client.h"', False),
        ("core/cli/a.c", '"admin/admin.h"', True),
        ("core/pipeline/a.c", '"kafka/client.h"', True),
        ("core/worker/a.c", "<quern/plugin.h>", True),
        ("core/kafka/a.c", '"kafka/member.h"', True),
        ("plugins/x/a.c", "<quern/plugin.h>", True),
        ("sdk/testkit/a.c", '"base/buf.h"', True),
    ]
    wrong = 0
    for name, include, allowed in planted:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True)
            path.write_text(f"/* planted */\n#include {include}\n", encoding="utf-8")
            if (not check(pathlib.Path(folder))) != allowed:
                wrong += 1
                print(f"self-test: {name} with {include}: expected {'no ' if allowed else ''}violation")
    print(f"self-test: {len(planted)} planted, {wrong} judged wrongly")
    return 1 if wrong else 0


def main():
    if "--self-test" in sys.argv[1:]:
        return self_test()
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    count = len(sources(root / "core"))
    if count < 10:
        print(f"{root}/core has {count} sources: that is not the engine")
        return 1
    found = check(root)
    for path, line, text in found:
        print(f"{path.relative_to(root)}:{line}: {text}")
    print(f"{count} sources of core/ read, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

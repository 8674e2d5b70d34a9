#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a C table of the templates, so that `quern new` needs nothing but its own binary.

usage: embed.py OUTPUT TEMPLATE...
"""
import pathlib
import sys


def quoted(line):
    text = line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("?", "\\?")
    return f'     "{text}\\n"'


def main(output, templates):
    out = ["/* Made by sdk/template/embed.py. */", '#include "cli/templates.h"', "",
           "const struct template templates[] = {"]
    for path in map(pathlib.Path, templates):
        out.append(f'    {{"{path.name.removesuffix(".in")}",')
        out.extend(map(quoted, path.read_text(encoding="utf-8").splitlines()))
        out.append("    },")
    out += ["    {0, 0},", "};", ""]
    pathlib.Path(output).write_text("\n".join(out), encoding="utf-8")


main(sys.argv[1], sys.argv[2:])

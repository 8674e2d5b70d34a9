#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`quern demo` from its beginning to its end, with small pictures: exit code 0, thumbnails, dead letters
with their reasons, a worker that was killed, a contact sheet."""
import pathlib
import struct
import zlib

import harness
from harness import quern


def png(path, width, height, colour):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes(c ^ (y & 0x3f) for c in colour) * width for y in range(height))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def body(test):
    pictures = test.folder / "pictures"
    pictures.mkdir()
    for i in range(12):
        png(pictures / f"picture-{i}.png", 320 + 16 * i, 240, (20 * i, 255 - 20 * i, 80))
    code, out, err = quern("demo", "--pictures", pictures, timeout=200, cwd=test.folder)
    text = out + err
    if not test.ok(code == 0, "the demo ends by itself with exit code 0", code):
        print(text[-4000:])
        return
    sheets = [p for p in test.folder.rglob("*.html") if p.stat().st_size > 0]
    test.ok(sheets, "it leaves a contact sheet", text[-800:])
    thumbnails = [p for p in test.folder.rglob("*") if p.suffix in (".jpg", ".webp", ".png", ".avif")
                  and pictures not in p.parents]
    test.ok(len(thumbnails) >= 12, "and thumbnails", len(thumbnails))
    if sheets:
        named = pathlib.Path(sheets[0]).read_text(encoding="utf-8")
        test.ok("picture-1" in named, "the sheet names the originals")
    for word in ("SIGSEGV", "dead", "quern "):
        test.ok(word in text, f"it tells of \"{word}\"", text[-1500:])


if __name__ == "__main__":
    harness.main("demo", body, 260)

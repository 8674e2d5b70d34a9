#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges thumbnails without libvips.

test_plugin makes one job's outputs and leaves the result events in a file (QUERN_TEST_RESULTS). This
script reads sides, type, length and SHA-256 of each file from its bytes, by the formats' own
specifications, and compares them with what the event says. Metadata segments are errors.
"""
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import urllib.parse


def jpeg(data):
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("no marker at %d" % at)
        marker, size = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        if marker in (0xE1, 0xE2, 0xED):
            raise ValueError("metadata segment %x" % marker)
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = struct.unpack(">HH", data[at + 5:at + 9])
            if data[-2:] != b"\xff\xd9":
                raise ValueError("no end of image")
            return width, height
        at += 2 + size
    raise ValueError("no frame header")


def png(data):
    at, sides, chunks = 8, None, []
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            sides = struct.unpack(">II", data[at + 8:at + 16])
        chunks.append(kind)
        at += 12 + size
    if chunks[-1] != b"IEND" or at != len(data):
        raise ValueError("does not end in IEND")
    for kind in (b"eXIf", b"iCCP", b"iTXt", b"tEXt", b"zTXt"):
        if kind in chunks:
            raise ValueError("metadata chunk %s" % kind)
    return sides


def webp(data):
    if struct.unpack("<I", data[4:8])[0] + 8 != len(data):
        raise ValueError("RIFF size")
    at, sides = 12, None
    while at < len(data):
        kind, size = struct.unpack("<4sI", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"VP8X":
            if body[0] & 0x2C:
                raise ValueError("flags for metadata: %x" % body[0])
            sides = (1 + int.from_bytes(body[4:7], "little"),
                     1 + int.from_bytes(body[7:10], "little"))
        elif kind == b"VP8 ":
            width, height = struct.unpack("<HH", body[6:10])
            sides = sides or (width & 0x3FFF, height & 0x3FFF)
        elif kind == b"VP8L":
            bits = struct.unpack("<I", body[1:5])[0]
            sides = sides or ((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1)
        elif kind in (b"EXIF", b"XMP ", b"ICCP"):
            raise ValueError("metadata chunk %s" % kind)
        at += 8 + size + (size & 1)
    return sides


def avif(data):
    if data[4:8] != b"ftyp" or data[8:12] != b"avif" or b"Exif" in data:
        raise ValueError("not a plain AVIF")
    at = data.index(b"ispe")
    return struct.unpack(">II", data[at + 8:at + 16])


READERS = {
    "image/jpeg": (b"\xff\xd8\xff", jpeg),
    "image/png": (b"\x89PNG\r\n\x1a\n", png),
    "image/webp": (b"RIFF", webp),
    "image/avif": (b"\0\0\0", avif),
}


def check(output):
    path = urllib.parse.unquote(urllib.parse.urlparse(output["url"]).path)
    with open(path, "rb") as file:
        data = file.read()
    magic, reader = READERS[output["type"]]
    if not data.startswith(magic):
        raise ValueError("does not begin like %s" % output["type"])
    found = (len(data), hashlib.sha256(data).hexdigest()) + tuple(reader(data))
    told = (output["bytes"], output["sha256"], output["w"], output["h"])
    if found != told:
        raise ValueError("the file is %s, the event says %s" % (found, told))


def main():
    test, plugin = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as place:
        results = os.path.join(place, "results")
        env = dict(os.environ, QUERN_TEST_RESULTS=results, TMPDIR=place)
        subprocess.run([test, plugin], env=env, check=True, stdout=subprocess.DEVNULL)
        seen, bad = {}, 0
        with open(results) as lines:
            for line in lines:
                for output in json.loads(line)["outputs"]:
                    try:
                        check(output)
                    except (ValueError, OSError) as error:
                        print("%s: %s" % (output["url"], error))
                        bad += 1
                    seen[output["type"]] = seen.get(output["type"], 0) + 1
    print("outputs read:", seen)
    if bad or set(seen) != set(READERS):
        sys.exit(1)


if __name__ == "__main__":
    main()

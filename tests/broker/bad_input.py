#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is wrong is said in one clear sentence, with the place and the remedy, and ends in an exit code:
never a crash, never a silent default."""
import re

import harness
from harness import quern
from kafka import free_ports

GOOD = f"""kafka: {{ brokers = "127.0.0.1:1"; }};
admin: {{ listen = "off"; }};
pipelines: {{ mill: {{
  plugin = "{harness.TOOLS}/chaos.so";
  topics = ["grain"];
  emit = {{ out = "flour"; }};
  workers = 2;
  deadline = "30s";
}}; }};
"""

# name, what is replaced, by what, exit code, what must be said (each a regular expression)
CASES = [
    ("unknown key", "workers = 2", "wrokers = 2", 78, [r"bad\.conf:7", r"wrokers", r"workers"]),
    ("unknown key at the top", "kafka:", "kafak:", 78, [r"bad\.conf:1", r"kafak", r"\bkafka\b"]),
    ("wrong unit", '"30s"', '"30 parsecs"', 78, [r"bad\.conf:8", r"30 parsecs", r"30s|\bms\b"]),
    ("no unit", '"30s"', "30", 78, [r"bad\.conf:8", r"deadline"]),
    ("out of range", "workers = 2", "workers = 0", 78, [r"bad\.conf:7", r"workers", r"\b1\b"]),
    ("wrong type", "workers = 2", 'workers = "two"', 78, [r"bad\.conf:7", r"workers"]),
    ("number too large", "workers = 2", "workers = 4294967298", 78, [r"bad\.conf:7"]),
    ("missing include", "kafka:", 'include_dir = "nowhere.d"; kafka:', 78, [r"nowhere\.d", r"bad\.conf:1"]),
    ("missing plugin", f"{harness.TOOLS}/chaos.so", "millstone", 78, [r"millstone", r"bad\.conf:4"]),
    ("unset variable", '"30s"', '"${QUERN_TEST_UNSET}"', 78, [r"QUERN_TEST_UNSET", r"bad\.conf:8"]),
    ("missing secret", '"127.0.0.1:1"', '"${file:/nonexistent/x}"', 78, [r"/nonexistent/x", r"bad\.conf:1"]),
    ("unresolved symbol", "chaos.so", "unresolved.so", 78, [r"quern_test_nowhere_to_be_found"]),
    ("another ABI", "chaos.so", "other_abi.so", 78, [r"ABI", r"\b7\b", r"\b1\b"]),
    ("not a plugin", f"{harness.TOOLS}/chaos.so", "{folder}/text.so", 78, [r"text\.so"]),
    ("plugin has no settings", "workers = 2", 'settings = { sharp = true; }', 78, [r"sharp", r"bad\.conf:7"]),
    ("syntax", "workers = 2;", "workers = = 2;", 78, [r"bad\.conf:7", r"syntax"]),
    ("missing required key", 'topics = ["grain"];', "", 78, [r"topics"]),
    ("property of librdkafka", '"127.0.0.1:1";', '"127.0.0.1:1"; properties = { enable_auto_commit = "true"; };',
     78, [r"enable[._]auto[._]commit", r"bad\.conf:1"]),
    ("bad pipeline name", "mill:", "Mill_1:", 78, [r"Mill_1", r"bad\.conf:3"]),
]


def expect(test, name, answer, code, patterns):
    is_code, out, err = answer
    text = out + err
    missing = [p for p in patterns if not re.search(p, text)]
    test.ok(is_code == code and not missing, f"{name}: exit code {code}, and said",
            f"exit code {is_code}, not said {missing}: {text[:700]}")


def settings(test):
    conf = test.folder / "bad.conf"
    (test.folder / "text.so").write_text("not an ELF file\n")
    conf.write_text(GOOD)
    expect(test, "good settings", quern("check", "-c", conf), 0, [])
    for name, what, by, code, patterns in CASES:
        assert what in GOOD, what
        conf.write_text(GOOD.replace(what, by.replace("{folder}", str(test.folder)), 1))
        for verb in ("check", "run"):
            expect(test, f"{name} ({verb})", quern(verb, "-c", conf, timeout=20), code, patterns)
    conf.write_text(GOOD.replace("workers", "wrokers").replace('"30s"', '"30 parsecs"'))
    expect(test, "two errors in one run", quern("check", "-c", conf), 78, [r"wrokers", r"parsecs"])


def others(test):
    conf = test.folder / "good.conf"
    port = free_ports(1)[0]
    conf.write_text(GOOD.replace("127.0.0.1:1", f"127.0.0.1:{port}"))
    expect(test, "no such settings file", quern("run", "-c", "/nonexistent/quern.conf"), 66,
           [r"/nonexistent/quern\.conf"])
    expect(test, "no verb", quern(), 64, [r"quern help|[Uu]sage|--help"])
    expect(test, "unknown verb", quern("grind"), 64, [r"grind"])
    expect(test, "unknown option", quern("lag", "--quickly"), 64, [r"quickly"])
    for verb in (["lag"], ["dlq", "list", "mill"]):
        expect(test, f"{verb[0]} without a broker",
               quern(*verb, "-c", conf, "--timeout", "1s", timeout=20), 69, [str(port)])
    expect(test, "produce without a broker",
           quern("produce", "-c", conf, "--timeout", "1s", "grain", "body", timeout=20), 69, [str(port)])
    expect(test, "status without a daemon", quern("status", "-c", conf, "--timeout", "1s", timeout=20),
           69, [])
    expect(test, "bad timeout", quern("lag", "-c", conf, "--timeout", "soon"), 64, [r"soon"])


def body(test):
    settings(test)
    others(test)


if __name__ == "__main__":
    harness.main("bad-input", body, 240)

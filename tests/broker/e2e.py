#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole engine on the embedded broker, by its verbs: jobs in, results and dead letters out, and what
an operator asks for meanwhile. Fast, no Java. Delivery is proven elsewhere, on a real Apache Kafka."""
import json
import re

import harness
from harness import Embedded, Engine, consume, job_text, lag, quern, wait_until

IN, OUT, DEAD, GROUP = "grain", "flour", "chaff", "quern.mill"

PIPELINE = harness.PIPELINE.format(name="mill", plugin=harness.TOOLS / "chaos.so", topic=IN, group=GROUP,
                                   body=f"""
  workers = 2;
  deadline = "1s";
  grace = "200ms";
  retry = {{ attempts = 3; backoff = "10ms..50ms"; }};
  dead = "{DEAD}";
  emit = {{ out = "{OUT}"; }};
""")
KINDS = [("ok", 0), ("emit", 3), ("retry", 2), ("skip", 0), ("reject", 0), ("exhaust", 0), ("crash", 0),
         ("crash1", 0), ("hang", 0)]
CAUSES = {"reject": "rejected", "exhaust": "exhausted", "crash": "crash", "hang": "timeout"}
OUTPUTS = 1 + 3 + 1 + 1 + 1


def produce(test, engine):
    for seq, (kind, n) in enumerate(KINDS):
        path = test.folder / "job"
        path.write_text(job_text(1, seq, kind, n, "pad"))
        code, _, err = quern("produce", "-c", engine.conf, IN, "-k", f"key-{kind}", "-H", "user=ana",
                             "--file", path)
        test.ok(code == 0, f"produce a job of the kind {kind}", err)
    code, _, err = quern("produce", "-c", engine.conf, IN, "this is no job")
    test.ok(code == 0, "produce a job from the command line", err)


def results(test, bootstrap):
    outputs = consume(bootstrap, OUT)
    test.ok(len(outputs) == OUTPUTS, f"{OUTPUTS} results", len(outputs))
    letters = {}
    for letter in consume(bootstrap, DEAD):
        letters[letter["key"]] = letter
    test.ok(len(letters) == len(CAUSES) + 1, "each bad job is a dead letter", list(letters))
    for kind, cause in CAUSES.items():
        headers = letters.get(f"key-{kind}", {}).get("headers", {})
        test.ok(headers.get("quern-cause") == cause, f"dead letter of {kind}: cause {cause}", headers)
        test.ok(headers.get("user") == "ana", "its own header is kept", headers)
    headers = letters.get("key-crash", {}).get("headers", {})
    test.ok("SEGV" in headers.get("__dlq.errors.message", "") and headers.get("quern-backtrace"),
            "the crash has a signal and a backtrace", headers)


def verbs(test, engine):
    conf = ["-c", engine.conf]
    code, out, err = quern("dlq", "list", "mill", *conf, "-o", "json")
    test.ok(code == 0 and len(json.loads(out)) == len(CAUSES) + 1, "dlq list -o json", (code, out, err))
    code, out, err = quern("dlq", "list", "mill", *conf)
    test.ok(code == 0 and "crash" in out and "timeout" in out, "dlq list", (code, out, err))
    code, out, err = quern("lag", *conf, "-o", "json")
    test.ok(code == 0 and IN in out, "lag -o json", (code, out, err))
    json.loads(out)
    code, out, err = quern("lag", *conf)
    test.ok(code == 0 and IN in out, "lag", (code, out, err))
    code, out, err = quern("status", *conf, "--url", f"http://127.0.0.1:{engine.port()}")
    test.ok(code == 0 and "mill" in out, "status", (code, out, err))
    code, out, err = quern("version")
    test.ok(code == 0 and re.search(r"\d+\.\d+\.\d+", out) and "librdkafka" in out, "version", (out, err))
    for verb in ("run", "check", "demo", "broker", "produce", "status", "lag", "dlq", "version", "plugin",
                 "new", "exec", "config"):
        code, out, err = quern(verb, "--help")
        test.ok(code == 0 and "quern " + verb in out, f"{verb} --help", (code, err))


def over_http(test, engine):
    for path in ("/livez", "/readyz"):
        test.ok(engine.get(path)[0] == 200, path, engine.get(path))
    code, text = engine.get("/metrics")
    test.ok(code == 200 and "# TYPE quern_" in text, "/metrics", text[:200])
    status = engine.status()
    test.ok(status and status["pipelines"][0]["name"] == "mill", "/api/v1/status", status)
    test.ok(engine.get("/nothing")[0] == 404, "an unknown path is 404")


def body(test):
    broker = Embedded(test, {IN: 2, OUT: 1, DEAD: 1})
    engine = Engine(test, "engine", broker.bootstrap, PIPELINE, "embedded = true;").start()
    if not test.ok(engine.ready(30), "the engine is ready", engine.get("/readyz")):
        test.show(engine.log)
        return
    produce(test, engine)
    test.ok(wait_until(lambda: lag(broker.bootstrap, GROUP, IN) == 0, 60, 0.2), "all is committed",
            lag(broker.bootstrap, GROUP, IN))
    results(test, broker.bootstrap)
    over_http(test, engine)
    verbs(test, engine)
    test.ok(engine.stop() == 0, "SIGTERM: exit code 0")
    test.ok(broker.stop() == 0, "the broker ends too")
    if test.bad:
        test.show(engine.log, 60)


if __name__ == "__main__":
    harness.main("e2e", body, 240)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Apache Kafka that is away: absent at start, silent for some seconds, gone and back; and topics
that are not there. Nothing may be lost, and the engine says what it waits for."""
import time

import harness
from chaos import DEAD, GROUP, IN, OUT, SETTINGS, drained, fill, judge, reach, stop_well
from harness import Engine, Watch, create_topic, wait_until


def absent_at_start(test, broker):
    """Nobody listens on the broker's port yet."""
    engine = Engine(test, "waiting", broker.bootstrap, SETTINGS).start()
    test.ok(engine.port(), "the engine listens for its operator without a broker")
    code, text = wait_until(lambda: engine.get("/readyz")[0] and engine.get("/readyz"), 10)
    test.ok(code == 503 and text.strip(), "/readyz is 503 and says why", (code, text))
    test.ok(engine.get("/livez")[0] == 200, "/livez is 200")
    test.ok(wait_until(lambda: engine.events("kafka.unreachable") > 0, 20),
            "it says that no broker answers")
    said = engine.events("kafka.unreachable")
    time.sleep(3)  # there is no event for what must not happen
    test.ok(engine.events("kafka.unreachable") == said and said <= 2, "and says so once", said)
    test.ok(engine.process.poll() is None, "it keeps trying")
    return engine


def comes_up(test, engine, broker):
    broker.start()
    fill(test, broker.bootstrap, 3000)
    if not test.ok(engine.ready(60), "the broker comes, and the engine is ready", engine.get("/readyz")):
        test.show(engine.log)


def silent_for_a_while(test, engine, broker):
    watch = Watch(test, broker.bootstrap, OUT)
    reach(test, engine, watch, 500, "jobs run")
    broker.pause()
    time.sleep(8)
    test.ok(engine.process.poll() is None, "the broker was silent for 8 s: the engine lives")
    test.ok(engine.get("/livez")[0] == 200, "and answers")
    broker.resume()
    drained(test, [engine], broker.bootstrap)


def gone_and_back(test, engine, broker):
    broker.stop()
    test.ok(wait_until(lambda: engine.get("/readyz")[0] == 503, 30, 0.2),
            "the broker is gone: /readyz is 503", engine.get("/readyz"))
    broker.start()
    test.ok(engine.ready(90), "it is back: ready again", engine.get("/readyz"))
    stop_well(test, engine)
    judge(test, broker.bootstrap, slack=2000)


def missing_topics(test, broker):
    pipelines = SETTINGS.replace(IN, "not-there-in").replace(OUT, "not-there-out").replace(
        DEAD, "not-there-dead").replace(f'"{GROUP}"', '"not-there"')
    create_topic(broker.bootstrap, "not-there-in", 1)
    engine = Engine(test, "strict", broker.bootstrap, pipelines, "create_topics = false;").start()
    code = wait_until(lambda: engine.process.poll() is not None, 40) and engine.process.returncode
    text = engine.log.read_text()
    test.ok(code == 78, "topics are missing and may not be created: exit code 78", code)
    test.ok("not-there-out" in text and "not-there-dead" in text, "it names them", text[-600:])
    engine = Engine(test, "kind", broker.bootstrap, pipelines, "create_topics = true;").start()
    test.ok(engine.ready(40), "with create_topics it makes them", engine.get("/readyz"))
    stop_well(test, engine)


def body(test):
    broker = harness.start_kafka(test, started=False)
    engine = absent_at_start(test, broker)
    comes_up(test, engine, broker)
    silent_for_a_while(test, engine, broker)
    gone_and_back(test, engine, broker)
    missing_topics(test, broker)


if __name__ == "__main__":
    harness.main("outage", body, 600)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Delivery on a real Apache Kafka while everything is being killed; judged by check.c.

    chaos.py full       50,000 jobs on 6 partitions; the engine is killed with -9 twice, its workers at
                        random all the while, and stopped by SIGTERM and started again in the middle
    chaos.py short      5,000 jobs, one kill
    chaos.py rebalance  5,000 jobs, two engines in one group, one of which comes and goes

Each run ends with lag 0 and a SIGTERM, after which every job must have ended as its body asks for.
"""
import random
import sys
import threading
import time

import harness
from harness import Engine, Watch, create_topic, lag, offsets, run, wait_until

IN, OUT, DEAD, GROUP = "chaos-in", "chaos-out", "chaos-dead", "chaos"
ATTEMPTS, MAX_CRASHES, WINDOW = 5, 3, 2000
DONE_SECONDS = 300
# The brokers give up an engine that was killed after 6 s instead of 45, so that the test is not spent on
# waiting for that; and commits are more frequent than kills.
FAST = 'properties = { session_timeout_ms = "6000"; heartbeat_interval_ms = "1000"; };'
TOP = 'commit_interval = "200ms";'

SETTINGS = harness.PIPELINE.format(name="chaos", plugin=harness.TOOLS / "chaos.so", topic=IN, group=GROUP, body=f"""
  workers = 3;
  deadline = "2s";
  grace = "300ms";
  retry = {{ attempts = {ATTEMPTS}; backoff = "20ms..200ms"; }};
  max_crashes = {MAX_CRASHES};
  window = {{ records = {WINDOW}; }};
  dead = "{DEAD}";
  emit = {{ out = "{OUT}"; }};
""")


class Killer(threading.Thread):
    """Kills a worker with -9 now and then, but never one of quarantine: a job that killed a worker once
    runs there alone, and would be convicted of what was our doing."""

    def __init__(self, engine, seed):
        super().__init__(daemon=True)
        self.engine, self.random = engine, random.Random(seed)
        self.stopped, self.kills = threading.Event(), 0
        self.start()

    def run(self):
        import os
        import signal
        while not self.stopped.wait(self.random.uniform(0.1, 0.6)):
            pids = ordinary_workers(self.engine)
            if not pids:
                continue
            try:
                os.kill(self.random.choice(pids), signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass

    def stop(self):
        self.stopped.set()
        self.join()


def ordinary_workers(engine):
    status = engine.status()
    children = set(engine.workers())
    if not status:
        return []
    return [worker["pid"] for pipeline in status["pipelines"] for worker in pipeline["workers"]
            if worker.get("number", 0) > 0 and worker.get("pid", 0) in children]


def snapshot(test, bootstrap, number, kills_file):
    """What the broker holds just after a kill, once it has taken in what was on its way."""
    before = None
    for _ in range(50):
        now = offsets(bootstrap, GROUP, IN, OUT, DEAD)
        if now == before:
            break
        before = now
        time.sleep(0.1)
    with open(kills_file, "a", encoding="utf-8") as out:
        for (what, topic, partition), offset in now.items():
            out.write(f"{number} {what} {topic} {partition} {offset}\n")
    behind = sum(now["end", IN, p] - max(0, now["committed", IN, p]) for p in range(6))
    test.say(f"end {number} of the engine: {behind} jobs not committed yet")


def fill(test, bootstrap, count):
    for topic, partitions in ((IN, 6), (OUT, 6), (DEAD, 3)):
        create_topic(bootstrap, topic, partitions)
    seed = random.SystemRandom().randrange(1 << 30)
    test.say(f"{count} jobs, seed {seed}")
    code, _, err = run(harness.TOOLS / "load", bootstrap, IN, 6, count, seed, timeout=180)
    if not test.ok(code == 0, "the input is produced", err):
        raise RuntimeError("no input")
    return seed


def reach(test, engine, watch, value, what):
    """Waits until that many outputs are there; the engine must live meanwhile."""
    wait_until(lambda: watch.value >= value or engine.process.poll() is not None, DONE_SECONDS)
    if not test.ok(watch.value >= value and engine.process.poll() is None, what,
                   f"{watch.value} of {value} outputs, exit code {engine.process.poll()}"):
        test.show(engine.log)
        raise RuntimeError("the engine does not get on")


def drained(test, engines, bootstrap):
    started = time.monotonic()
    done = wait_until(lambda: lag(bootstrap, GROUP, IN) == 0, DONE_SECONDS, 0.3)
    if not test.ok(done, f"lag is 0 ({time.monotonic() - started:.1f} s after the last event)",
                   f"it is {lag(bootstrap, GROUP, IN)}"):
        for engine in engines:
            test.say(str(engine.get("/api/v1/status")[1])[:3000])
            test.show(engine.log)
    return done


def judge(test, bootstrap, kills_file="-", slack=0):
    code, out, err = run(harness.TOOLS / "check", bootstrap, GROUP, IN, OUT, DEAD, ATTEMPTS,
                         MAX_CRASHES, kills_file, slack, timeout=300)
    print(out + err, flush=True)
    test.ok(code == 0, "the checker finds every job ended as it should")


def stop_well(test, engine, what="SIGTERM: exit code 0"):
    code = engine.stop()
    if not test.ok(code == 0, what, code):
        test.show(engine.log)


def kill_run(test, count, kills, with_term):
    bootstrap = harness.start_kafka(test).bootstrap
    seed = fill(test, bootstrap, count)
    watch = Watch(test, bootstrap, OUT)
    kills_file = test.folder / "kills"
    engine = Engine(test, "engine", bootstrap, SETTINGS, FAST, TOP).start()
    test.ok(engine.ready(), "the engine is ready", engine.get("/readyz"))
    killer = Killer(engine, seed)
    parts = kills + (1 if with_term else 0) + 1
    for part in range(1, parts):
        reach(test, engine, watch, count * part // parts, f"{100 * part // parts} % of the way")
        if with_term and part == parts - 1:
            # Jobs that wait for their retry are not finished by a drain: what was settled above them
            # is not committed and may run again, as after a kill.
            stop_well(test, engine, "SIGTERM in the middle of it: exit code 0")
        else:
            engine.kill()
        snapshot(test, bootstrap, part - 1, kills_file)
        engine.start()
    drained(test, [engine], bootstrap)
    killer.stop()
    test.say(f"workers killed by us: {killer.kills}; worker.died events: {engine.events('worker.died')}")
    test.ok(killer.kills > 0, "workers were killed")
    stop_well(test, engine)
    judge(test, bootstrap, kills_file)


def rebalance_run(test, count):
    bootstrap = harness.start_kafka(test).bootstrap
    fill(test, bootstrap, count)
    watch = Watch(test, bootstrap, OUT)
    stays = Engine(test, "stays", bootstrap, SETTINGS, FAST, TOP).start()
    guest = Engine(test, "guest", bootstrap, SETTINGS, FAST, TOP).start()
    rebalances = 0
    for part in (1, 2, 3):
        reach(test, stays, watch, count * part // 6, f"part {part} of the way")
        stop_well(test, guest, "the guest leaves: exit code 0")
        guest.start()
        rebalances += 2
        test.ok(guest.ready(), "the guest is back", guest.get("/readyz"))
    drained(test, [stays, guest], bootstrap)
    test.say(f"partition.assigned events: {stays.events('partition.assigned')} and "
             f"{guest.events('partition.assigned')}")
    test.ok(guest.events("partition.assigned") > 0, "the guest had partitions")
    stop_well(test, guest)
    stop_well(test, stays)
    judge(test, bootstrap, slack=rebalances * WINDOW)


def main():
    kind = sys.argv[1] if len(sys.argv) > 1 else "short"
    if kind == "full":
        count = 200000 if harness.LONG else 50000
        harness.main("chaos-full", lambda test: kill_run(test, count, 2, True), 1500)
    elif kind == "short":
        harness.main("chaos-short", lambda test: kill_run(test, 5000, 1, False), 600)
    elif kind == "rebalance":
        harness.main("chaos-rebalance", lambda test: rebalance_run(test, 5000), 600)
    else:
        sys.exit("usage: chaos.py full|short|rebalance")


if __name__ == "__main__":
    main()

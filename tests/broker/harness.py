# SPDX-License-Identifier: Apache-2.0
"""What the tests of the whole engine share: a report, a folder, processes that end with the test, the
engine under test, and the plain librdkafka tools beside this file.

A test is a script that makes a Test, says test.ok(...) for each thing it found, and ends with
test.end(). Exit codes are meson's: 0, 1, and 77 for "cannot run here" (a failure with CI=true).
"""
import contextlib
import faulthandler
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import kafka  # noqa: E402

BUILD = pathlib.Path(os.environ.get("QUERN_BUILD", "build")).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
TOOLS = BUILD / "tests" / "broker"
QUERN = pathlib.Path(os.environ.get("QUERN_EXE", BUILD / "core" / "quern"))
LONG = bool(os.environ.get("QUERN_LONG"))

PIPELINE = """
pipelines: {{ {name}: {{
  plugin = "{plugin}";
  topics = ["{topic}"];
  group = "{group}";
{body}
}}; }};
"""


def wait_until(condition, seconds, every=0.05):
    """The first true answer of condition(), or None when the time is over."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= end:
            return None
        time.sleep(every)


class Test:
    """One script's report and its folder, which is kept when something failed."""

    def __init__(self, name, limit=900):
        faulthandler.dump_traceback_later(limit, exit=True)
        self.name, self.good, self.bad = name, 0, 0
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"quern-{name}-"))
        self.cleanups = contextlib.ExitStack()

    def ok(self, condition, what, detail=""):
        if condition:
            self.good += 1
            print(f"ok   {what}", flush=True)
        else:
            self.bad += 1
            print(f"FAIL {what}" + (f": {detail}" if detail != "" else ""), flush=True)
        return bool(condition)

    def say(self, text):
        print(f"     {text}", flush=True)

    def show(self, path, lines=40):
        with contextlib.suppress(OSError):
            text = pathlib.Path(path).read_text(errors="replace").splitlines()
            print(f"---- last lines of {pathlib.Path(path).name}")
            print("\n".join(text[-lines:]), flush=True)

    def end(self):
        self.cleanups.close()
        print(f"{self.name}: {self.good} ok, {self.bad} failed")
        if self.bad:
            print(f"left for you to look at: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        sys.stdout.flush()
        sys.exit(1 if self.bad else 0)


def cannot_run(why):
    print(f"cannot run here: {why}", flush=True)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


def main(name, body, limit=900):
    """Runs body(test) and ends; what it started ends with it, whatever happens."""
    test = Test(name, limit)
    try:
        body(test)
    except Exception as error:  # pylint: disable=broad-except
        import traceback
        traceback.print_exc()
        test.ok(False, "the test ran to its end", error)
    test.end()


def run(*command, timeout=60, text=True, env=None, **rest):
    """A process to its end: (exit code, stdout, stderr). Code -1: it was killed for taking too long."""
    environment = dict(os.environ, **(env or {}))
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=text,
                              timeout=timeout, env=environment, check=False,
                              stdin=rest.pop("stdin", subprocess.DEVNULL),
                              preexec_fn=kafka.die_with_parent, **rest)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        return -1, str(late.stdout or ""), str(late.stderr or "")


def plugin_path():
    """Where the plugins of this build lie, for QUERN_PLUGIN_PATH."""
    folders = {str(p.parent) for p in BUILD.glob("plugins/*/*.so")}
    return ":".join(sorted(folders | {str(TOOLS)}))


def engine_env():
    return {"QUERN_LIBEXEC": str(QUERN.parent), "QUERN_PLUGIN_PATH": plugin_path()}


def quern(*arguments, timeout=60, **rest):
    return run(QUERN, *arguments, timeout=timeout, env=dict(engine_env(), **rest.pop("env", {})), **rest)


def probe(*arguments, timeout=120):
    return run(TOOLS / "probe", *arguments, timeout=timeout)


def create_topic(bootstrap, topic, partitions):
    code, _, err = probe("create", bootstrap, topic, partitions)
    if code:
        raise RuntimeError(f"topic {topic}: {err}")


def offsets(bootstrap, group, *topics):
    """{("committed"|"end", topic, partition): offset}"""
    code, out, err = probe("offsets", bootstrap, group, *topics)
    if code:
        raise RuntimeError(f"offsets: {err}")
    found = {}
    for line in out.splitlines():
        what, topic, partition, offset = line.split()
        found[what, topic, int(partition)] = int(offset)
    return found


def lag(bootstrap, group, topic):
    """Records between the committed offsets and the ends."""
    found = offsets(bootstrap, group, topic)
    return sum(end - max(0, found["committed", topic, p])
               for (what, _, p), end in found.items() if what == "end")


def start_kafka(test, extra="", started=True):
    """The real broker, or a skipped test where there is none."""
    libs = os.environ.get("QUERN_KAFKA_LIBS") or str(BUILD.parent / "kafka" / "libs")
    if not pathlib.Path(libs).is_dir():
        cannot_run("no Apache Kafka (./test fetches it)")
    if not shutil.which("java"):
        cannot_run("no Java")

    def ready(bootstrap, seconds, process):
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            if probe("ready", bootstrap, 3000)[0] == 0:
                return True
        return False

    broker = kafka.Broker(libs, test.folder / "kafka", ready, extra)
    test.cleanups.callback(broker.stop)
    return broker.start() if started else broker


class Engine:
    """`quern run` on a settings file of the test's."""

    def __init__(self, test, name, brokers, pipelines, kafka_extra="", top=""):
        self.test, self.name = test, name
        self.conf = test.folder / f"{name}.conf"
        self.port_file = test.folder / f"{name}.port"
        self.log = test.folder / f"{name}.log"
        self.process = None
        self.conf.write_text(
            f'{top}\nkafka: {{ brokers = "{brokers}"; {kafka_extra} }};\n'
            'admin: { listen = "127.0.0.1:0"; };\nlog: { level = "info"; format = "logfmt"; };\n'
            + pipelines, encoding="utf-8")
        test.cleanups.callback(self.kill)

    def start(self):
        self.port_file.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(QUERN), "run", "-c", str(self.conf), "--admin-port-file", str(self.port_file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, **engine_env()), preexec_fn=kafka.die_with_parent)
        return self

    def port(self, seconds=20):
        text = wait_until(lambda: self.port_file.exists() and self.port_file.read_text().strip(),
                          seconds)
        return int(text) if text else None

    def get(self, path, timeout=5):
        """(status, text); status 0 when nobody answers."""
        try:
            url = f"http://127.0.0.1:{self.port(5)}{path}"
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, ValueError):
            return 0, ""

    def status(self):
        code, text = self.get("/api/v1/status")
        return json.loads(text) if code == 200 else None

    def ready(self, seconds=60):
        return wait_until(lambda: self.process.poll() is None and self.get("/readyz")[0] == 200,
                          seconds, 0.1)

    def workers(self):
        """Pids of its worker processes, as the kernel knows them."""
        try:
            path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
            return [int(pid) for pid in pathlib.Path(path).read_text().split()]
        except (OSError, ValueError):
            return []

    def kill(self):
        """kill -9."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=60):
        """SIGTERM; its exit code, or None when it did not end in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def events(self, name):
        """How many log lines have this event."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return len(re.findall(rf"(?:^|\s|=){re.escape(name)}(?=\s|$)", text, re.MULTILINE))


class Watch:
    """The sum of a topic's end offsets, followed by one `probe watch`."""

    def __init__(self, test, bootstrap, topic):
        self.value = 0
        self.process = subprocess.Popen([str(TOOLS / "probe"), "watch", bootstrap, topic],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=kafka.die_with_parent)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        test.cleanups.callback(self.stop)

    def _read(self):
        for line in self.process.stdout:
            self.value = int(line)

    def stop(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(20)


def job_text(producer, seq, kind, n=0, pad=""):
    """A body for the chaos plugin, see jobtext.h."""
    rest = f"{producer} {seq} {kind} {n} {pad}"
    return f"{zlib.crc32(rest.encode()):08x} {rest}"


class Embedded:
    """`quern broker` as a process of the test's, with topics {name: partitions}."""

    def __init__(self, test, topics, name="broker"):
        self.address_file = test.folder / f"{name}.address"
        self.log = test.folder / f"{name}.log"
        options = [f"--topic={topic}:{count}" for topic, count in topics.items()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(QUERN), "broker", "--address-file", str(self.address_file), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=kafka.die_with_parent)
        test.cleanups.callback(self.kill)
        self.bootstrap = wait_until(
            lambda: self.address_file.exists() and self.address_file.read_text().strip(), 20)
        if not self.bootstrap:
            raise RuntimeError(f"quern broker does not start: {self.log.read_text()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)


def consume(bootstrap, topic, seconds=20):
    """All records of a topic, by kcat: [{"key", "payload", "headers", "partition", "offset"}]."""
    code, out, err = run("kcat", "-C", "-q", "-e", "-J", "-b", bootstrap, "-t", topic, "-o", "beginning",
                         "-X", "fetch.wait.max.ms=10", timeout=seconds)
    if code:
        raise RuntimeError(f"kcat: {err}")
    records = [json.loads(line) for line in out.splitlines()]
    for record in records:
        flat = record.get("headers") or []
        record["headers"] = dict(zip(flat[::2], flat[1::2]))
    return records

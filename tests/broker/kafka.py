#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Apache Kafka (one KRaft node) on free loopback ports, for tests.

Jars are resolved by Maven from the pom beside this file into a cache folder (`--resolve DIR`); tests
find them by QUERN_KAFKA_LIBS. A broker counts as started when a client gets metadata with a live broker
in it, not when its port is open. Everything is stopped by pid, and dies with the test that started it.
"""
import ctypes
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.partitions=1
{extra}
"""

LOG4J = """\
Configuration:
  status: error
  Appenders:
    File:
      - name: file
        fileName: {log}
        PatternLayout: {{pattern: "%d %p %c %m%n"}}
  Loggers:
    Root: {{level: warn, AppenderRef: {{ref: file}}}}
"""


def die_with_parent():
    """In the child, before exec: SIGKILL when the test that started it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def resolve(cache):
    """Fetches the jars into cache/libs once."""
    cache = pathlib.Path(cache).resolve()
    libs = cache / "libs"
    stamp = cache / "complete"
    pom = (HERE / "pom.xml").read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == pom:
        return libs
    shutil.rmtree(libs, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    command = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies",
               f"-DoutputDirectory={libs}", "-DincludeScope=runtime"]
    for attempt in range(3):
        if subprocess.run(command, check=False).returncode == 0:
            stamp.write_text(pom, encoding="utf-8")
            return libs
        time.sleep(2 * (attempt + 1))
    raise SystemExit("Maven cannot resolve Apache Kafka")


class Broker:
    """One node. `ready` is a function(bootstrap, seconds, process) -> bool that asks for metadata;
    `extra` more properties, or a function(broker) that makes them."""

    def __init__(self, libs, folder, ready, extra=""):
        self.libs, self.ready, self.extra = str(libs), ready, extra
        self.folder = pathlib.Path(folder)
        self.process = None
        self.port = self.controller = 0
        self.choose_ports()

    def choose_ports(self):
        self.port, self.controller = free_ports(2)

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def _java(self, heap, main, *arguments):
        return ["java", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                f"-Dlog4j2.configurationFile={self.folder}/log4j2.yaml", "-cp", self.libs + "/*",
                main, *arguments]

    def _format(self):
        properties = self.folder / "server.properties"
        extra = self.extra(self) if callable(self.extra) else self.extra
        properties.write_text(PROPERTIES.format(port=self.port, controller=self.controller,
                                                data=self.folder / "data", extra=extra),
                              encoding="utf-8")
        if (self.folder / "data").exists():
            return properties
        (self.folder / "log4j2.yaml").write_text(LOG4J.format(log=self.folder / "broker.log"),
                                                 encoding="utf-8")
        cluster = "Q" + secrets.token_urlsafe(16)[1:]  # a leading dash would read as an option
        subprocess.run(self._java("128m", "kafka.tools.StorageTool", "format", "-t", cluster, "-c",
                                  str(properties)), check=True, timeout=120,
                       stdout=subprocess.DEVNULL)
        return properties

    def start(self, seconds=90):
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(3):
            properties = self._format()
            with open(self.folder / "console.log", "ab") as console:
                self.process = subprocess.Popen(
                    self._java("512m", "kafka.Kafka", str(properties)), stdin=subprocess.DEVNULL,
                    stdout=console, stderr=console, preexec_fn=die_with_parent)
            if self.ready(self.bootstrap, seconds, self.process):
                return self
            self.stop()
            shutil.rmtree(self.folder / "data", ignore_errors=True)
            self.choose_ports()  # another process took one of them in between
        raise RuntimeError(f"the broker does not start, see {self.folder}/console.log")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self, seconds=20):
        if not self.process:
            return
        self.resume()
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "--resolve":
        sys.exit("usage: kafka.py --resolve DIR")
    print(resolve(sys.argv[2]))

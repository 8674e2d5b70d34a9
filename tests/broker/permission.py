#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Apache Kafka that asks who is there (SASL/PLAIN) and what he may (ACLs): a user without rights is
told so, with the topic's name and exit code 77; a wrong password is not silent; a user with rights works,
his password comes from a file and stands in no log."""
import harness
from chaos import DEAD, IN, OUT, SETTINGS
from harness import Engine, create_topic, quern, wait_until
from kafka import free_ports

SECRET = "correct-horse-battery-staple"
JAAS = ("org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'user_miller="{SECRET}" user_nobody="nothing";')


def extra(sasl_port):
    """Tests talk to the plain listener, where everybody is a super user; the engine to the other."""
    def lines(broker):
        plain, ask = f"127.0.0.1:{broker.port}", f"127.0.0.1:{sasl_port}"
        return f"""
listeners=PLAINTEXT://{plain},ASK://{ask},CONTROLLER://127.0.0.1:{broker.controller}
advertised.listeners=PLAINTEXT://{plain},ASK://{ask}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,ASK:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.ask.plain.sasl.jaas.config={JAAS}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:miller
allow.everyone.if.no.acl.found=false
"""
    return lines


def properties(user, password):
    return (f'properties = {{ security_protocol = "SASL_PLAINTEXT"; sasl_mechanism = "PLAIN"; '
            f'sasl_username = "{user}"; sasl_password = "{password}"; }};')


def body(test):
    sasl_port = free_ports(1)[0]
    broker = harness.start_kafka(test, extra(sasl_port))
    for topic in (IN, OUT, DEAD):
        create_topic(broker.bootstrap, topic, 1)
    brokers = f"127.0.0.1:{sasl_port}"

    engine = Engine(test, "nobody", brokers, SETTINGS, properties("nobody", "nothing")).start()
    wait_until(lambda: engine.process.poll() is not None, 40)
    text = engine.log.read_text()
    test.ok(engine.process.poll() == 77, "no rights: exit code 77", engine.process.poll())
    test.ok(IN in text and ("permi" in text or "authori" in text), "it says on which topic", text[-600:])

    engine = Engine(test, "wrong", brokers, SETTINGS, properties("miller", "guess")).start()
    test.ok(wait_until(lambda: "uthenticat" in engine.log.read_text() or engine.process.poll(), 30),
            "a wrong password is told of")
    test.ok(engine.process.poll() in (None, 77), "it waits, or ends with 77", engine.process.poll())
    test.ok(engine.process.poll() or engine.get("/readyz")[0] == 503, "and is not ready")
    engine.kill()

    secret = test.folder / "password"
    secret.write_text(SECRET + "\n", encoding="utf-8")
    secret.chmod(0o600)
    engine = Engine(test, "miller", brokers, SETTINGS, properties("miller", f"${{file:{secret}}}")).start()
    if not test.ok(engine.ready(60), "the right password, from a file: ready", engine.get("/readyz")):
        test.show(engine.log)
    shown = quern("config", "show", "-c", engine.conf)
    test.ok(shown[0] == 0 and SECRET not in shown[1] + shown[2], "config show masks it", shown)
    seen = engine.log.read_text() + engine.get("/api/v1/status")[1] + engine.get("/metrics")[1]
    test.ok(engine.stop() == 0, "SIGTERM: exit code 0")
    test.ok(SECRET not in seen + engine.log.read_text(), "it is in no log, status or metric")


if __name__ == "__main__":
    harness.main("permission", body, 300)

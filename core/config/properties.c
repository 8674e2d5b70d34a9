/* SPDX-License-Identifier: Apache-2.0 */
#include "config/properties.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct property_rule allowed[] = {
    {"security.protocol", false},
    {"sasl.mechanism", false},
    {"sasl.mechanisms", false},
    {"sasl.username", false},
    {"sasl.password", true},
    {"sasl.kerberos.service.name", false},
    {"sasl.kerberos.principal", false},
    {"sasl.kerberos.keytab", false},
    {"sasl.oauthbearer.method", false},
    {"sasl.oauthbearer.client.id", false},
    {"sasl.oauthbearer.client.secret", true},
    {"sasl.oauthbearer.scope", false},
    {"sasl.oauthbearer.extensions", false},
    {"sasl.oauthbearer.token.endpoint.url", false},
    {"ssl.ca.location", false},
    {"ssl.ca.pem", false},
    {"ssl.crl.location", false},
    {"ssl.certificate.location", false},
    {"ssl.certificate.pem", false},
    {"ssl.key.location", false},
    {"ssl.key.password", true},
    {"ssl.key.pem", true},
    {"ssl.keystore.location", false},
    {"ssl.keystore.password", true},
    {"ssl.cipher.suites", false},
    {"ssl.curves.list", false},
    {"ssl.sigalgs.list", false},
    {"ssl.endpoint.identification.algorithm", false},
    {"enable.ssl.certificate.verification", false},
    {"broker.address.family", false},
    {"broker.address.ttl", false},
    {"socket.timeout.ms", false},
    {"socket.connection.setup.timeout.ms", false},
    {"socket.keepalive.enable", false},
    {"socket.send.buffer.bytes", false},
    {"socket.receive.buffer.bytes", false},
    {"socket.max.fails", false},
    {"connections.max.idle.ms", false},
    {"reconnect.backoff.ms", false},
    {"reconnect.backoff.max.ms", false},
    {"metadata.max.age.ms", false},
    {"topic.metadata.refresh.interval.ms", false},
    {"message.max.bytes", false},
    {"receive.message.max.bytes", false},
    {"client.rack", false},
    {"group.instance.id", false},
    {"session.timeout.ms", false},
    {"heartbeat.interval.ms", false},
    {"max.poll.interval.ms", false},
    {"fetch.wait.max.ms", false},
    {"fetch.min.bytes", false},
    {"fetch.max.bytes", false},
    {"fetch.message.max.bytes", false},
    {"max.partition.fetch.bytes", false},
    {"queued.max.messages.kbytes", false},
    {"isolation.level", false},
    {"check.crcs", false},
    {"compression.codec", false},
    {"compression.type", false},
    {"compression.level", false},
    {"linger.ms", false},
    {"queue.buffering.max.ms", false},
    {"queue.buffering.max.messages", false},
    {"queue.buffering.max.kbytes", false},
    {"batch.size", false},
    {"batch.num.messages", false},
    {"message.timeout.ms", false},
    {"delivery.timeout.ms", false},
    {"request.timeout.ms", false},
    {"retry.backoff.ms", false},
    {"statistics.interval.ms", false},
    {"debug", false},
};

/* Set by the engine itself, and why nobody else may. */
static const struct {
    const char *name, *why;
} owned[] = {
    {"bootstrap.servers", "write kafka.brokers"},
    {"metadata.broker.list", "write kafka.brokers"},
    {"client.id", "write kafka.client_id"},
    {"group.id", "write the pipeline's group"},
    {"enable.auto.commit", "the engine commits, and only what is settled"},
    {"enable.auto.offset.store", "the engine commits, and only what is settled"},
    {"auto.offset.reset", "write the pipeline's start"},
    {"enable.idempotence", "the engine's producer is always idempotent"},
    {"acks", "the engine always waits for all replicas"},
    {"request.required.acks", "the engine always waits for all replicas"},
    {"partition.assignment.strategy", "the engine chooses it by the library's version"},
    {"enable.partition.eof", "the engine has no use for it"},
    {"queued.min.messages", "the engine bounds the prefetch by queued_max_messages_kbytes"},
    {"plugin.library.paths", "it would load code into the engine"},
    {"ssl.engine.location", "it would load code into the engine"},
    {"ssl.providers", "it would load code into the engine"},
    {"sasl.kerberos.kinit.cmd", "it would run a program"},
};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

const struct property_rule *property_find(const char *name)
{
    for (size_t i = 0; i < COUNT(allowed); i++)
        if (strcmp(allowed[i].name, name) == 0)
            return &allowed[i];
    return NULL;
}

const char *property_refusal(const char *name)
{
    static char text[256];
    const char *names[COUNT(allowed)], *nearest;

    for (size_t i = 0; i < COUNT(owned); i++)
        if (strcmp(owned[i].name, name) == 0) {
            snprintf(text, sizeof text, "is not passed through: %s", owned[i].why);
            return text;
        }
    for (size_t i = 0; i < COUNT(allowed); i++)
        names[i] = allowed[i].name;
    nearest = text_nearest(name, names, COUNT(allowed));
    if (nearest) {
        char with_underscores[64];

        snprintf(with_underscores, sizeof with_underscores, "%s", nearest);
        for (char *c = with_underscores; *c; c++)
            *c = *c == '.' ? '_' : *c;
        snprintf(text, sizeof text, "is not a property that is passed through; did you mean \"%s\"?",
                 with_underscores);
    } else {
        snprintf(text, sizeof text, "is not a property that is passed through");
    }
    return text;
}

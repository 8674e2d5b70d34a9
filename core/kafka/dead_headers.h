/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers of a dead letter.
 *
 * WHY. The pipeline writes them, `quern dlq` and other people's tools read them: their names are a
 * format, kept in one place so that writer and reader cannot drift apart. Those of KIP-1191 are
 * used where they exist, so that tools made for Kafka Streams or Connect understand our dead
 * letters too.
 *
 * All values are UTF-8 text, numbers in decimal, times in Unix milliseconds. A header whose value
 * is not known is left out, never empty. `origin`: written once, for the first death of the record,
 * and kept over later ones; the others describe the last one.
 */
#ifndef QUERN_KAFKA_DEAD_HEADERS_H
#define QUERN_KAFKA_DEAD_HEADERS_H

/* X(symbol, name, origin) */
#define DEAD_HEADERS(X)                                                                            \
    X(TOPIC, "__dlq.errors.topic", 1)                                                              \
    X(PARTITION, "__dlq.errors.partition", 1)                                                      \
    X(OFFSET, "__dlq.errors.offset", 1)                                                            \
    X(GROUP, "__dlq.errors.group", 1)                                                              \
    X(DELIVERY_COUNT, "__dlq.errors.delivery.count", 0)                                            \
    X(MESSAGE, "__dlq.errors.message", 0)                                                          \
    X(ID, "quern-id", 1)                                                                           \
    X(CAUSE, "quern-cause", 0)                                                                     \
    X(CODE, "quern-code", 0)                                                                       \
    X(DETAIL, "quern-detail", 0)                                                                   \
    X(PIPELINE, "quern-pipeline", 0)                                                               \
    X(PLUGIN, "quern-plugin", 0)                                                                   \
    X(PLUGIN_VERSION, "quern-plugin-version", 0)                                                   \
    X(PLUGIN_BUILD, "quern-plugin-build", 0)                                                       \
    X(HOST, "quern-host", 0)                                                                       \
    X(ATTEMPTS, "quern-attempts", 0)                                                               \
    X(CRASHES, "quern-crashes", 0)                                                                 \
    X(TIMEOUTS, "quern-timeouts", 0)                                                               \
    X(FIRST_FAILURE, "quern-first-failure", 0)                                                     \
    X(LAST_FAILURE, "quern-last-failure", 0)                                                       \
    X(SIGNAL, "quern-signal", 0)                                                                   \
    X(BACKTRACE, "quern-backtrace", 0)                                                             \
    X(REDRIVE_COUNT, "quern-redrive-count", 0)

enum dead_header {
#define X(symbol, name, origin) DEAD_HEADER_##symbol,
    DEAD_HEADERS(X)
#undef X
        DEAD_HEADER_COUNT
};

/* Indexed by enum dead_header. */
extern const char *const dead_header_names[DEAD_HEADER_COUNT];
/* Nonzero: an origin header, written once. */
extern const unsigned char dead_header_is_origin[DEAD_HEADER_COUNT];

#endif

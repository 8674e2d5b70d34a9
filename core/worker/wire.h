/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs and results as bytes in a ring.
 *
 * Job, core to worker: struct wire_job, key, value, headers ({name_len, value_len}, name with its zero,
 * value). The worker trusts the core. A job larger than a quarter of the ring is WIRE_JOB_FD: the same
 * bytes, but all behind struct wire_job in a sealed memfd that comes over the socket.
 *
 * Result, worker to core: struct wire_result, code, text, emits ({alias, header_count, key_len,
 * value_len}, key, value, headers). The core trusts nothing of it: result_decode() works on a private
 * copy, checks each length against what is left, and text for being text.
 *
 * Lengths of WIRE_ABSENT say that there is no value at all (a null in Kafka).
 */
#ifndef QUERN_WORKER_WIRE_H
#define QUERN_WORKER_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "worker/pool.h"

#define WIRE_ABSENT UINT32_MAX
#define WIRE_CODE_MAX 64
#define WIRE_TEXT_MAX 4096
#define WIRE_EMITS_MAX 4096
#define WIRE_HEADERS_MAX 128

enum wire_kind { /* of a record in a ring; 0 is RING_SKIP */
    WIRE_JOB = 1,
    WIRE_JOB_FD,
    WIRE_STOP, /* finish, close, exit */
    WIRE_READY,
    WIRE_RESULT,
    WIRE_RESULT_FD,
    WIRE_METRIC,      /* struct wire_metric, name, help */
    WIRE_METRIC_VALUE /* struct wire_metric_value */
};

struct wire_job {
    uint32_t serial;
    uint32_t attempt;
    int64_t offset;
    int64_t timestamp_ms;
    int32_t partition;
    uint16_t topic;
    uint16_t header_count;
    uint32_t key_len, value_len;
    uint64_t body_len; /* of all that follows */
};

struct wire_result {
    uint32_t serial;
    int32_t result;
    int64_t retry_after_ms;
    int64_t run_ns;
    uint16_t code_len, text_len;
    uint32_t emit_count;
    uint64_t body_len; /* of all that follows */
};

struct wire_emit {
    uint16_t alias, header_count;
    uint32_t key_len, value_len;
};

struct wire_header {
    uint32_t name_len, value_len; /* the name's zero byte follows it and is not counted */
};

struct wire_metric {
    uint32_t id; /* from 1 */
    int32_t kind;
    uint32_t name_len, help_len;
};

struct wire_metric_value {
    uint32_t id;
    uint32_t count; /* observations, for a histogram: all of `value` */
    double value;   /* counter: to add; gauge: what it is now; histogram: one observation */
};

/* Bytes of the body of this job. */
size_t wire_job_body(const struct worker_job *wj);
/* Writes head and body. `body` has wire_job_body() bytes. */
void wire_job_encode(const struct worker_job *wj, uint32_t serial, size_t body_len,
                     struct wire_job *head, void *body);

/* Reads a result into views of `body`, a private copy of head->body_len bytes. Arrays come from `arena`.
 * alias_count: how many there are. 0; -EPROTO: nonsense; -ENOMEM. */
__attribute__((warn_unused_result)) int result_decode(const struct wire_result *head,
                                                      const char *body, size_t alias_count,
                                                      struct arena *arena,
                                                      struct worker_result *ret);

#endif

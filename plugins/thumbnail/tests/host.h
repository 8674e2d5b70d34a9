/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host: an engine of fifty lines for the tests of this folder: it gives a job to the plugin and
 * keeps what the plugin answered. It exists beside the SDK's testkit because the parts below
 * thumbnail.c are tested one by one, and some with a job that is called back at a chosen moment.
 */
#ifndef THUMBNAIL_TEST_HOST_H
#define THUMBNAIL_TEST_HOST_H

#include <quern/plugin.h>

struct test_job {
    struct quern_job job; /* first: the plugin's pointer is this struct's */
    int64_t remaining_ms;
    int cancel_after; /* cancelled from the n-th question on; -1: never */
    int64_t retry_after_ms;
    int emit_error; /* what quern_emit answers */
    char code[65];
    char text[4096];
    char *emitted; /* the last value, ends in a zero byte; NULL: none */
    char emitted_key[64];
};

extern const struct quern_host test_host;
extern char test_open_error[1024]; /* of the last quern_open_error() */
extern double test_metrics[65];    /* sum of what was recorded, by metric */
extern char test_metric_names[65][64];

void test_job_init(struct test_job *job, const char *key, const void *value, size_t len);
void test_job_done(struct test_job *job);

#endif

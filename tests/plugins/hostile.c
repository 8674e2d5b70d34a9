/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin that does what the body of its job says, and most of that no plugin should do. The first word
 * is the deed, the second, where there is one, a number.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <quern/plugin.h>

#include "worker/channel.h"
#include "worker/wire.h"

/* The channel of this process, as anybody in it can find it. */
static struct control *find_channel(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    struct control *control = NULL;
    char line[512];

    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "quern-channel"))
            control = (struct control *)strtoull(line, NULL, 16);
    if (maps)
        fclose(maps);
    return control;
}

static volatile char sink;

__attribute__((noinline)) static int overflow(int depth)
{
    volatile char frame[4096];

    frame[0] = (char)depth;
    sink = frame[0];
    if (depth < 0)
        return 0; /* so that no compiler sees through it */
    return overflow(depth + 1) + frame[0];
}

static void spin(void)
{
    for (;;)
        sink++;
}

/* Writes a second answer for this job into the ring, under the host's feet. */
static void answer_twice(void)
{
    struct control *c = find_channel();
    char *results = (char *)c + CHANNEL_CONTROL_BYTES + c->ring_bytes;
    uint64_t head = atomic_load(&c->results.head);
    struct {
        uint32_t len, kind;
        struct wire_result result;
    } record = {sizeof(struct wire_result), WIRE_RESULT, {.serial = atomic_load(&c->current)}};

    for (int i = 0; i < 2; i++) {
        memcpy(results + (head & (c->ring_bytes - 1)), &record, sizeof record);
        head += sizeof record;
    }
    atomic_store(&c->results.head, head);
}

static void scribble(void)
{
    struct control *c = find_channel();

    memset((char *)c + CHANNEL_CONTROL_BYTES + c->ring_bytes, 0xee, c->ring_bytes);
    atomic_store(&c->results.head, UINT64_C(0x1122334455667788));
    atomic_store(&c->current, 0xdeadbeef);
}

static int32_t flood(struct quern_job *job, long lines)
{
    (void)job;
    for (long i = 0; i < lines; i++)
        fprintf(stderr, "line %ld of too many\n", i);
    return QUERN_OK;
}

static int32_t emit_bytes(struct quern_job *job, size_t bytes)
{
    char *data = malloc(bytes);
    struct quern_bytes value = {data, bytes};
    int32_t err;

    memset(data, 'e', bytes);
    err = quern_emit(job, "out", quern_text("key"), value);
    free(data);
    return err ? quern_reject(job, "emit", "%d", (int)err) : QUERN_OK;
}

/* Each attempt to get out must fail; the first that does not is named. */
static int32_t escape(struct quern_job *job)
{
    char *argv[] = {(char *)"/bin/true", NULL};

    if (socket(AF_INET, SOCK_STREAM, 0) >= 0)
        return quern_reject(job, "escaped", "socket");
    if (open("/root/.bashrc", O_RDONLY) >= 0 || open("/home", O_RDONLY | O_DIRECTORY) >= 0)
        return quern_reject(job, "escaped", "read");
    if (open("/tmp/quern-escaped", O_CREAT | O_WRONLY, 0600) >= 0)
        return quern_reject(job, "escaped", "write");
    if (kill(getppid(), 0) == 0)
        return quern_reject(job, "escaped", "kill");
    if (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0)
        return quern_reject(job, "escaped", "ptrace");
    execv(argv[0], argv); /* does not come back when it succeeds: the job would be a crash */
    return QUERN_OK;
}

static int32_t wait_ms(struct quern_job *job, long ms, int polite)
{
    for (long waited = 0; waited < ms; waited++) {
        struct timespec ts = {0, 1000000};

        nanosleep(&ts, NULL);
        if (polite && quern_job_cancelled(job))
            return quern_retry(job, "cancelled", "asked to stop after %ld ms", waited);
    }
    return QUERN_OK;
}

static int32_t hostile_handle(void *self, struct quern_job *job)
{
    struct quern_bytes body = quern_job_value(job);
    char deed[16] = "";
    long n = 0;
    char text[64];

    (void)self;
    snprintf(text, sizeof text, "%.*s", (int)(body.len < 60 ? body.len : 60), (const char *)body.data);
    sscanf(text, "%15s %ld", deed, &n);
#define DEED(name) if (strcmp(deed, name) == 0)
    DEED("ok") return QUERN_OK;
    DEED("reject") return quern_reject(job, "bad", "the job is %s", "bad");
    DEED("retry") return quern_retry(job, "later", "not now");
    DEED("answer") return (int32_t)n;
    DEED("crash") *(volatile int *)(uintptr_t)n = 1;
    DEED("abort") abort();
    DEED("exit") _exit((int)n);
    DEED("spin") spin();
    DEED("stack") return overflow(0);
    DEED("alloc") return malloc((size_t)n << 30) ? QUERN_OK : quern_retry(job, "no_memory", "malloc");
    DEED("flood") return flood(job, n);
    DEED("emit") return emit_bytes(job, (size_t)n);
    DEED("length") return quern_reject(job, "length", "%zu", body.len);
    DEED("double") answer_twice();
    DEED("garbage") { scribble(); spin(); }
    DEED("escape") return escape(job);
    DEED("sleep") return wait_ms(job, n, 0);
    DEED("polite") return wait_ms(job, n, 1);
    return QUERN_OK;
}

QUERN_PLUGIN(hostile, "1.0", "Does what its job says, for tests.", .handle = hostile_handle);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The independent checker of the delivery test.
 *
 * WHY. What the engine says of itself proves nothing. This program is not linked to it and shares no
 * code with it: it reads the input, output and dead-letter topics and the group's committed offsets from
 * the broker, and works out from each job's body how that job must have ended.
 *
 *     check BROKERS GROUP IN OUT DEAD ATTEMPTS MAX_CRASHES [KILLS-FILE] [SLACK]
 *
 * It fails, naming the first few offenders, unless
 *   complete   the input itself has each producer's numbers without a gap
 *   committed  the committed offset of each partition is its end
 *   lost       each job has all its outputs, or is in the dead letters: whichever its kind asks for
 *   forged     each output and each dead letter has an input, with the same checksum
 *   innocent   no job is in the dead letters that should have ended well, and the reverse
 *   intact     key, value and headers of a dead letter are those of its origin, byte for byte
 *   headers    cause, code, counts and the whole header set of a dead letter are right
 *   twice      each effect is there at most once, plus once for each kill (KILLS-FILE) before which it
 *              stood there without its job being committed; plus, in all, SLACK (rebalances)
 *
 * KILLS-FILE has, for each kill -9 (and SIGTERM) of the engine, what the broker held just after it:
 * "N committed TOPIC P OFFSET" and "N end TOPIC P OFFSET" lines, N from 0.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobtext.h"
#include "topic_log.h"

#define KILLS_MAX 16
#define PARTITIONS_MAX 64
#define PRODUCERS_MAX 16
#define EMITS_MAX 8
#define SHOWN_MAX 5

enum rule { COMPLETE, COMMITTED, LOST, FORGED, INNOCENT, INTACT, HEADERS, TWICE, RULES };
static const char *const rule_names[RULES] = {"complete", "committed", "lost",    "forged",
                                              "innocent", "intact",    "headers", "twice"};
static long broken[RULES];

struct fate { /* of one input record */
    struct job_text job;
    unsigned outputs[EMITS_MAX];
    unsigned dead;
    unsigned before[EMITS_MAX]; /* kills at which that output stood while the job was uncommitted */
    unsigned dead_before;
};

struct kill {
    int64_t committed[PARTITIONS_MAX];
    int64_t out_end[PARTITIONS_MAX], dead_end[PARTITIONS_MAX];
};

static struct check {
    const char *group, *in_name, *out_name, *dead_name;
    int attempts, max_crashes;
    struct topic_log *in, *out, *dead;
    struct fate **fates; /* [partition][index in its log] */
    struct kill kills[KILLS_MAX];
    int kill_count;
    long bound, twice, slack;
    long ends[JOB_KIND_COUNT];
} ck;

__attribute__((format(printf, 2, 3))) static void breaks(enum rule rule, const char *format, ...)
{
    va_list args;

    if (broken[rule]++ >= SHOWN_MAX)
        return;
    printf("  %s: ", rule_names[rule]);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static bool dies(enum job_kind kind)
{
    return kind == JOB_REJECT || kind == JOB_EXHAUST || kind == JOB_CRASH || kind == JOB_HANG;
}

static struct fate *fate_at(int partition, int64_t offset)
{
    const struct partition_log *part;
    const rd_kafka_message_t *msg = topic_log_at(ck.in, partition, offset);
    size_t low = 0, high;

    if (!msg)
        return NULL;
    part = &ck.in->parts[partition];
    for (high = part->count; low < high;) {
        size_t middle = (low + high) / 2;

        if (part->records[middle]->offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return &ck.fates[partition][low];
}

static void read_kills(const char *path)
{
    FILE *f = fopen(path, "re");
    char what[16], topic[256];
    long long offset;
    int n, p;

    if (!f) {
        perror(path);
        exit(2);
    }
    while (fscanf(f, "%d %15s %255s %d %lld", &n, what, topic, &p, &offset) == 5) {
        if (n < 0 || n >= KILLS_MAX || p < 0 || p >= PARTITIONS_MAX)
            continue;
        if (n >= ck.kill_count)
            ck.kill_count = n + 1;
        if (strcmp(what, "committed") == 0 && strcmp(topic, ck.in_name) == 0)
            ck.kills[n].committed[p] = offset < 0 ? 0 : offset;
        else if (strcmp(what, "end") == 0 && strcmp(topic, ck.out_name) == 0)
            ck.kills[n].out_end[p] = offset;
        else if (strcmp(what, "end") == 0 && strcmp(topic, ck.dead_name) == 0)
            ck.kills[n].dead_end[p] = offset;
    }
    fclose(f);
}

static int compare_seq(const void *a, const void *b)
{
    unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

    return x < y ? -1 : x > y;
}

/* Each producer's numbers: 0, 1, 2 ... with none missing and none twice. */
static void check_complete(void)
{
    unsigned long *seqs[PRODUCERS_MAX] = {NULL};
    size_t counts[PRODUCERS_MAX] = {0};

    for (int producer = 0; producer < PRODUCERS_MAX; producer++)
        seqs[producer] = calloc(ck.in->count + 1, sizeof(unsigned long));
    for (int p = 0; p < ck.in->partitions; p++)
        for (size_t i = 0; i < ck.in->parts[p].count; i++) {
            const struct job_text *job = &ck.fates[p][i].job;

            if (job->producer < PRODUCERS_MAX)
                seqs[job->producer][counts[job->producer]++] = job->seq;
        }
    for (int producer = 0; producer < PRODUCERS_MAX; producer++) {
        qsort(seqs[producer], counts[producer], sizeof(unsigned long), compare_seq);
        for (size_t i = 0; i < counts[producer]; i++)
            if (seqs[producer][i] != i) {
                breaks(COMPLETE, "producer %d has no job %zu", producer, i);
                break;
            }
        free(seqs[producer]);
    }
}

static void read_input(void)
{
    ck.fates = calloc((size_t)ck.in->partitions, sizeof *ck.fates);
    for (int p = 0; p < ck.in->partitions; p++) {
        const struct partition_log *part = &ck.in->parts[p];

        ck.fates[p] = calloc(part->count + 1, sizeof **ck.fates);
        for (size_t i = 0; i < part->count; i++) {
            const rd_kafka_message_t *msg = part->records[i];

            if (!job_text_parse(msg->payload, msg->len, &ck.fates[p][i].job))
                breaks(COMPLETE, "input %d/%" PRId64 " is damaged", p, msg->offset);
        }
    }
    check_complete();
}

/* At how many kills did this effect of input p/offset stand, with the job not committed? */
static unsigned kills_between(bool dead, const rd_kafka_message_t *effect, int p, int64_t offset)
{
    unsigned count = 0;

    for (int k = 0; k < ck.kill_count; k++) {
        const int64_t *ends = dead ? ck.kills[k].dead_end : ck.kills[k].out_end;

        if (offset >= ck.kills[k].committed[p] && effect->partition < PARTITIONS_MAX &&
            effect->offset < ends[effect->partition])
            count++;
    }
    return count;
}

static void read_output(const rd_kafka_message_t *msg)
{
    unsigned crc, producer, index;
    unsigned long seq;
    char text[192];
    long long offset;
    struct fate *fate;
    unsigned kills;
    int partition;
    size_t len = msg->len < sizeof text - 1 ? msg->len : sizeof text - 1;

    memcpy(text, msg->payload ? msg->payload : "", len);
    text[len] = 0;
    if (sscanf(text, "%8x %u %lu %u %d %lld", &crc, &producer, &seq, &index, &partition, &offset) != 6) {
        breaks(FORGED, "output %d/%" PRId64 " is not one of the plugin's", msg->partition, msg->offset);
        return;
    }
    fate = fate_at(partition, offset);
    if (!fate || fate->job.crc != crc || fate->job.producer != producer || fate->job.seq != seq ||
        index >= EMITS_MAX) {
        breaks(FORGED, "output %d/%" PRId64 " names no input", msg->partition, msg->offset);
        return;
    }
    fate->outputs[index]++;
    kills = kills_between(false, msg, partition, offset);
    if (kills > fate->before[index])
        fate->before[index] = kills;
}

static const char *header(const rd_kafka_message_t *msg, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;

    if (rd_kafka_message_headers(msg, &headers) ||
        rd_kafka_header_get_last(headers, name, &value, &size))
        return NULL;
    return value;
}

static long header_number(const rd_kafka_message_t *msg, const char *name)
{
    const char *text = header(msg, name);

    return text ? strtol(text, NULL, 10) : -1;
}

static bool is_added(const char *name)
{
    return strncmp(name, "quern-", 6) == 0 || strncmp(name, "__dlq.", 6) == 0;
}

static bool same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && !a == !b && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* The origin's headers, in their order, are what is left without the added ones. */
static bool same_headers(const rd_kafka_message_t *origin, const rd_kafka_message_t *letter)
{
    rd_kafka_headers_t *theirs = NULL, *ours = NULL;
    const char *name, *our_name;
    const void *value, *our_value;
    size_t size, our_size, i = 0, j = 0;

    rd_kafka_message_headers(origin, &theirs);
    if (rd_kafka_message_headers(letter, &ours))
        return false;
    for (; !rd_kafka_header_get_all(ours, j, &our_name, &our_value, &our_size); j++) {
        if (is_added(our_name))
            continue;
        if (!theirs || rd_kafka_header_get_all(theirs, i++, &name, &value, &size) ||
            strcmp(name, our_name) != 0 || !same_bytes(value, size, our_value, our_size))
            return false;
    }
    return !theirs || rd_kafka_header_get_all(theirs, i, &name, &value, &size) != 0;
}

static void check_intact(const rd_kafka_message_t *origin, const rd_kafka_message_t *letter)
{
    if (!same_bytes(origin->key, origin->key_len, letter->key, letter->key_len))
        breaks(INTACT, "key of dead letter %d/%" PRId64, letter->partition, letter->offset);
    if (!same_bytes(origin->payload, origin->len, letter->payload, letter->len))
        breaks(INTACT, "value of dead letter %d/%" PRId64, letter->partition, letter->offset);
    if (!same_headers(origin, letter))
        breaks(INTACT, "headers of dead letter %d/%" PRId64, letter->partition, letter->offset);
}

static void expect_text(const rd_kafka_message_t *letter, const char *name, const char *want)
{
    const char *is = header(letter, name);

    if (!is || strcmp(is, want) != 0)
        breaks(HEADERS, "%s of dead letter %d/%" PRId64 " is %s, not %s", name, letter->partition,
               letter->offset, is ? is : "missing", want);
}

static void expect_number(const rd_kafka_message_t *letter, const char *name, long low, long high)
{
    long is = header_number(letter, name);

    if (is < low || is > high)
        breaks(HEADERS, "%s of dead letter %d/%" PRId64 " is %ld, not %ld..%ld", name,
               letter->partition, letter->offset, is, low, high);
}

static void check_cause(const rd_kafka_message_t *letter, const struct fate *fate)
{
    switch (fate->job.kind) {
    case JOB_REJECT:
        expect_text(letter, "quern-cause", "rejected");
        expect_text(letter, "quern-code", "chaos_reject");
        break;
    case JOB_EXHAUST:
        expect_text(letter, "quern-cause", "exhausted");
        expect_text(letter, "quern-code", "chaos_exhaust");
        expect_number(letter, "quern-attempts", ck.attempts, ck.attempts);
        break;
    case JOB_CRASH:
        expect_text(letter, "quern-cause", "crash");
        expect_number(letter, "quern-crashes", ck.max_crashes, ck.max_crashes);
        if (!header(letter, "quern-signal"))
            breaks(HEADERS, "a crash without quern-signal");
        if (!header(letter, "quern-backtrace"))
            breaks(HEADERS, "a crash without quern-backtrace");
        break;
    case JOB_HANG:
        expect_text(letter, "quern-cause", "timeout");
        expect_number(letter, "quern-timeouts", 1, ck.max_crashes);
        break;
    case JOB_OK:
    case JOB_EMIT:
    case JOB_RETRY:
    case JOB_DEFER:
    case JOB_SLEEP:
    case JOB_SKIP:
    case JOB_CRASH_ONCE:
    case JOB_KIND_COUNT:
        break;
    }
}

static void check_headers(const rd_kafka_message_t *letter, const struct fate *fate, int64_t offset)
{
    static const char *const always[] = {
        "__dlq.errors.topic",  "__dlq.errors.partition", "__dlq.errors.offset",
        "__dlq.errors.group",  "__dlq.errors.delivery.count", "__dlq.errors.message",
        "quern-id",            "quern-cause",            "quern-code",
        "quern-pipeline",      "quern-plugin",           "quern-plugin-version",
        "quern-host",          "quern-attempts",         "quern-first-failure",
        "quern-last-failure",
    };
    char id[320];

    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (!header(letter, always[i]))
            breaks(HEADERS, "dead letter %d/%" PRId64 " has no %s", letter->partition,
                   letter->offset, always[i]);
    snprintf(id, sizeof id, "%s/%ld/%" PRId64, ck.in_name,
             header_number(letter, "__dlq.errors.partition"), offset);
    expect_text(letter, "quern-id", id);
    expect_text(letter, "__dlq.errors.topic", ck.in_name);
    expect_text(letter, "__dlq.errors.group", ck.group);
    expect_text(letter, "quern-plugin", "chaos");
    expect_text(letter, "quern-plugin-version", "1.2.3");
    check_cause(letter, fate);
}

static void read_dead(const rd_kafka_message_t *letter)
{
    int partition = (int)header_number(letter, "__dlq.errors.partition");
    int64_t offset = header_number(letter, "__dlq.errors.offset");
    struct fate *fate = fate_at(partition, offset);
    unsigned kills;

    if (!fate) {
        breaks(FORGED, "dead letter %d/%" PRId64 " names no input", letter->partition,
               letter->offset);
        return;
    }
    fate->dead++;
    kills = kills_between(true, letter, partition, offset);
    if (kills > fate->dead_before)
        fate->dead_before = kills;
    if (!dies(fate->job.kind)) {
        const char *message = header(letter, "__dlq.errors.message");

        breaks(INNOCENT, "%s/%d/%" PRId64 " (%s) is in the dead letters: %s", ck.in_name, partition,
               offset, job_kind_names[fate->job.kind], message ? message : "");
        return;
    }
    check_intact(topic_log_at(ck.in, partition, offset), letter);
    check_headers(letter, fate, offset);
}

static void check_twice(const char *what, unsigned is, unsigned kills, int p, int64_t offset)
{
    if (is > 1)
        ck.twice += is - 1;
    ck.bound += kills;
    if (is > 1 + kills && ck.slack == 0)
        breaks(TWICE, "%s of input %d/%" PRId64 " is there %u times; %u kills can have caused it",
               what, p, offset, is, kills);
}

static void check_fate(const struct fate *fate, int p, int64_t offset)
{
    const char *kind = job_kind_names[fate->job.kind];
    unsigned want = fate->job.kind == JOB_EMIT ? fate->job.n : 1;

    if (dies(fate->job.kind)) {
        if (fate->dead == 0)
            breaks(LOST, "input %d/%" PRId64 " (%s) is not in the dead letters", p, offset, kind);
        check_twice("the dead letter", fate->dead, fate->dead_before, p, offset);
        want = 0;
    }
    for (unsigned i = 0; i < EMITS_MAX; i++) {
        if (i < want && fate->outputs[i] == 0)
            breaks(LOST, "input %d/%" PRId64 " (%s) has no output %u", p, offset, kind, i);
        if (i >= want && fate->outputs[i] > 0)
            breaks(FORGED, "input %d/%" PRId64 " (%s) has an output %u", p, offset, kind, i);
        if (i < want)
            check_twice("an output", fate->outputs[i], fate->before[i], p, offset);
    }
    ck.ends[fate->job.kind]++;
}

static void check_committed(rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(ck.in->partitions);

    for (int p = 0; p < ck.in->partitions; p++)
        rd_kafka_topic_partition_list_add(list, ck.in_name, p);
    if (rd_kafka_committed(rk, list, 15000))
        breaks(COMMITTED, "cannot be read");
    for (int p = 0; p < ck.in->partitions; p++)
        if (list->elems[p].offset != ck.in->parts[p].high)
            breaks(COMMITTED, "partition %d: %" PRId64 ", its end is %" PRId64, p,
                   list->elems[p].offset, ck.in->parts[p].high);
    rd_kafka_topic_partition_list_destroy(list);
}

static void check_all(void)
{
    for (int p = 0; p < ck.out->partitions; p++)
        for (size_t i = 0; i < ck.out->parts[p].count; i++)
            read_output(ck.out->parts[p].records[i]);
    for (int p = 0; p < ck.dead->partitions; p++)
        for (size_t i = 0; i < ck.dead->parts[p].count; i++)
            read_dead(ck.dead->parts[p].records[i]);
    for (int p = 0; p < ck.in->partitions; p++)
        for (size_t i = 0; i < ck.in->parts[p].count; i++)
            check_fate(&ck.fates[p][i], p, ck.in->parts[p].records[i]->offset);
    if (ck.twice > ck.bound + ck.slack)
        breaks(TWICE, "%ld effects twice, %ld can be explained", ck.twice, ck.bound + ck.slack);
}

static int report(void)
{
    int code = 0;

    printf("%zu inputs, %zu outputs, %zu dead letters, the engine ended %d times\n", ck.in->count,
           ck.out->count, ck.dead->count, ck.kill_count);
    for (int kind = 0; kind < JOB_KIND_COUNT; kind++)
        printf("  %-8s %ld%s\n", job_kind_names[kind], ck.ends[kind],
               dies((enum job_kind)kind) ? " (dead letters)" : "");
    printf("duplicates: %ld; bound (effects that stood uncommitted when the engine ended): %ld", ck.twice,
           ck.bound);
    if (ck.slack)
        printf(" + %ld for rebalances", ck.slack);
    putchar('\n');
    for (int rule = 0; rule < RULES; rule++) {
        printf("  %-10s %s", rule_names[rule], broken[rule] ? "BROKEN" : "holds");
        if (broken[rule])
            printf(" (%ld times)", broken[rule]);
        putchar('\n');
        code |= broken[rule] != 0;
    }
    return code;
}

int main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char error[256];
    rd_kafka_t *rk;

    if (argc < 8) {
        fprintf(stderr, "usage: check BROKERS GROUP IN OUT DEAD ATTEMPTS MAX_CRASHES [KILLS] [SLACK]\n");
        return 64;
    }
    ck.group = argv[2];
    ck.in_name = argv[3];
    ck.out_name = argv[4];
    ck.dead_name = argv[5];
    ck.attempts = atoi(argv[6]);
    ck.max_crashes = atoi(argv[7]);
    if (argc > 8 && strcmp(argv[8], "-") != 0)
        read_kills(argv[8]);
    if (argc > 9)
        ck.slack = atol(argv[9]);

    rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], NULL, 0);
    rd_kafka_conf_set(conf, "group.id", ck.group, NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    rd_kafka_conf_set(conf, "fetch.wait.max.ms", "50", NULL, 0);
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (!rk) {
        fprintf(stderr, "check: %s\n", error);
        return 2;
    }
    rd_kafka_poll_set_consumer(rk);
    ck.in = topic_log_read(rk, ck.in_name);
    ck.out = topic_log_read(rk, ck.out_name);
    ck.dead = topic_log_read(rk, ck.dead_name);
    read_input();
    check_committed(rk);
    check_all();
    return report();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See rig.h.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"

#define SEEN_MAX 100000

static void *on_assigned(void *data, uint16_t topic, int32_t partition, int64_t offset)
{
    struct rig_owner *owner = data;
    struct rig_part *part = xcalloc(1, sizeof *part);

    assert_int_equal(topic, 0);
    assert_in_range(partition, 0, RIG_PARTS - 1);
    assert_null(owner->parts[partition]);
    part->owner = owner;
    part->live = true;
    part->partition = partition;
    part->start = part->next = offset;
    part->settled = -1;
    owner->parts[partition] = part;
    owner->assigned++;
    return part;
}

static size_t on_room(void *data, void *arg)
{
    struct rig_owner *owner = data;
    struct rig_part *part = arg;

    assert_true(part->live);
    return owner->bounded ? owner->room : 10000;
}

static void on_records(void *data, void *arg, rd_kafka_message_t **recs, size_t count)
{
    struct rig_owner *owner = data;
    struct rig_part *part = arg;

    assert_true(part->live);
    owner->late += part->revoking;
    if (owner->bounded) {
        owner->over_room += count > owner->room;
        owner->room -= count < owner->room ? count : owner->room;
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(recs[i]->err, 0);
        assert_int_equal(recs[i]->partition, part->partition);
        owner->bad_order += part->next >= 0 && recs[i]->offset != part->next;
        part->next = recs[i]->offset + 1;
        if (!owner->seen[part->partition])
            owner->seen[part->partition] = xcalloc(SEEN_MAX, 1);
        owner->seen[part->partition][recs[i]->offset]++;
        rd_kafka_message_destroy(recs[i]);
    }
    owner->records += count;
    if (!owner->hold)
        part->settled = part->next;
}

static void on_batch_done(void *data)
{
    ((struct rig_owner *)data)->batches++;
}

static int64_t on_commit_point(void *data, void *arg)
{
    struct rig_part *part = arg;

    (void)data;
    assert_true(part->live);
    return part->settled;
}

static void on_revoking(void *data, void *arg)
{
    struct rig_part *part = arg;

    assert_false(part->revoking);
    part->revoking = true;
    ((struct rig_owner *)data)->revoking++;
}

static bool on_drained(void *data, void *arg)
{
    struct rig_owner *owner = data;

    (void)arg;
    owner->drained_asked++;
    return !owner->undrained;
}

static void on_revoked(void *data, void *arg, bool lost)
{
    struct rig_owner *owner = data;
    struct rig_part *part = arg;

    assert_true(part->live && part->revoking);
    owner->parts[part->partition] = NULL;
    owner->revoked++;
    owner->lost += lost;
    part->live = false;
    free(part);
}

const struct consumer_ops rig_ops = {
    .assigned = on_assigned,
    .room = on_room,
    .records = on_records,
    .batch_done = on_batch_done,
    .commit_point = on_commit_point,
    .revoking = on_revoking,
    .drained = on_drained,
    .revoked = on_revoked,
};

static char *text(const char *value)
{
    return (char *)(uintptr_t)value;
}

void rig_init(struct rig *rig, bool with_broker)
{
    static char name[] = "session.timeout.ms", value[] = "4000";
    static struct property session = {.name = name, .value = value};
    char error[256] = "";

    log_setup(getenv("QUERN_TEST_LOG") ? LOG_DEBUG : LOG_ERROR, LOG_TEXT, 2);
    memset(rig, 0, sizeof *rig);
    rig->base = event_base_new();
    assert_non_null(rig->base);
    rig->settings.commit_interval_ms = 200;
    rig->settings.kafka = (struct settings_kafka){
        .brokers = text("127.0.0.1:1"),
        .client_id = text("test"),
        .properties = &session,
        .property_count = 1,
        .create_topics = true,
        .create_partitions = 1,
        .create_replication = 1,
        .embedded = true,
    };
    if (with_broker) {
        rig->broker = broker_new(error, sizeof error);
        if (!rig->broker)
            fail_msg("%s", error);
        rig->settings.kafka.brokers = text(broker_address(rig->broker));
    }
    rig->pl.name = text("test");
    rig->pl.topics = rig->topics;
    rig->pl.topic_count = 1;
    rig->topics[0] = text("none");
    rig->pl.group = text("group-none");
    rig->pl.start = START_EARLIEST;
}

void rig_done(struct rig *rig)
{
    event_base_free(rig->base);
    broker_free(rig->broker);
}

void rig_topic(struct rig *rig, const char *name, int32_t partitions)
{
    assert_int_equal(broker_topic(rig->broker, name, partitions), 0);
    rig->topics[0] = text(name);
    rig->pl.group = text(name);
}

bool rig_until(struct rig *rig, bool (*check)(void *data), void *data, int timeout_ms)
{
    int64_t end = clock_now_ns() + timeout_ms * NS_PER_MS;
    struct timeval slice = {.tv_usec = 50000};

    while (!check(data)) {
        if (clock_now_ns() > end)
            return false;
        event_base_loopexit(rig->base, &slice);
        event_base_loop(rig->base, EVLOOP_ONCE);
    }
    return true;
}

static bool never(void *data)
{
    (void)data;
    return false;
}

void rig_run_ms(struct rig *rig, int ms)
{
    rig_until(rig, never, NULL, ms);
}

static void on_produced(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
    (void)rk;
    (void)opaque;
    assert_int_equal(msg->err, 0);
}

void rig_produce(struct rig *rig, int32_t partition, int count)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char error[256];
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "bootstrap.servers", rig->settings.kafka.brokers, NULL, 0);
    rd_kafka_conf_set_dr_msg_cb(conf, on_produced);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    assert_non_null(rk);
    for (int i = 0; i < count; i++) {
        char value[16];
        int len = snprintf(value, sizeof value, "%d", i);

        assert_int_equal(
            rd_kafka_producev(rk, RD_KAFKA_VTYPE_TOPIC, rig->topics[0], RD_KAFKA_VTYPE_PARTITION,
                              partition, RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY,
                              RD_KAFKA_VTYPE_VALUE, value, (size_t)len, RD_KAFKA_VTYPE_END),
            0);
    }
    assert_int_equal(rd_kafka_flush(rk, 10000), 0);
    rd_kafka_destroy(rk);
}

struct consumer *rig_consumer(struct rig *rig, struct rig_owner *owner, int64_t drain_ms)
{
    char error[256] = "";

    owner->consumer = consumer_new(rig->base, &rig->settings, &rig->pl, drain_ms, &rig_ops, owner,
                                   error, sizeof error);
    if (!owner->consumer)
        fail_msg("%s", error);
    return owner->consumer;
}

void rig_owner_done(struct rig_owner *owner)
{
    for (int i = 0; i < RIG_PARTS; i++) {
        assert_null(owner->parts[i]);
        free(owner->seen[i]);
    }
}

int64_t rig_committed(struct rig *rig, int32_t partition)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    char error[256];
    int64_t offset;
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "bootstrap.servers", rig->settings.kafka.brokers, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", rig->pl.group, NULL, 0);
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    assert_non_null(rk);
    rd_kafka_topic_partition_list_add(list, rig->topics[0], partition);
    assert_int_equal(rd_kafka_committed(rk, list, 10000), 0);
    offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return offset < 0 ? -1 : offset;
}

static bool is_stopped(void *data)
{
    return consumer_stopped(((struct rig_owner *)data)->consumer);
}

void rig_stop(struct rig *rig, struct rig_owner *owner, int timeout_ms)
{
    consumer_stop(owner->consumer);
    assert_true(rig_until(rig, is_stopped, owner, timeout_ms));
    consumer_free(owner->consumer);
    owner->consumer = NULL;
    rig_owner_done(owner);
}

/* The function behind the macro cmocka_run_group_tests_name(), which counts a real array. */
static int run_one(const struct CMUnitTest *test)
{
    return _cmocka_run_group_tests(test->name, test, 1, NULL, NULL) == 0 ? EXIT_SUCCESS
                                                                         : EXIT_FAILURE;
}

int rig_main(const struct CMUnitTest *tests, size_t count)
{
    int code = EXIT_SUCCESS, status;

    fflush(NULL);
    for (size_t i = 0; i < count; i++) {
        pid_t pid = fork();

        if (pid == 0)
            exit(run_one(&tests[i]));
        if (pid < 0)
            code = EXIT_FAILURE;
    }
    while (wait(&status) > 0)
        if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
            code = EXIT_FAILURE;
    return code;
}

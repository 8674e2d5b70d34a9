/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics that must exist, against the embedded broker.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kafka/topics.h"
#include "rig.h"

struct outcome {
    bool done;
    int err;
    char text[512];
};

static void on_done(void *data, int err, const char *text)
{
    struct outcome *out = data;

    assert_false(out->done);
    out->done = true;
    out->err = err;
    snprintf(out->text, sizeof out->text, "%s", text);
}

static bool is_done(void *data)
{
    return ((struct outcome *)data)->done;
}

static struct outcome ensure(struct rig *rig, const struct topic_need *needs, size_t count,
                             int timeout_ms)
{
    struct outcome out = {0};

    assert_non_null(topics_ensure(rig->base, NULL, &rig->settings.kafka, needs, count, timeout_ms,
                                  on_done, &out));
    assert_true(rig_until(rig, is_done, &out, timeout_ms + 3000));
    return out;
}

static void test_there_missing_created(void **state)
{
    const struct topic_need input = {"input", false};
    const struct topic_need both[] = {{"input", false}, {"dead", true}};
    const struct topic_need typo[] = {{"inptu", false}, {"input", false}, {"other", true}};
    struct outcome out;
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    rig_topic(&rig, "input", 2);
    assert_int_equal(ensure(&rig, &input, 1, 5000).err, 0);

    out = ensure(&rig, typo, 3, 5000);
    assert_int_equal(out.err, -ENOENT);
    assert_non_null(strstr(out.text, "inptu"));
    assert_null(strstr(out.text, "input,"));
    /* Asking did not make it. */
    assert_int_equal(ensure(&rig, typo, 1, 5000).err, -ENOENT);

    rig.settings.kafka.create_topics = false;
    out = ensure(&rig, both, 2, 5000);
    assert_int_equal(out.err, -ENOENT);
    assert_non_null(strstr(out.text, "dead"));
    assert_non_null(strstr(out.text, "create_topics"));

    rig.settings.kafka.create_topics = true;
    assert_int_equal(ensure(&rig, both, 2, 5000).err, 0);
    rig.settings.kafka.create_topics = false;
    assert_int_equal(ensure(&rig, both, 2, 5000).err, 0);
    rig_done(&rig);
}

static void test_no_broker(void **state)
{
    const struct topic_need input = {"input", false};
    struct rig rig;

    (void)state;
    rig_init(&rig, false);
    assert_int_equal(ensure(&rig, &input, 1, 500).err, -EAGAIN);
    rig_done(&rig);
}

static void test_cancel(void **state)
{
    const struct topic_need input = {"input", false};
    struct outcome out = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, false);
    topics_cancel(
        topics_ensure(rig.base, NULL, &rig.settings.kafka, &input, 1, 200, on_done, &out));
    rig_run_ms(&rig, 1000);
    assert_false(out.done);
    topics_cancel(NULL);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_missing_created),
        cmocka_unit_test(test_no_broker),
        cmocka_unit_test(test_cancel),
    };

    return rig_main(tests, sizeof tests / sizeof *tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health, metrics and status over real HTTP on loopback, with an engine that is faked at link time: its
 * one pipeline has hostile names. Oversized and dripping requests are ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <jansson.h>

#include "admin/admin.h"
#include "kafka/client.h"

/* ---- The engine, faked ---- */

static const char *reason = "";
static char *topics[] = {(char *)"in", NULL};
static struct settings_pipeline conf = {.name = (char *)"a\"b\\c\nd", .topics = topics, .workers = 1,
                                        .group = (char *)"g", .dead = (char *)"d"};
static struct descriptor plugin = {.name = (char *)"p", .version = (char *)"1", .build = (char *)"ff",
                                   .path = (char *)"/p.so"};
static struct pipeline_stats stats = {.consumed = 7, .settled = {5, 1, 1}, .dead = {[DEAD_CRASH] = 1}};
static struct consumer_stats consumer = {.assigned = 1, .state = "steady", .joined = true};
static struct pool_stats pool;
static struct producer_stats producer;

const char *const outcome_names[OUTCOMES] = {"ok", "skip", "dead"};
const char *const dead_cause_names[DEAD_CAUSE_COUNT] = {"rejected", "exhausted", "crash", "timeout",
                                                        "oom", "expired", "protocol"};
const char *const death_cause_names[DEATH_CAUSES] = {"crash", "timeout", "oom", "protocol"};

bool engine_ready(const struct engine *e)
{
    (void)e;
    return !reason[0];
}

const char *engine_not_ready_reason(const struct engine *e)
{
    (void)e;
    return reason;
}

size_t engine_pipeline_count(const struct engine *e)
{
    (void)e;
    return 1;
}

struct pipeline *engine_pipeline(const struct engine *e, size_t i)
{
    (void)e, (void)i;
    return NULL;
}

const struct producer_stats *engine_producer_stats(const struct engine *e)
{
    (void)e;
    return &producer;
}

int64_t engine_started_wall_ms(const struct engine *e)
{
    (void)e;
    return 1000;
}

const char *pipeline_state_name(enum pipeline_state state)
{
    return state == PIPELINE_RUNNING ? "running" : "other";
}

void pipeline_status(const struct pipeline *pl, struct pipeline_status *ret)
{
    (void)pl;
    *ret = (struct pipeline_status){.settings = &conf, .plugin = &plugin, .state = PIPELINE_RUNNING,
                                    .reason = "", .stats = &stats, .consumer = &consumer, .pool = &pool};
}

struct pool *pipeline_pool(const struct pipeline *pl)
{
    (void)pl;
    return NULL;
}

const struct consumer *pipeline_consumer(const struct pipeline *pl)
{
    (void)pl;
    return (const struct consumer *)(const void *)&consumer;
}

const struct consumer_stats *consumer_stats(const struct consumer *c)
{
    (void)c;
    return &consumer;
}

size_t consumer_partitions(const struct consumer *c, struct partition_status *ret, size_t max)
{
    (void)c;
    if (max)
        ret[0] = (struct partition_status){0, 3, 40, 50, 100};
    return max ? 1 : 0;
}

size_t pool_workers(const struct pool *p, struct worker_status *ret, size_t max)
{
    (void)p;
    if (max)
        ret[0] = (struct worker_status){.number = 1, .pid = 99, .state = "ready", .busy = true,
                                        .offset = 12, .running_ms = 5};
    return max ? 1 : 0;
}

size_t pool_metrics(const struct pool *p, struct plugin_metric *ret, size_t max)
{
    (void)p;
    if (max)
        ret[0] = (struct plugin_metric){.kind = PLUGIN_METRIC_COUNTER, .name = "made_total",
                                        .help = "Made.", .value = 3};
    return max ? 1 : 0;
}

const char *client_library_version(void)
{
    return "0";
}

/* ---- A server in a thread of its own, and a client that says what it wants ---- */

static struct event_base *base;
static struct admin *admin;
static pthread_t thread;
static struct event *stop;
static int stop_pipe[2];

static void on_stop(evutil_socket_t fd, short what, void *data)
{
    (void)fd, (void)what;
    event_base_loopbreak(data);
}

static void *serve(void *data)
{
    (void)data;
    event_base_dispatch(base);
    return NULL;
}

static int set_up(void **state)
{
    struct settings_admin s = {true, (char *)"127.0.0.1", 0};
    char error[128];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    admin = admin_new(base, NULL, &s, error, sizeof error);
    assert_non_null(admin);
    assert_int_equal(pipe(stop_pipe), 0);
    stop = event_new(base, stop_pipe[0], EV_READ, on_stop, base);
    event_add(stop, NULL);
    return pthread_create(&thread, NULL, serve, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(write(stop_pipe[1], "x", 1), 1);
    pthread_join(thread, NULL);
    event_free(stop);
    admin_free(admin);
    event_base_free(base);
    close(stop_pipe[0]);
    close(stop_pipe[1]);
    return 0;
}

static int connect_to_admin(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(admin_port(admin)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static char answer[1 << 20];

/* The whole answer to a request that asks for the connection's end. */
static const char *ask(const char *request)
{
    int fd = connect_to_admin();
    size_t len = 0;
    ssize_t n;

    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    while ((n = read(fd, answer + len, sizeof answer - 1 - len)) > 0)
        len += (size_t)n;
    answer[len] = 0;
    close(fd);
    return answer;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void test_health(void **state)
{
    (void)state;
    reason = "";
    assert_non_null(strstr(ask(GET("/livez")), "HTTP/1.1 200"));
    assert_non_null(strstr(ask(GET("/readyz")), "HTTP/1.1 200"));
    reason = "no broker has answered";
    assert_non_null(strstr(ask(GET("/livez")), "HTTP/1.1 200"));
    assert_non_null(strstr(ask(GET("/readyz?verbose")), "HTTP/1.1 503"));
    assert_non_null(strstr(answer, "no broker has answered"));
    reason = "";
}

static void test_unknown_and_not_allowed(void **state)
{
    (void)state;
    assert_non_null(strstr(ask(GET("/nothing")), "HTTP/1.1 404"));
    assert_non_null(strstr(answer, "application/problem+json"));
    assert_null(strstr(ask("DELETE /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "200 OK"));
}

static void test_status(void **state)
{
    json_t *root, *pl;

    (void)state;
    ask(GET("/api/v1/status"));
    root = json_loads(strstr(answer, "\r\n\r\n") + 4, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_true(json_is_true(json_object_get(root, "ready")));
    pl = json_array_get(json_object_get(root, "pipelines"), 0);
    assert_string_equal(json_string_value(json_object_get(pl, "name")), conf.name);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(pl, "counters"), "ok")), 5);
    assert_int_equal(json_integer_value(json_object_get(
                         json_array_get(json_object_get(pl, "partitions"), 0), "lag")), 60);
    json_decref(root);
}

/* Each family has HELP and TYPE once and before its series; every line is of the format. */
static void test_metrics(void **state)
{
    char *save, *line, *body;
    int series = 0;

    (void)state;
    ask(GET("/metrics"));
    assert_non_null(strstr(answer, "text/plain; version=0.0.4"));
    assert_non_null(strstr(answer, "{pipeline=\"a\\\"b\\\\c\\nd\",outcome=\"ok\"} 5\n"));
    assert_non_null(strstr(answer, "quern_consumer_lag_messages{pipeline=\"a\\\"b\\\\c\\nd\",topic=\"in\","
                                   "partition=\"3\"} 60\n"));
    assert_non_null(strstr(answer, "quern_plugin_made_total{"));
    assert_non_null(strstr(answer, "le=\"+Inf\"} 0\n"));
    body = strdup(strstr(answer, "\r\n\r\n") + 4);
    for (line = strtok_r(body, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[128], again[160], *first;

        if (strncmp(line, "# ", 2) == 0) {
            assert_int_equal(sscanf(line, "# %*s %127s", name), 1);
            snprintf(again, sizeof again, "# TYPE %s ", name);
            first = strstr(answer, again);
            assert_non_null(first);
            assert_null(strstr(first + 1, again));
            continue;
        }
        series++;
        assert_int_equal(strspn(line, "abcdefghijklmnopqrstuvwxyz_"), strcspn(line, "{ "));
        assert_non_null(strrchr(line, ' '));
    }
    assert_true(series > 40);
    free(body);
}

static void test_oversized_header(void **state)
{
    char *request = malloc(300000);
    int fd = connect_to_admin();
    char byte;
    ssize_t n;

    (void)state;
    memset(request, 'x', 299999);
    request[299999] = 0;
    memcpy(request, "GET /livez HTTP/1.1\r\nX: ", 24);
    (void)!write(fd, request, 299999);
    shutdown(fd, SHUT_WR);
    /* Refused, or cut off: anything but held, and anything but answered. */
    n = read(fd, answer, sizeof answer - 1);
    answer[n > 0 ? n : 0] = 0;
    assert_null(strstr(answer, "200 OK"));
    while (read(fd, &byte, 1) > 0)
        ;
    close(fd);
    free(request);
    assert_non_null(strstr(ask(GET("/livez")), "HTTP/1.1 200"));
}

/* More connections than there are places, all silent: a health check still gets through. */
static void test_silent_connections_give_way(void **state)
{
    int fds[100];

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        fds[i] = connect_to_admin();
        (void)!write(fds[i], "GET /", 5);
    }
    assert_non_null(strstr(ask(GET("/livez")), "HTTP/1.1 200"));
    for (size_t i = 0; i < 100; i++)
        close(fds[i]);
    assert_non_null(strstr(ask(GET("/livez")), "HTTP/1.1 200"));
}

/* Drips a byte each 100 ms: libevent's own timeout never comes, ours does, after ten seconds. */
static void test_dripping_request_is_ended(void **state)
{
    int fd = connect_to_admin(), drips = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLHUP};

    (void)state;
    (void)!write(fd, "GET / HTTP/1.1\r\nX: ", 19);
    while (drips < 300 && poll(&p, 1, 100) == 0 && write(fd, "x", 1) == 1)
        drips++;
    assert_in_range(drips, 60, 150);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_unknown_and_not_allowed),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_oversized_header),
        cmocka_unit_test(test_silent_connections_give_way),
        cmocka_unit_test(test_dripping_request_is_ended),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

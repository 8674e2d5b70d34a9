/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching over http from a real nginx: what succeeds, what is final, what is worth another try,
 * and what must never be connected to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "../source.h"
#include "host.h"
#include "pictures.h"
#include "server.h"

static struct settings settings = {.max_source_bytes = 1 << 20,
                                   .connect_timeout = 2000,
                                   .fetch_timeout = 5000,
                                   .low_speed_time = 3000,
                                   .low_speed_bytes = 100,
                                   .allow_private = 1};

/* Fetches http://127.0.0.1:port/PATH, or PATH itself when it is a URL. */
static int fetch(struct test_job *job, const char *path, struct source *ret, struct fault *fault)
{
    struct source_http *http = source_http_new(&settings);
    char url[4096];
    int err;

    assert_non_null(http);
    memset(fault, 0, sizeof *fault);
    if (strstr(path, "://"))
        snprintf(url, sizeof url, "%s", path);
    else
        snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", server_port, path);
    err = source_http_fetch(http, &job->job, url, ret, fault);
    source_http_free(http);
    return err;
}

static struct fault expect(const char *path, enum fault_kind kind, const char *code)
{
    struct source source;
    struct test_job job;
    struct fault fault;

    test_job_init(&job, NULL, NULL, 0);
    if (fetch(&job, path, &source, &fault) == 0)
        fail_msg("%s was fetched", path);
    assert_null(source.data);
    if (fault.kind != kind || strcmp(fault.code, code) != 0)
        fail_msg("%s gave %d %s: %s", path, fault.kind, fault.code, fault.text);
    return fault;
}

static void fetches(void **state)
{
    static const char *const paths[] = {"web.jpg", "ok", "chunked/web.jpg", "web.jpg?a=1#b"};
    char sha256[65] = "";

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct source source;
        struct test_job job;
        struct fault fault;

        test_job_init(&job, NULL, NULL, 0);
        if (fetch(&job, paths[i], &source, &fault))
            fail_msg("%s: %s: %s", paths[i], fault.code, fault.text);
        assert_true(source.len > 1000 && memcmp(source.data, "\xff\xd8\xff", 3) == 0);
        if (i > 0)
            assert_string_equal(source.sha256, sha256);
        memcpy(sha256, source.sha256, sizeof sha256);
        source_done(&source);
    }
}

static void sorts_answers(void **state)
{
    (void)state;
    expect("404", FAULT_REJECT, "not_found");
    expect("410", FAULT_REJECT, "not_found");
    expect("missing.jpg", FAULT_REJECT, "not_found");
    expect("403", FAULT_REJECT, "http_status");
    expect("204", FAULT_REJECT, "http_status");
    expect("empty", FAULT_REJECT, "bad_image");
    expect("500", FAULT_RETRY, "http_status");
    expect("cut", FAULT_RETRY, "fetch_failed");
    expect("nowhere", FAULT_RETRY, "fetch_failed");
    assert_int_equal(expect("429", FAULT_RETRY, "throttled").retry_after_ms, 7000);
    assert_int_equal(expect("503", FAULT_RETRY, "http_status").retry_after_ms, 604800000);
    assert_int_equal(expect("500", FAULT_RETRY, "http_status").retry_after_ms, 0);
    expect("http://no-such-host.invalid/", FAULT_RETRY, "fetch_failed");
}

static void follows_only_http(void **state)
{
    (void)state;
    expect("loop", FAULT_REJECT, "bad_redirect");
    expect("file", FAULT_REJECT, "bad_redirect");
    expect("gopher", FAULT_REJECT, "bad_redirect");
}

/* Every spelling of an address that is not public; a listener (nginx) waits behind the first ones.
 */
static void refuses_private(void **state)
{
    static const char *const hosts[] = {
        "127.0.0.1",
        "127.0.0.2",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "localhost",
        "LOCALHOST",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "%31%32%37.0.0.1",
    };

    (void)state;
    settings.allow_private = 0;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct source source;
        struct test_job job;
        struct fault fault;
        char url[256];

        snprintf(url, sizeof url, "http://%s:%d/web.jpg", hosts[i], server_port);
        test_job_init(&job, NULL, NULL, 0);
        assert_int_not_equal(fetch(&job, url, &source, &fault), 0);
        if (fault.kind != FAULT_REJECT || (strcmp(fault.code, "forbidden_address") != 0 &&
                                           strcmp(fault.code, "bad_request") != 0))
            fail_msg("%s gave %s: %s", url, fault.code, fault.text);
    }
}

/* The connection to the redirecting server is kept from the first fetch, so that only the second
 * server's address comes before the judge: as if the first one were public. */
static void judges_redirects(void **state)
{
    struct source_http *http = source_http_new(&settings);
    struct source source;
    struct test_job job;
    struct fault fault;
    char url[128];

    (void)state;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/web.jpg", server_port);
    test_job_init(&job, NULL, NULL, 0);
    assert_int_equal(source_http_fetch(http, &job.job, url, &source, &fault), 0);
    source_done(&source);
    settings.allow_private = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/inside", server_port);
    assert_int_not_equal(source_http_fetch(http, &job.job, url, &source, &fault), 0);
    assert_string_equal(fault.code, "forbidden_address");
    assert_non_null(strstr(fault.text, "127.0.0.2"));
    source_http_free(http);
}

static int allow_private(void **state)
{
    (void)state;
    settings.allow_private = 1;
    return 0;
}

/* A proxy from the environment would be asked instead of the server, past the address check. */
static void ignores_proxies(void **state)
{
    struct source source;
    struct test_job job;
    struct fault fault;

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    test_job_init(&job, NULL, NULL, 0);
    assert_int_equal(fetch(&job, "web.jpg", &source, &fault), 0);
    source_done(&source);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

static void refuses_bad_urls(void **state)
{
    char url[4096] = "http://";

    (void)state;
    expect("http://", FAULT_REJECT, "bad_request");
    expect("http://user:secret@127.0.0.1/", FAULT_REJECT, "bad_request");
    expect("http://127.0.0.1:99999/", FAULT_REJECT, "bad_request");
    expect("http://a b/", FAULT_REJECT, "bad_request");
    memset(url + 7, 'a', 300);
    strcpy(url + 307, "/");
    expect(url, FAULT_REJECT, "bad_request");
    memset(url + 8, '/', 3000);
    url[3008] = '\0';
    expect(url, FAULT_REJECT, "bad_request");
}

static void stops_at_the_limit(void **state)
{
    (void)state;
    settings.max_source_bytes = 1000;
    expect("web.jpg", FAULT_REJECT, "too_large");         /* told by Content-Length */
    expect("chunked/web.jpg", FAULT_REJECT, "too_large"); /* found by counting */
    settings.max_source_bytes = 1 << 20;
}

static void stops_in_time(void **state)
{
    struct source source;
    struct test_job job;
    struct fault fault;

    (void)state;
    settings.fetch_timeout = 300;
    expect("slow/web.jpg", FAULT_RETRY, "timeout");
    settings.fetch_timeout = 60000;
    settings.low_speed_bytes = 1 << 20;
    settings.low_speed_time = 1000;
    expect("slow/web.jpg", FAULT_RETRY, "timeout");
    settings.low_speed_bytes = 100;
    test_job_init(&job, NULL, NULL, 0);
    job.remaining_ms = 600; /* the deadline, less the margin */
    assert_int_not_equal(fetch(&job, "slow/web.jpg", &source, &fault), 0);
    assert_string_equal(fault.code, "timeout");
    job.remaining_ms = 100;
    assert_int_not_equal(fetch(&job, "web.jpg", &source, &fault), 0);
    assert_string_equal(fault.code, "timeout");
    job.remaining_ms = INT64_MAX;
    job.cancel_after = 2;
    assert_int_not_equal(fetch(&job, "slow/web.jpg", &source, &fault), 0);
    assert_string_equal(fault.code, "cancelled");
}

static void hides_secrets(void **state)
{
    struct fault fault = expect("404?token=hunter2#x", FAULT_REJECT, "not_found");

    (void)state;
    assert_null(strstr(fault.text, "hunter2"));
    fault = expect("http://bob:hunter2@127.0.0.1/", FAULT_REJECT, "bad_request");
    assert_null(strstr(fault.text, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetches),
        cmocka_unit_test(sorts_answers),
        cmocka_unit_test(follows_only_http),
        cmocka_unit_test_teardown(refuses_private, allow_private),
        cmocka_unit_test_teardown(judges_redirects, allow_private),
        cmocka_unit_test(ignores_proxies),
        cmocka_unit_test(refuses_bad_urls),
        cmocka_unit_test(stops_at_the_limit),
        cmocka_unit_test(stops_in_time),
        cmocka_unit_test(hides_secrets),
    };
    int failed;

    if (vips_init("test_http") || curl_global_init(CURL_GLOBAL_DEFAULT))
        return 1;
    place_make();
    if (server_start()) {
        place_remove();
        fprintf(stderr, "SKIPPED: there is no nginx (Debian package nginx-light)\n");
        return 77;
    }
    picture_save(picture_quarters(1200, 900), "web.jpg");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop();
    place_remove();
    return failed;
}

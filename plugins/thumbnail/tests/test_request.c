/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs as strangers write them. Each bad one must be refused with a sentence that names what is
 * wrong; the texts are part of the promise, since they are all that a producer sees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../request.h"

static const char *const all_formats[] = {"jpeg", "png", "webp", "avif", NULL};
static const struct settings settings = {.formats_allowed = all_formats, .max_output_side = 4096};

#define SIZES       "\"sizes\":[{\"name\":\"a\",\"w\":10,\"h\":10}]"
#define SOURCE      "\"source\":\"file:///a\""
#define JOB(rest)   "{" SOURCE "," SIZES rest "}"
#define SIZED(size) "{" SOURCE ",\"sizes\":[" size "]}"

static int parse(const char *text, struct request *ret, struct fault *fault)
{
    return request_parse(quern_text(text), &settings, ret, fault);
}

static void takes_everything(void **state)
{
    struct request r;
    struct fault fault;

    (void)state;
    assert_int_equal(
        parse("{\"source\":\"https://e.org/a.jpg\",\"sink\":\"file:///o/{name}.{ext}\","
              "\"sizes\":[{\"name\":\"lg\",\"w\":1600,\"h\":1200,\"fit\":\"cover\","
              "\"gravity\":\"focal\",\"focal\":[0.5,0.25]},{\"name\":\"sm\",\"w\":100}],"
              "\"formats\":[\"webp\",\"avif\"],\"quality\":{\"avif\":40},\"strict\":true,"
              "\"if_absent\":true,\"upscale\":true,\"placeholder\":\"thumbhash\","
              "\"background\":\"#0aFF10\"}",
              &r, &fault),
        0);
    assert_string_equal(r.source, "https://e.org/a.jpg");
    assert_string_equal(r.sink, "file:///o/{name}.{ext}");
    assert_int_equal(r.size_count, 2);
    assert_int_equal(r.sizes[0].fit, FIT_COVER);
    assert_int_equal(r.sizes[0].gravity, GRAVITY_FOCAL);
    assert_true(r.sizes[0].focal_x == 0.5 && r.sizes[0].focal_y == 0.25);
    assert_int_equal(r.sizes[1].w, 100);
    assert_int_equal(r.sizes[1].h, 0);
    assert_int_equal(r.format_count, 2);
    assert_int_equal(r.formats[1], FORMAT_AVIF);
    assert_int_equal(r.quality[FORMAT_AVIF], 40);
    assert_int_equal(r.quality[FORMAT_WEBP], 78);
    assert_true(r.strict && r.if_absent && r.upscale && r.thumbhash);
    assert_int_equal(r.background[0], 0x0a);
    assert_int_equal(r.background[1], 0xff);
    request_done(&r);
}

static void has_defaults(void **state)
{
    struct request r;
    struct fault fault;

    (void)state;
    assert_int_equal(parse(JOB(""), &r, &fault), 0);
    assert_null(r.sink);
    assert_int_equal(r.format_count, 1);
    assert_int_equal(r.formats[0], FORMAT_JPEG);
    assert_int_equal(r.quality[FORMAT_JPEG], 80);
    assert_false(r.strict || r.if_absent || r.upscale || r.thumbhash || r.transparent);
    assert_int_equal(r.background[2], 0xff);
    request_done(&r);
}

static void refuses_by_name(void **state)
{
    static const struct {
        const char *job, *says;
    } bad[] = {
        {"", "no body"},
        {"{", "not JSON"},
        {"[]", "not a JSON object"},
        {"null", "not JSON"},
        {JOB("") "x", "not JSON"},
        {JOB(",\"source\":\"file:///b\""), "duplicate"},
        {JOB(",\"colour\":1"), "unknown field \"colour\""},
        {JOB(",\"poster\":{}"), "unknown field \"poster\""},
        {"{" SIZES "}", "\"source\" is missing"},
        {"{\"source\":1," SIZES "}", "\"source\" is not a text"},
        {"{\"source\":\"\"," SIZES "}", "\"source\" is missing"},
        {"{\"source\":\"s3://b/k\"," SIZES "}", "s3:// is not supported"},
        {"{\"source\":\"ftp://b/k\"," SIZES "}", "does not begin with"},
        {"{\"source\":\"/etc/passwd\"," SIZES "}", "does not begin with"},
        {"{\"source\":\"file:///a\\u0000b\"," SIZES "}", "not JSON"},
        {JOB(",\"sink\":\"s3://b\""), "s3:// is not supported"},
        {JOB(",\"sink\":\"http://b\""), "\"sink\" does not begin"},
        {JOB(",\"sink\":null"), "\"sink\" is not a text"},
        {"{" SOURCE "}", "\"sizes\" is not a list"},
        {"{" SOURCE ",\"sizes\":[]}", "\"sizes\" is not a list"},
        {"{" SOURCE ",\"sizes\":{}}", "\"sizes\" is not a list"},
        {SIZED("1"), "sizes[0] is not an object"},
        {SIZED("{\"w\":1,\"h\":1}"), "sizes[0].name"},
        {SIZED("{\"name\":\"../x\",\"w\":1,\"h\":1}"), "sizes[0].name"},
        {SIZED("{\"name\":\"a\"}"), "neither w nor h"},
        {SIZED("{\"name\":\"a\",\"w\":0,\"h\":1}"), "sizes[0].w"},
        {SIZED("{\"name\":\"a\",\"w\":-5,\"h\":1}"), "sizes[0].w"},
        {SIZED("{\"name\":\"a\",\"w\":4097,\"h\":1}"), "from 1 to 4096"},
        {SIZED("{\"name\":\"a\",\"w\":1.5,\"h\":1}"), "sizes[0].w"},
        {SIZED("{\"name\":\"a\",\"w\":\"1\",\"h\":1}"), "sizes[0].w"},
        {SIZED("{\"name\":\"a\",\"w\":99999999999999999999,\"h\":1}"), "not JSON"},
        {SIZED("{\"name\":\"a\",\"w\":1,\"fit\":\"cover\"}"), "needs both w and h"},
        {SIZED("{\"name\":\"a\",\"w\":1,\"h\":1,\"fit\":\"stretch\"}"), "sizes[0].fit"},
        {SIZED("{\"name\":\"a\",\"w\":1,\"h\":1,\"gravity\":7}"), "sizes[0].gravity"},
        {SIZED("{\"name\":\"a\",\"w\":1,\"h\":1,\"gravity\":\"focal\"}"), "focal is missing"},
        {SIZED("{\"name\":\"a\",\"w\":1,\"h\":1,\"focal\":[0,0]}"), "needs gravity"},
        {SIZED("{\"name\":\"a\",\"w\":1,\"h\":1,\"gravity\":\"focal\",\"focal\":[0,1.1]}"),
         "between 0 and 1"},
        {SIZED("{\"name\":\"a\",\"w\":1,\"h\":1,\"gravity\":\"focal\",\"focal\":[0]}"),
         "pair of numbers"},
        {SIZED("{\"name\":\"a\",\"w\":1,\"h\":1,\"width\":1}"), "\"width\" in sizes[0]"},
        {SIZED("{\"name\":\"a\",\"w\":1},{\"name\":\"a\",\"w\":2}"), "twice"},
        {JOB(",\"formats\":[]"), "\"formats\""},
        {JOB(",\"formats\":\"jpeg\""), "\"formats\""},
        {JOB(",\"formats\":[1]"), "\"formats\""},
        {JOB(",\"formats\":[\"gif\"]"), "\"gif\" is not"},
        {JOB(",\"formats\":[\"png\",\"png\"]"), "twice"},
        {JOB(",\"quality\":0"), "\"quality\""},
        {JOB(",\"quality\":101"), "\"quality\""},
        {JOB(",\"quality\":\"high\""), "\"quality\""},
        {JOB(",\"quality\":{\"png\":50}"), "\"png\" is not"},
        {JOB(",\"quality\":{\"jpeg\":0}"), "\"quality\".jpeg"},
        {JOB(",\"strict\":1"), "\"strict\" is not true or false"},
        {JOB(",\"if_absent\":\"yes\""), "\"if_absent\""},
        {JOB(",\"upscale\":null"), "\"upscale\""},
        {JOB(",\"background\":\"red\""), "\"background\""},
        {JOB(",\"background\":\"#12345g\""), "\"background\""},
        {JOB(",\"placeholder\":\"blurhash\""), "\"placeholder\""},
        {JOB(",\"x\":[[[[[[[[[[]]]]]]]]]]"), "nested deeper"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fault fault = {0};
        struct request r;

        assert_int_not_equal(parse(bad[i].job, &r, &fault), 0);
        assert_null(r.source);
        if (fault.kind != FAULT_REJECT || strcmp(fault.code, "bad_request") != 0 ||
            !strstr(fault.text, bad[i].says))
            fail_msg("%s gave %s: %s, not \"%s\"", bad[i].job, fault.code, fault.text, bad[i].says);
    }
}

static void refuses_too_much(void **state)
{
    char *text = malloc(REQUEST_MAX_BODY + 1), many[4096] = "{" SOURCE ",\"sizes\":[";
    struct quern_bytes body = {text, REQUEST_MAX_BODY + 1};
    struct fault fault;
    struct request r;

    (void)state;
    memset(text, ' ', REQUEST_MAX_BODY + 1);
    assert_int_not_equal(request_parse(body, &settings, &r, &fault), 0);
    assert_non_null(strstr(fault.text, "more than 65536"));
    free(text);
    for (int i = 0; i < 17; i++)
        sprintf(many + strlen(many), "%s{\"name\":\"n%d\",\"w\":1}", i ? "," : "", i);
    strcat(many, "]}");
    assert_int_not_equal(parse(many, &r, &fault), 0);
    assert_non_null(strstr(fault.text, "1 to 16"));
}

static void heeds_formats_allowed(void **state)
{
    static const char *const only_png[] = {"png", NULL};
    const struct settings narrow = {.formats_allowed = only_png, .max_output_side = 64};
    struct fault fault;
    struct request r;

    (void)state;
    assert_int_not_equal(
        request_parse(quern_text(JOB(",\"formats\":[\"jpeg\"]")), &narrow, &r, &fault), 0);
    assert_string_equal(fault.code, "unsupported");
}

/* What a job quotes back at us ends in headers and on terminals. */
static void texts_are_printable(void **state)
{
    struct fault fault;
    struct request r;

    (void)state;
    assert_int_not_equal(parse(JOB(",\"\\u001b[31m\\n\\u202e\":1"), &r, &fault), 0);
    for (const char *c = fault.text; *c; c++)
        assert_true(*c >= 0x20 && *c < 0x7f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_everything),      cmocka_unit_test(has_defaults),
        cmocka_unit_test(refuses_by_name),       cmocka_unit_test(refuses_too_much),
        cmocka_unit_test(heeds_formats_allowed), cmocka_unit_test(texts_are_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/exec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "kit.h"
#include "worker/plugin_file.h"

#define JOB_MAX     ((size_t)1 << 30)
#define HEADERS_MAX 256

struct exec {
    const char *path, *job_file;
    struct quern_testkit *kit;
    struct quern_testkit_job job;
    struct quern_header headers[HEADERS_MAX];
    struct plugin_file file;
    struct buf body;
    bool json;
};

static const char *const verdicts[] = {"ok",     "skip",    "retry", "defer",
                                       "reject", "pending", "fatal"};
static const char *const levels[] = {"debug", "info", "warn", "error"};
static void (*kit_log)(const struct quern_host *, struct quern_job *, int32_t, const char *,
                       size_t);

static int fail(int code, const char *what, const char *text)
{
    fprintf(stderr, "quern exec: %s%s%s\n", what, what[0] ? ": " : "", text);
    return code;
}

/* Lines are shown as they come: the last one before a crash is the one that is wanted. */
static void log_now(const struct quern_host *table, struct quern_job *job, int32_t level,
                    const char *text, size_t len)
{
    fprintf(stderr, "%-5s %.*s\n", levels[level < 0 || level > 3 ? 1 : level], (int)len, text);
    kit_log(table, job, level, text, len);
}

/* ---- What is asked for ---- */

static bool is_list(const struct quern_plugin *p, const char *name, size_t len)
{
    const struct quern_option *o;

    for (size_t i = 0; (o = options_entry(p, i)); i++)
        if (strncmp(o->name, name, len) == 0 && o->name[len] == 0)
            return o->type == QUERN_TYPE_LIST;
    return false;
}

static void set_list(struct exec *x, const char *name, const char *text)
{
    if (!text[0])
        quern_testkit_add(x->kit, name, NULL);
    for (const char *c = text; *c; c += strcspn(c, ","), c += *c == ',') {
        char *element = xstrndup(c, strcspn(c, ","));

        quern_testkit_add(x->kit, name, element);
        free(element);
    }
}

static int set(struct exec *x, const char *given)
{
    const char *equals = strchr(given, '=');
    char *name;

    if (!equals || equals == given)
        return fail(EX_USAGE, given, "not name=value");
    name = xstrndup(given, (size_t)(equals - given));
    if (is_list(&x->file.plugin, name, strlen(name)))
        set_list(x, name, equals + 1);
    else
        quern_testkit_set(x->kit, name, equals + 1);
    free(name);
    return 0;
}

static int add_header(struct exec *x, const char *given)
{
    const char *equals = strchr(given, '=');

    if (!equals || equals == given || x->job.header_count == HEADERS_MAX)
        return fail(EX_USAGE, given, "not name=value, or one header too many");
    x->headers[x->job.header_count++] =
        (struct quern_header){xstrndup(given, (size_t)(equals - given)), quern_text(equals + 1)};
    return 0;
}

static int take(struct exec *x, const char *name, const char *value)
{
    int64_t n = 0;

    if (strcmp(name, "--job") == 0)
        x->job_file = value;
    else if (strcmp(name, "--key") == 0)
        x->job.key = quern_text(value);
    else if (strcmp(name, "--header") == 0)
        return add_header(x, value);
    else if (strcmp(name, "--set") == 0)
        return set(x, value);
    else if (strcmp(name, "--attempt") == 0 && text_parse_int(value, &n) == 0 && n > 0 &&
             n <= 1000000)
        x->job.attempt = (uint32_t)n;
    else if (strcmp(name, "--deadline-ms") == 0 && text_parse_int(value, &n) == 0 && n > 0)
        x->job.deadline_ms = n;
    else
        return fail(EX_USAGE, name, "not known, or its value is wrong");
    return 0;
}

static int take_all(struct exec *x, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        int code;

        if (strcmp(argv[i], "--json") == 0) {
            x->json = true;
            continue;
        }
        if (i + 1 == argc)
            return fail(EX_USAGE, argv[i], "needs a value");
        code = take(x, argv[i], argv[i + 1]);
        if (code)
            return code;
        i++;
    }
    return 0;
}

static int read_body(struct exec *x)
{
    FILE *in = stdin;
    char chunk[65536];
    size_t got;

    if (!x->job_file)
        return 0; /* a tombstone */
    if (strcmp(x->job_file, "-") != 0)
        in = fopen(x->job_file, "re");
    if (!in)
        return fail(EX_NOINPUT, x->job_file, strerror(errno));
    buf_init(&x->body, JOB_MAX);
    while ((got = fread(chunk, 1, sizeof chunk, in)) > 0)
        buf_add(&x->body, chunk, got);
    if (ferror(in) || x->body.failed) {
        if (in != stdin)
            fclose(in);
        return fail(EX_NOINPUT, x->job_file, x->body.failed ? "too large" : "cannot be read");
    }
    if (in != stdin)
        fclose(in);
    x->job.value = (struct quern_bytes){x->body.data ? x->body.data : "", x->body.len};
    return 0;
}

/* ---- What became of it ---- */

static void put_bytes(struct buf *b, const char *name, struct quern_bytes bytes)
{
    buf_printf(b, ",\"%s\":", name);
    if (bytes.data)
        buf_json_str(b, bytes.data, bytes.len);
    else
        buf_str(b, "null");
}

static void put_emit(struct buf *b, const struct quern_testkit_emit *e)
{
    buf_str(b, "{\"alias\":");
    buf_json_str(b, e->alias, strlen(e->alias));
    put_bytes(b, "key", e->key);
    put_bytes(b, "value", e->value);
    buf_printf(b, ",\"bytes\":%zu,\"headers\":[", e->value.len);
    for (uint32_t i = 0; i < e->header_count; i++) {
        buf_str(b, i ? ",{\"name\":" : "{\"name\":");
        buf_json_str(b, e->headers[i].name, strlen(e->headers[i].name));
        put_bytes(b, "value", e->headers[i].value);
        buf_char(b, '}');
    }
    buf_str(b, "]}");
}

static const char *verdict_name(int32_t verdict)
{
    return verdict >= QUERN_OK && verdict <= QUERN_FATAL ? verdicts[verdict] : "unknown";
}

static void print_json(const struct quern_testkit_result *r)
{
    struct buf b = BUF_INIT;

    buf_printf(&b, "{\"verdict\":\"%s\",\"returned\":%d", verdict_name(r->verdict),
               (int)r->verdict);
    put_bytes(&b, "code", quern_text(r->code));
    put_bytes(&b, "text", quern_text(r->text));
    if (r->retry_after_ms >= 0)
        buf_printf(&b, ",\"retry_after_ms\":%lld", (long long)r->retry_after_ms);
    buf_printf(&b, ",\"ms\":%.3f,\"emits\":[", r->run_ms);
    for (size_t i = 0; i < r->emit_count; i++) {
        if (i)
            buf_char(&b, ',');
        put_emit(&b, &r->emits[i]);
    }
    buf_str(&b, "],\"log\":[");
    for (size_t i = 0; i < r->line_count; i++) {
        buf_printf(&b, "%s{\"level\":\"%s\"", i ? "," : "", levels[r->lines[i].level]);
        put_bytes(&b, "text", quern_text(r->lines[i].text));
        buf_char(&b, '}');
    }
    buf_str(&b, "]}\n");
    fputs(buf_text(&b), stdout);
    buf_done(&b);
}

static void print_text(const struct quern_testkit_result *r)
{
    struct buf b = BUF_INIT;

    printf("%s", verdict_name(r->verdict));
    if (r->code[0] || r->text[0])
        printf("  %s: %s", r->code, r->text);
    printf("  (%.1f ms)\n", r->run_ms);
    if (r->retry_after_ms >= 0)
        printf("retry not before %lld ms\n", (long long)r->retry_after_ms);
    for (size_t i = 0; i < r->emit_count; i++) {
        buf_reset(&b);
        put_emit(&b, &r->emits[i]);
        printf("emit %s\n", buf_text(&b));
    }
    if (r->emit_count && r->verdict != QUERN_OK && r->verdict != QUERN_SKIP)
        printf("(with this verdict the emits would be dropped)\n");
    buf_done(&b);
}

static int code_of(int32_t verdict)
{
    if (verdict == QUERN_OK || verdict == QUERN_SKIP)
        return EXIT_SUCCESS;
    if (verdict == QUERN_REJECT)
        return EX_DATAERR;
    if (verdict == QUERN_RETRY || verdict == QUERN_DEFER || verdict == QUERN_PENDING)
        return EX_TEMPFAIL;
    return EX_SOFTWARE; /* FATAL, and what is no verdict at all */
}

static int run(struct exec *x)
{
    const struct quern_testkit_result *r;
    int code = read_body(x);

    if (code)
        return code;
    if (quern_testkit_open(x->kit, &x->file.plugin) != 0)
        return fail(EX_CONFIG, x->file.plugin.name, quern_testkit_error(x->kit));
    x->job.headers = x->headers;
    r = quern_testkit_run(x->kit, &x->job);
    if (x->json)
        print_json(r);
    else
        print_text(r);
    code = code_of(r->verdict);
    quern_testkit_close(x->kit);
    return fflush(stdout) == 0 ? code : EX_IOERR;
}

int exec_job(int argc, char **argv)
{
    struct exec *x = xcalloc(1, sizeof *x);
    struct buf error = BUF_INIT;
    int code;

    x->path = argv[0];
    if (plugin_file_open(x->path, &x->file, &error) != 0) {
        code = fail(EX_NOINPUT, "", buf_text(&error));
    } else {
        x->kit = quern_testkit_new();
        kit_log = x->kit->table.log;
        x->kit->table.log = log_now;
        code = take_all(x, argc - 1, argv + 1);
        if (!code)
            code = run(x);
    }
    quern_testkit_free(x->kit);
    for (uint32_t i = 0; i < x->job.header_count; i++)
        free((char *)(uintptr_t)x->headers[i].name);
    buf_done(&x->body);
    buf_done(&error);
    free(x);
    return code;
}

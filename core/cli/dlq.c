/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern dlq: looks into a pipeline's dead-letter topic.
 *
 * Reads without a consumer group, so looking moves nothing. What stands in headers and values came
 * from outside: whoever may write the topic wrote it, so all of it is escaped before a terminal
 * sees it, and a value is shown up to a limit.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "config/settings.h"
#include "kafka/dead_letters.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     100000
#define VALUE_SHOWN   4096
#define DETAIL_SHOWN  60

/* One row of the list: copies, since the records are gone when it is printed. */
struct row {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    char *fields[DEAD_HEADER_COUNT]; /* NULL: it has none */
};

struct listing {
    const char *cause, *code;
    struct row *rows; /* a ring of the last `limit` that matched */
    size_t limit, count, next;
    uint64_t matched, read;
};

static char *field_copy(const struct dead_fields *fields, int i)
{
    return fields->text[i] ? xstrndup(fields->text[i], fields->len[i]) : NULL;
}

static bool matches(const struct dead_fields *fields, enum dead_header which, const char *wanted)
{
    return !wanted || (fields->text[which] && fields->len[which] == strlen(wanted) &&
                       memcmp(fields->text[which], wanted, fields->len[which]) == 0);
}

static void row_done(struct row *row)
{
    for (int i = 0; i < DEAD_HEADER_COUNT; i++)
        free(row->fields[i]);
}

static bool take_row(void *data, const rd_kafka_message_t *rec, const struct dead_fields *fields)
{
    struct listing *ls = data;
    struct row *row;

    ls->read++;
    if (!matches(fields, DEAD_HEADER_CAUSE, ls->cause) ||
        !matches(fields, DEAD_HEADER_CODE, ls->code))
        return true;
    ls->matched++;
    row = &ls->rows[ls->next];
    if (ls->count == ls->limit)
        row_done(row);
    else
        ls->count++;
    ls->next = (ls->next + 1) % ls->limit;
    *row = (struct row){.partition = rec->partition,
                        .offset = rec->offset,
                        .timestamp_ms = rd_kafka_message_timestamp(rec, NULL)};
    for (int i = 0; i < DEAD_HEADER_COUNT; i++)
        row->fields[i] = field_copy(fields, i);
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct row *ra = a, *rb = b;

    if (ra->timestamp_ms != rb->timestamp_ms)
        return ra->timestamp_ms < rb->timestamp_ms ? -1 : 1;
    return ra->offset < rb->offset ? -1 : ra->offset > rb->offset;
}

static const char *text_or_dash(const char *text)
{
    return text ? text : "-";
}

static void print_table(const struct listing *ls)
{
    static const char *const heads[] = {"PLACE",  "DIED",   "CAUSE", "CODE",
                                        ">TRIES", "ORIGIN", "DETAIL"};
    struct table t;

    table_init(&t, heads, sizeof heads / sizeof *heads);
    for (size_t i = 0; i < ls->count; i++) {
        const struct row *row = &ls->rows[i];
        char when[25];

        clock_format_ms(row->timestamp_ms, when);
        table_add(&t, "%" PRId32 "/%" PRId64, row->partition, row->offset);
        table_add(&t, "%s", row->timestamp_ms < 0 ? "-" : when);
        table_add(&t, "%s", text_or_dash(row->fields[DEAD_HEADER_CAUSE]));
        table_add(&t, "%s", text_or_dash(row->fields[DEAD_HEADER_CODE]));
        table_add(&t, "%s", text_or_dash(row->fields[DEAD_HEADER_ATTEMPTS]));
        table_add(&t, "%s/%s/%s", text_or_dash(row->fields[DEAD_HEADER_TOPIC]),
                  text_or_dash(row->fields[DEAD_HEADER_PARTITION]),
                  text_or_dash(row->fields[DEAD_HEADER_OFFSET]));
        table_add(&t, "%.*s", DETAIL_SHOWN, text_or_dash(row->fields[DEAD_HEADER_DETAIL]));
    }
    table_print(&t, stdout);
    table_done(&t);
}

static void add_number_or_null(struct buf *out, const char *name, const char *text)
{
    int64_t number;

    if (text && text_parse_int(text, &number) == 0)
        buf_printf(out, ",\"%s\":%" PRId64, name, number);
    else
        buf_printf(out, ",\"%s\":null", name);
}

static void add_text_or_null(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    if (text)
        buf_json_str(out, text, strlen(text));
    else
        buf_str(out, "null");
}

static void add_row_json(struct buf *out, const struct row *row)
{
    static const struct {
        const char *name;
        enum dead_header header;
        bool number;
    } members[] = {
        {"id", DEAD_HEADER_ID, false},
        {"cause", DEAD_HEADER_CAUSE, false},
        {"code", DEAD_HEADER_CODE, false},
        {"detail", DEAD_HEADER_DETAIL, false},
        {"pipeline", DEAD_HEADER_PIPELINE, false},
        {"plugin", DEAD_HEADER_PLUGIN, false},
        {"plugin_version", DEAD_HEADER_PLUGIN_VERSION, false},
        {"plugin_build", DEAD_HEADER_PLUGIN_BUILD, false},
        {"host", DEAD_HEADER_HOST, false},
        {"attempts", DEAD_HEADER_ATTEMPTS, true},
        {"crashes", DEAD_HEADER_CRASHES, true},
        {"timeouts", DEAD_HEADER_TIMEOUTS, true},
        {"first_failure_ms", DEAD_HEADER_FIRST_FAILURE, true},
        {"last_failure_ms", DEAD_HEADER_LAST_FAILURE, true},
        {"signal", DEAD_HEADER_SIGNAL, true},
        {"redrive_count", DEAD_HEADER_REDRIVE_COUNT, true},
        {"origin_topic", DEAD_HEADER_TOPIC, false},
        {"origin_partition", DEAD_HEADER_PARTITION, true},
        {"origin_offset", DEAD_HEADER_OFFSET, true},
        {"origin_group", DEAD_HEADER_GROUP, false},
    };

    buf_printf(out, "{\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"timestamp_ms\":%" PRId64,
               row->partition, row->offset, row->timestamp_ms);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (members[i].number)
            add_number_or_null(out, members[i].name, row->fields[members[i].header]);
        else
            add_text_or_null(out, members[i].name, row->fields[members[i].header]);
}

static void print_json(const struct listing *ls)
{
    struct buf out = BUF_INIT;

    buf_char(&out, '[');
    for (size_t i = 0; i < ls->count; i++) {
        buf_str(&out, i ? ",\n" : "");
        add_row_json(&out, &ls->rows[i]);
        buf_char(&out, '}');
    }
    buf_str(&out, "]\n");
    fputs(buf_text(&out), stdout);
    buf_done(&out);
}

static int exit_code(int err)
{
    if (err == -ENOENT)
        return EX_NOINPUT;
    if (err == -EACCES)
        return EX_NOPERM;
    return err == -EINVAL ? EX_CONFIG : EX_UNAVAILABLE;
}

static int list(const struct cli *cli, const struct settings *s, const struct settings_pipeline *pl,
                int64_t timeout_ms, bool json)
{
    struct listing ls = {.cause = cli_option(cli, "cause"), .code = cli_option(cli, "code")};
    const char *limit = cli_option(cli, "limit");
    int64_t number = LIMIT_DEFAULT;
    char error[256] = "";
    int err;

    if (cli->argc != 2)
        return cli_usage(cli, "list takes one pipeline");
    if (limit && (text_parse_int(limit, &number) != 0 || number < 1 || number > LIMIT_MAX))
        return cli_usage(cli, "--limit: \"%s\" is not a number from 1 to %d", limit, LIMIT_MAX);
    ls.limit = (size_t)number;
    ls.rows = xcalloc(ls.limit, sizeof *ls.rows);
    err =
        dead_letters_read(&s->kafka, pl->dead, (int)timeout_ms, take_row, &ls, error, sizeof error);
    if (!err || ls.count > 0) {
        qsort(ls.rows, ls.count, sizeof *ls.rows, by_time);
        if (json)
            print_json(&ls);
        else if (ls.count > 0)
            print_table(&ls);
    }
    if (!err && !json)
        fprintf(stderr, "%" PRIu64 " of %" PRIu64 " dead letters in %s match%s%s\n", ls.matched,
                ls.read, pl->dead, ls.matched > ls.count ? "; the newest are shown" : "",
                ls.count > 0 ? "; `quern dlq show PIPELINE PLACE` tells all of one" : "");
    for (size_t i = 0; i < ls.count; i++)
        row_done(&ls.rows[i]);
    free(ls.rows);
    return err ? cli_fail(cli, exit_code(err), "%s", error) : EXIT_SUCCESS;
}

/* ---- show */

static bool printable(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)data[i] < 0x20 && !strchr("\t\r\n", data[i]))
            return false;
    return data[0] != 0;
}

/* As a JSON string without its quotes: safe on a terminal, and what is not text stays readable. */
static void print_escaped(const char *data, size_t len)
{
    struct buf out = BUF_INIT;

    buf_json_str(&out, data, len);
    if (out.len >= 2)
        printf("%.*s", (int)(out.len - 2), out.data + 1);
    buf_done(&out);
}

static void print_lines(const char *data, size_t len)
{
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t line = end ? (size_t)(end - data) : len;

        printf("  ");
        print_escaped(data, line);
        putchar('\n');
        data += line + (end != NULL);
        len -= line + (end != NULL);
    }
}

static void print_hex(const unsigned char *data, size_t len)
{
    for (size_t at = 0; at < len; at += 16) {
        printf("  %08zx ", at);
        for (size_t i = at; i < at + 16; i++)
            if (i < len)
                printf(" %02x", data[i]);
            else
                printf("   ");
        printf("  ");
        for (size_t i = at; i < at + 16 && i < len; i++)
            putchar(data[i] >= 0x20 && data[i] < 0x7f ? data[i] : '.');
        putchar('\n');
    }
}

static void print_bytes(const char *what, const void *data, size_t len)
{
    size_t shown = len < VALUE_SHOWN ? len : VALUE_SHOWN;

    if (!data) {
        printf("%s: none\n", what);
        return;
    }
    printf("%s: %zu bytes%s\n", what, len, shown < len ? ", the first 4096 of them:" : "");
    if (shown > 0 && printable(data, shown))
        print_lines(data, shown);
    else
        print_hex(data, shown);
}

/* A time header as people read it, behind the number. */
static void print_time(const char *name, const char *data, size_t len)
{
    char text[25], when[25];
    int64_t ms;

    if ((strcmp(name, dead_header_names[DEAD_HEADER_FIRST_FAILURE]) != 0 &&
         strcmp(name, dead_header_names[DEAD_HEADER_LAST_FAILURE]) != 0) ||
        len >= sizeof text)
        return;
    memcpy(text, data, len);
    text[len] = 0;
    if (text_parse_int(text, &ms) != 0 || ms < 0)
        return;
    clock_format_ms(ms, when);
    printf(" (%s)", when);
}

static void print_headers(const rd_kafka_message_t *rec)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t len;

    if (rd_kafka_message_headers(rec, &headers) || !headers)
        return;
    printf("headers:\n");
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++) {
        if (strcmp(name, dead_header_names[DEAD_HEADER_BACKTRACE]) == 0)
            continue;
        printf("  ");
        print_escaped(name, strlen(name));
        printf(": ");
        print_escaped(value ? value : "", value ? len : 0);
        print_time(name, value ? value : "", value ? len : 0);
        putchar('\n');
    }
}

static bool show_text(void *data, const rd_kafka_message_t *rec, const struct dead_fields *fields)
{
    char when[25];
    int64_t ms = rd_kafka_message_timestamp(rec, NULL);

    (void)data;
    clock_format_ms(ms, when);
    printf("place: %" PRId32 "/%" PRId64 "\ntime: %s\n", rec->partition, rec->offset,
           ms < 0 ? "not known" : when);
    print_headers(rec);
    if (fields->text[DEAD_HEADER_BACKTRACE]) {
        printf("backtrace:\n");
        print_lines(fields->text[DEAD_HEADER_BACKTRACE], fields->len[DEAD_HEADER_BACKTRACE]);
    }
    print_bytes("key", rec->key, rec->key_len);
    print_bytes("value", rec->payload, rec->len);
    return false;
}

static void add_bytes(struct buf *out, const char *name, const void *data, size_t len)
{
    buf_printf(out, ",\"%s_bytes\":%zu,\"%s\":", name, len, name);
    if (data)
        buf_json_str(out, data, len < VALUE_SHOWN ? len : VALUE_SHOWN);
    else
        buf_str(out, "null");
}

static bool show_json(void *data, const rd_kafka_message_t *rec, const struct dead_fields *fields)
{
    struct row row = {.partition = rec->partition,
                      .offset = rec->offset,
                      .timestamp_ms = rd_kafka_message_timestamp(rec, NULL)};
    rd_kafka_headers_t *headers = NULL;
    struct buf out = BUF_INIT;
    const char *name;
    const void *value;
    size_t len;

    (void)data;
    for (int i = 0; i < DEAD_HEADER_COUNT; i++)
        row.fields[i] = field_copy(fields, i);
    add_row_json(&out, &row);
    add_text_or_null(&out, "backtrace", row.fields[DEAD_HEADER_BACKTRACE]);
    buf_str(&out, ",\"headers\":[");
    if (rd_kafka_message_headers(rec, &headers) == 0 && headers)
        for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++) {
            buf_str(&out, i ? ",[" : "[");
            buf_json_str(&out, name, strlen(name));
            buf_char(&out, ',');
            buf_json_str(&out, value ? value : "", value ? len : 0);
            buf_char(&out, ']');
        }
    buf_char(&out, ']');
    add_bytes(&out, "key", rec->key, rec->key_len);
    add_bytes(&out, "value", rec->payload, rec->len);
    buf_str(&out, "}\n");
    fputs(buf_text(&out), stdout);
    buf_done(&out);
    row_done(&row);
    return false;
}

static int show(const struct cli *cli, const struct settings *s, const struct settings_pipeline *pl,
                int64_t timeout_ms, bool json)
{
    int64_t partition, offset;
    char error[256] = "", *text, *slash;
    bool good;
    int err;

    if (cli->argc != 3)
        return cli_usage(cli, "show takes a pipeline and PARTITION/OFFSET");
    text = xstrdup(cli->argv[2]);
    slash = strchr(text, '/');
    if (slash)
        *slash = 0;
    good = slash && text_parse_int(text, &partition) == 0 &&
           text_parse_int(slash + 1, &offset) == 0 && partition >= 0 && partition <= INT32_MAX &&
           offset >= 0;
    free(text);
    if (!good)
        return cli_usage(cli, "\"%s\" is not PARTITION/OFFSET, like 0/42", cli->argv[2]);
    err = dead_letters_read_one(&s->kafka, pl->dead, (int32_t)partition, offset, (int)timeout_ms,
                                json ? show_json : show_text, NULL, error, sizeof error);
    return err ? cli_fail(cli, exit_code(err), "%s", error) : EXIT_SUCCESS;
}

static const struct settings_pipeline *find_pipeline(const struct settings *s, const char *name)
{
    for (size_t i = 0; i < s->pipeline_count; i++)
        if (strcmp(s->pipelines[i].name, name) == 0)
            return &s->pipelines[i];
    return NULL;
}

static int run(struct cli *cli)
{
    int json = cli_json(cli), code;
    int64_t timeout_ms = cli_timeout_ms(cli);
    const struct settings_pipeline *pl;
    struct settings *s = NULL;
    bool lists;

    if (json < 0 || timeout_ms < 0)
        return EX_USAGE;
    lists = cli->argc > 0 && strcmp(cli->argv[0], "list") == 0;
    if (!lists && (cli->argc == 0 || strcmp(cli->argv[0], "show") != 0))
        return cli_usage(cli, "is either `list` or `show`");
    if (cli->argc < 2)
        return cli_usage(cli, "needs a pipeline");
    code = cli_settings(cli, &s);
    if (code != EXIT_SUCCESS)
        return code;
    log_setup(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    pl = find_pipeline(s, cli->argv[1]);
    if (!pl)
        code = cli_fail(cli, EX_USAGE, "the settings have no pipeline \"%s\"", cli->argv[1]);
    else if (lists)
        code = list(cli, s, pl, timeout_ms, json > 0);
    else
        code = show(cli, s, pl, timeout_ms, json > 0);
    settings_free(s);
    return code;
}

const struct verb verb_dlq = {
    .name = "dlq",
    .summary = "look into a pipeline's dead letters",
    .usage =
        "list PIPELINE [--cause CAUSE] [--code CODE] [--limit N] | show PIPELINE PARTITION/OFFSET",
    .examples = "quern dlq list thumbnail\nquern dlq list thumbnail --cause crash -o json\n"
                "quern dlq show thumbnail 0/42",
    .about = "Causes: rejected, exhausted, crash, timeout, oom, expired, protocol. Reads without a "
             "consumer\n"
             "group: looking moves nothing. The list shows the newest that match, 100 unless "
             "--limit says\n"
             "otherwise. Exit codes: 66: no such topic or record; 69: no broker answered in time.",
    .options =
        (const struct verb_option[]){VERB_OPTION_CONFIG,
                                     {"cause", 0, "CAUSE", "only those that died of this"},
                                     {"code", 0, "CODE", "only those with this code of the plugin"},
                                     {"limit", 'n', "N", "show so many at most"},
                                     VERB_OPTION_OUTPUT,
                                     VERB_OPTION_TIMEOUT,
                                     VERB_OPTIONS_END},
    .run = run,
};

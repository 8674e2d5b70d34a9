/* SPDX-License-Identifier: Apache-2.0 */
#include "config/fill.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/expand.h"
#include "config/source.h"

__attribute__((format(printf, 4, 5))) static void
note(const struct fill *f, struct place place, const struct key *k, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    problems_add(f->ps, SEVERITY_ERROR, place.file, place.line, "%s%s%s: %s", f->path,
                 f->path[0] ? "." : "", k->name, text);
}

char *fill_strdup(const struct fill *f, const char *text)
{
    char *copy = arena_strdup(f->arena, text);

    if (!copy)
        abort();
    return copy;
}

bool topic_is_valid(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= 249 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

const char *fill_text(const struct fill *f, const config_setting_t *setting, bool *ret_secret)
{
    struct place place = source_place(setting);
    struct buf out = BUF_INIT, error = BUF_INIT;
    const char *warning = NULL, *text = NULL;
    char number[64];
    int64_t n;

    *ret_secret = false;
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        if (expand(config_setting_get_string(setting), &out, &error, ret_secret, &warning) == 0)
            text = fill_strdup(f, buf_text(&out));
        else
            problems_add(f->ps, SEVERITY_ERROR, place.file, place.line, "%s", buf_text(&error));
        if (warning)
            problems_add(f->ps, SEVERITY_WARNING, place.file, place.line, "%s", warning);
        break;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        if (source_int(setting, f->ps, &n)) {
            snprintf(number, sizeof number, "%" PRId64, n);
            text = fill_strdup(f, number);
        }
        break;
    case CONFIG_TYPE_FLOAT:
        snprintf(number, sizeof number, "%.17g", config_setting_get_float(setting));
        text = fill_strdup(f, number);
        break;
    case CONFIG_TYPE_BOOL:
        text = config_setting_get_bool(setting) ? "true" : "false";
        break;
    default:
        break;
    }
    if (out.data)
        explicit_bzero(out.data, out.cap);
    buf_done(&out);
    buf_done(&error);
    return text;
}

/* ---- One value from its text ---- */

static bool in_range(const struct fill *f, const struct key *k, struct place place, int64_t value)
{
    char low[32], high[32];

    if ((k->min == 0 && k->max == 0) || (value >= k->min && value <= k->max))
        return true;
    if (k->type == KEY_DURATION || k->type == KEY_SPAN) {
        text_format_duration_ms(k->min, low);
        text_format_duration_ms(k->max, high);
    } else if (k->type == KEY_SIZE) {
        text_format_size(k->min, low);
        text_format_size(k->max, high);
    } else {
        snprintf(low, sizeof low, "%" PRId64, k->min);
        snprintf(high, sizeof high, "%" PRId64, k->max);
    }
    note(f, place, k, "out of range; it may be %s to %s", low, high);
    return false;
}

static bool parse_duration(const struct fill *f, const struct key *k, struct place place,
                           const char *text, int64_t *ret)
{
    if (text_parse_duration_ms(text, ret) == 0)
        return in_range(f, k, place, *ret);
    note(f, place, k, "\"%s\" is not a duration (examples: 250ms, 30s, 5m, 2h)", text);
    return false;
}

static bool parse_int(const struct fill *f, const struct key *k, struct place place,
                      const char *text, int64_t *ret)
{
    if (text_parse_int(text, ret) == 0)
        return in_range(f, k, place, *ret);
    note(f, place, k, "\"%s\" is not a whole number", text);
    return false;
}

static void set_span(const struct fill *f, const struct key *k, struct place place, int64_t *field,
                     const char *text)
{
    const char *dots = strstr(text, "..");
    char from[64];
    int64_t a, b;

    if (!dots || (size_t)(dots - text) >= sizeof from) {
        note(f, place, k, "\"%s\" is not of the form from..to (example: 1s..10m)", text);
        return;
    }
    memcpy(from, text, (size_t)(dots - text));
    from[dots - text] = 0;
    if (!parse_duration(f, k, place, from, &a) || !parse_duration(f, k, place, dots + 2, &b))
        return;
    if (a > b) {
        note(f, place, k, "\"%s\" ends before it begins", text);
        return;
    }
    field[0] = a;
    field[1] = b;
}

static void set_choice(const struct fill *f, const struct key *k, struct place place, int *field,
                       const char *text)
{
    const char *names[16];
    char copy[128], *save;
    size_t count = 0;
    const char *nearest;

    snprintf(copy, sizeof copy, "%s", k->choices);
    for (char *c = strtok_r(copy, "|", &save); c && count < 16; c = strtok_r(NULL, "|", &save))
        names[count++] = c;
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], text) == 0) {
            *field = (int)i;
            return;
        }
    nearest = text_nearest(text, names, count);
    if (nearest)
        note(f, place, k, "\"%s\" is not one of %s; did you mean \"%s\"?", text, k->choices, nearest);
    else
        note(f, place, k, "\"%s\" is not one of %s", text, k->choices);
}

static void set_text(const struct fill *f, const struct key *k, struct place place, void *field,
                     const char *text)
{
    int64_t n;

    switch (k->type) {
    case KEY_TOPIC:
        if (!topic_is_valid(text)) {
            note(f, place, k, "\"%s\" is not a topic's name (1 to 249 of [a-zA-Z0-9._-])", text);
            return;
        }
        *(char **)field = fill_strdup(f, text);
        return;
    case KEY_STRING:
        *(char **)field = fill_strdup(f, text);
        return;
    case KEY_INT:
        if (parse_int(f, k, place, text, &n))
            *(int64_t *)field = n;
        return;
    case KEY_INT32:
        if (parse_int(f, k, place, text, &n))
            *(int32_t *)field = (int32_t)n;
        return;
    case KEY_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            note(f, place, k, "\"%s\" is not true or false", text);
        else
            *(bool *)field = text[0] == 't';
        return;
    case KEY_DURATION:
        if (parse_duration(f, k, place, text, &n))
            *(int64_t *)field = n;
        return;
    case KEY_SIZE:
        if (text_parse_size(text, &n) != 0)
            note(f, place, k, "\"%s\" is not a size (examples: 512, 64KiB, 10MB)", text);
        else if (in_range(f, k, place, n))
            *(int64_t *)field = n;
        return;
    case KEY_SPAN:
        set_span(f, k, place, field, text);
        return;
    case KEY_CHOICE:
        set_choice(f, k, place, field, text);
        return;
    case KEY_LIST:
    case KEY_TOPICS:
    case KEY_GROUP:
    case KEY_MAP:
        return;
    }
}

/* ---- Lists ---- */

static char **new_list(const struct fill *f, size_t count)
{
    char **list = arena_alloc(f->arena, (count + 1) * sizeof *list);

    if (!list)
        abort();
    list[count] = NULL;
    return list;
}

static char **default_list(const struct fill *f, const char *text)
{
    size_t count = text && text[0] ? 1 : 0;
    char **list;

    for (const char *c = text; c && *c; c++)
        count += *c == ',';
    list = new_list(f, count);
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(text, ",");

        list[i] = fill_strdup(f, text);
        list[i][len] = 0;
        text += len + 1;
    }
    return list;
}

static void set_list(const struct fill *f, const struct key *k, const config_setting_t *s,
                     char ***field)
{
    struct place place = source_place(s);
    size_t count = (size_t)config_setting_length(s), n = 0;
    char **list;
    bool secret;

    if (!config_setting_is_array(s) && !config_setting_is_list(s)) {
        note(f, place, k, "must be a list: [ \"...\", \"...\" ]");
        return;
    }
    list = new_list(f, count);
    for (size_t i = 0; i < count; i++) {
        const config_setting_t *e = config_setting_get_elem(s, (unsigned)i);
        const char *text = NULL;

        if (config_setting_type(e) == CONFIG_TYPE_STRING)
            text = fill_text(f, e, &secret);
        else
            note(f, place, k, "its elements must be strings");
        if (!text)
            continue;
        if (k->type == KEY_TOPICS && !topic_is_valid(text))
            note(f, place, k, "\"%s\" is not a topic's name (1 to 249 of [a-zA-Z0-9._-])", text);
        list[n++] = fill_strdup(f, text);
    }
    list[n] = NULL;
    if ((k->flags & KEY_REQUIRED) && count == 0)
        note(f, place, k, "must not be empty");
    *field = list;
}

/* ---- Groups ---- */

static void note_unknown(const struct fill *f, const struct key *table, const config_setting_t *s)
{
    struct place place = source_place(s);
    const char *name = config_setting_name(s), *names[64], *nearest;
    size_t count = 0;

    for (const struct key *k = table; k->name && count < 64; k++)
        names[count++] = k->name;
    nearest = text_nearest(name, names, count);
    problems_add(f->ps, SEVERITY_ERROR, place.file, place.line, "unknown key \"%s\" in %s%s%s%s", name,
                 f->path[0] ? f->path : "the settings", nearest ? "; did you mean \"" : "",
                 nearest ? nearest : "", nearest ? "\"?" : "");
}

static void refuse_unknown(const struct fill *f, const struct key *table,
                           const config_setting_t *group)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        const struct key *k = table;

        while (k->name && strcmp(k->name, config_setting_name(s)) != 0)
            k++;
        if (!k->name)
            note_unknown(f, table, s);
    }
}

static void fill_sub(const struct fill *f, const struct key *k, const config_setting_t *s,
                     struct place place, void *base)
{
    char path[160];
    struct fill inner = {f->arena, f->ps, path};

    snprintf(path, sizeof path, "%s%s%s", f->path, f->path[0] ? "." : "", k->name);
    if (s && !config_setting_is_group(s)) {
        note(f, source_place(s), k, "must be a group: { ... }");
        s = NULL;
    }
    fill_group(&inner, k->sub, s, s ? source_place(s) : place, base);
}

static void fill_key(const struct fill *f, const struct key *k, const config_setting_t *s,
                     struct place place, void *base)
{
    void *field = (char *)base + k->offset;
    const char *text;
    bool secret;

    switch (k->type) {
    case KEY_MAP:
        return;
    case KEY_GROUP:
        fill_sub(f, k, s, place, field);
        return;
    case KEY_LIST:
    case KEY_TOPICS:
        *(char ***)field = default_list(f, k->fallback);
        if (s)
            set_list(f, k, s, field);
        return;
    default:
        break;
    }
    if (k->flags & KEY_BY_CODE)
        return;
    if (k->fallback)
        set_text(f, k, place, field, k->fallback);
    if (!s)
        return;
    text = fill_text(f, s, &secret);
    if (text)
        set_text(f, k, source_place(s), field, text);
    else if (config_setting_is_aggregate(s))
        note(f, source_place(s), k, "must be a single value (%s)", key_type_name(k->type));
}

void fill_group(const struct fill *f, const struct key *table, const config_setting_t *group,
                struct place place, void *base)
{
    if (group)
        refuse_unknown(f, table, group);
    for (const struct key *k = table; k->name; k++) {
        const config_setting_t *s = group ? config_setting_get_member(group, k->name) : NULL;

        if (!s && (k->flags & KEY_REQUIRED)) {
            note(f, place, k, "is required: %s", k->help);
            continue;
        }
        fill_key(f, k, s, place, base);
    }
}
